"""Training and measuring everything that has no file yet, part by part."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lrinterp.experiment import SweepPlan, load_sweep, measure_run, sweep
from lrinterp.experiment.tasks import Executors, Task, result_file, run_tasks
from lrinterp.locking import alone
from lrinterp.reproduction import ablations, attribution, gradients, rotation, text_heads
from lrinterp.reproduction.design import STANDARD, UNTRAINED
from lrinterp.reproduction.folder import (
    DIVERSITY,
    EMERGENCE,
    MEASURES,
    MODELS,
    PLAN,
    SCALES,
    ReproductionPlan,
    check_folder,
    checkpoint_of,
    studies_of,
)
from lrinterp.reproduction.measure import measure
from lrinterp.reproduction.statistics import numbers_of
from lrinterp.result import records
from lrinterp.store import to_plain, write_json

__all__ = ["Stage", "analysed", "followed", "reproduce"]

TITLES = {
    MODELS: "Training the arms",
    SCALES: "Training the grid of scales",
    DIVERSITY: "Training the grid of diversity",
    MEASURES: "Analysing the arms",
    EMERGENCE: "Following standard models",
}

SHOWN = [part.NUMBERS for part in (ablations, attribution, gradients, rotation, text_heads)]

After = Callable[[int, int], None]
Stage = Callable[[str], After]
"""Takes the name of a stage, gives what is to be told how many of its models are done, of all."""


def reproduce(
    plan: ReproductionPlan,
    out: Path,
    executors: Executors,
    *,
    resume: bool = False,
    stage: Stage = lambda _: lambda _done, _all: None,
) -> dict[str, str]:
    """Train and measure everything that has no file yet; returns why tasks could not be done.

    Raises InputError, before anything is written, where the base does not fit, where `out` holds
    anything that is not a reproduction of the same plan to be resumed, or where another process is
    at work in it.
    """
    studies = studies_of(plan)
    check_folder(plan, out, resume=resume)
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        if not (out / PLAN).exists():
            write_json(out / PLAN, to_plain(plan))
        failed: dict[str, str] = {}
        for name, study in studies.items():
            own = SweepPlan.of(study, device=plan.device, checkpoints=name == MODELS)
            missing = sweep(own, out / name, executors, resume=True, after=stage(TITLES[name]))
            failed |= {f"{name} {stack}": reason for stack, reason in missing.items()}
        failed |= {
            f"models {row['model']} ({row['arm']}, seed {row['seed']})": row["error"]
            for row in records(load_sweep(out / MODELS).table)
            if row["error"] is not None
        }
        work: dict[str, tuple[Callable[..., Any], list[Task]]] = {
            MEASURES: (measure, analysed(plan, out)),
            EMERGENCE: (measure_run, followed(out)),
        }
        for name, (function, tasks) in work.items():
            (out / name).mkdir(exist_ok=True)
            missing = counted_tasks(function, tasks, out / name, executors, stage(TITLES[name]))
            failed |= {f"{name} {task}": reason for task, reason in missing.items()}
    return failed


def analysed(plan: ReproductionPlan, out: Path) -> list[Task]:
    """Every trained model of the arms, and the standard ones before their first step."""
    study, numbers = plan.design.studies[MODELS], asked()
    standard = next(one for one in study.settings() if one.arm == STANDARD)
    trained = [
        (f"{row['model']:05d}", {"checkpoint": folder_of(out, row), "plan": None}, row)
        for row in trained_rows(out)
    ]
    fresh = [
        (
            f"{UNTRAINED}-{seed}",
            {"checkpoint": None, "plan": standard.plain(seed)},
            {"arm": UNTRAINED, "seed": seed},
        )
        for seed in study.all_seeds()
    ]
    return [
        Task(
            name=name,
            payload={
                **what,
                "arm": row["arm"],
                "seed": row["seed"],
                "numbers": numbers,
                "threads": 1,
            },
        )
        for name, what, row in (*trained, *fresh)
    ]


def asked() -> list[str]:
    """The numbers that claims and sections need of every model."""
    return list(dict.fromkeys([*numbers_of(), *(n for names in SHOWN for n in names)]))


def followed(out: Path) -> list[Task]:
    """The standard models, each with the steps that were kept of it."""
    rows = [row for row in trained_rows(out) if row["arm"] == STANDARD]
    return [
        Task(
            name=f"{row['model']:05d}",
            payload={
                "run": folder_of(out, row),
                "name": f"seed {row['seed']}",
                "arm": row["arm"],
                "seed": row["seed"],
                "threads": 1,
            },
        )
        for row in rows
    ]


def trained_rows(out: Path) -> list[dict[str, Any]]:
    """Number, arm and seed of every model of the arms that was trained."""
    table = load_sweep(out / MODELS).table
    return records(table.loc[table["error"].isna(), ["model", "arm", "seed"]])


def folder_of(out: Path, row: Mapping[str, Any]) -> str:
    """The checkpoint of a model of the arms, from wherever it is opened."""
    return str(checkpoint_of(out, row["model"]).resolve())


def counted_tasks(
    function: Callable[..., Any],
    tasks: list[Task],
    folder: Path,
    executors: Executors,
    after: After,
) -> dict[str, str]:
    """Run tasks and tell how many are done."""
    done = sum(result_file(folder, task).exists() for task in tasks)
    after(done, len(tasks))

    def tell(_: Task) -> None:
        nonlocal done
        done += 1
        after(done, len(tasks))

    return run_tasks(function, tasks, folder, executors, tell)
