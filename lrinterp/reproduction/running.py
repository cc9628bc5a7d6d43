"""Training and measuring a reproduction in a folder, part by part, and reading it back.

`plan.json` says how large it is; `models`, `scales` and `diversity` are sweeps;
`measures/00007.json` is what the analyses say of a model, `emergence/00007.json` a model along its
training.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.experiment import LoadedSweep, SweepPlan, load_sweep, measure_run, sweep
from lrinterp.experiment.sweeps import CHECKPOINTS, PLAN, begun
from lrinterp.experiment.tasks import After, Executors, Task, done, run_tasks
from lrinterp.reproduction import heads, ingredients
from lrinterp.reproduction.claim_statistics import PARTS
from lrinterp.reproduction.design import STANDARD, UNTRAINED, ReproductionPlan
from lrinterp.reproduction.measured_models import Measures, gather, measure_model
from lrinterp.result import records

__all__ = [
    "Made",
    "Stage",
    "analysed",
    "asked_numbers",
    "followed_runs",
    "load_reproduction",
    "reproduce",
]

MODELS, SCALES, DIVERSITY, MEASURES, EMERGENCE = (
    "models", "scales", "diversity", "measures", "emergence",
)  # fmt: skip
TITLES = {
    MODELS: "Training the arms",
    SCALES: "Training the grid of scales",
    DIVERSITY: "Training the grid of diversity",
    MEASURES: "Analysing the arms",
    EMERGENCE: "Following standard models",
}
SHOWN = (*heads.NUMBERS, *ingredients.NUMBERS)

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

    Raises InputError, before anything is written, where the base does not fit, and as
    `experiment.sweeps.begun` does.
    """
    studies = plan.studies
    failed: dict[str, str] = {}
    with begun(plan, out, resume=resume) as plan:
        for name, study in studies.items():
            own = SweepPlan.of(study, device=plan.device, checkpoints=name == MODELS)
            missing = sweep(own, out / name, executors, resume=True, after=stage(TITLES[name]))
            failed |= {f"{name} {stack}": reason for stack, reason in missing.items()}
        models = load_sweep(out / MODELS).models
        failed |= {
            f"models {row['model']} ({row['arm']}, seed {row['seed']})": row["error"]
            for row in records(models.dropna(subset=["error"]))
        }
        work: dict[str, tuple[Callable[..., Any], list[Task]]] = {
            MEASURES: (measure_model, analysed(plan, models, out)),
            EMERGENCE: (measure_run, followed_runs(models, out)),
        }
        for name, (function, tasks) in work.items():
            missing = run_tasks(function, tasks, out / name, executors, stage(TITLES[name]))
            failed |= {f"{name} {task}": reason for task, reason in missing.items()}
    return failed


def analysed(plan: ReproductionPlan, models: pd.DataFrame, out: Path) -> list[Task]:
    """Every trained model of the arms, and the standard ones before their first step."""
    study, numbers = plan.studies[MODELS], asked_numbers()
    standard = next(one for one in study.settings() if one.arm == STANDARD)
    found = [
        (f"{row['model']:05d}", {"checkpoint": folder_of(out, row), "plan": None, **place_of(row)})
        for row in trained_rows(models)
    ]
    for seed in study.all_seeds():
        fresh = {"checkpoint": None, "plan": standard.plain(seed)}
        found.append((f"{UNTRAINED}-{seed}", {**fresh, "arm": UNTRAINED, "seed": seed}))
    common = {"numbers": numbers, "threads": 1}
    return [Task(name=name, payload={**one, **common}) for name, one in found]


def asked_numbers() -> list[str]:
    """The numbers that claims and sections need of every model."""
    judged = [name for part in PARTS.values() for name in (part.number, part.minus) if name]
    return list(dict.fromkeys([*judged, *SHOWN]))


def followed_runs(models: pd.DataFrame, out: Path) -> list[Task]:
    """The standard models, each with its snapshots."""
    return [
        Task(
            name=f"{row['model']:05d}",
            payload={
                "run": folder_of(out, row),
                "name": f"seed {row['seed']}",
                **place_of(row),
                "threads": 1,
            },
        )
        for row in trained_rows(models)
        if row["arm"] == STANDARD
    ]


def trained_rows(models: pd.DataFrame) -> list[dict[str, Any]]:
    """Number, arm and seed of every model of the arms that was trained."""
    return records(models.loc[models["error"].isna(), ["model", "arm", "seed"]])


def place_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Arm and seed of a model."""
    return {name: row[name] for name in ("arm", "seed")}


def folder_of(out: Path, row: Mapping[str, Any]) -> str:
    """The checkpoint of a model of the arms, from wherever it is opened."""
    return str((out / MODELS / CHECKPOINTS / f"{row['model']:05d}").resolve())


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a folder holds of a reproduction, finished or not."""

    plan: ReproductionPlan
    models: LoadedSweep
    measures: Measures
    emergence: list[dict[str, Any]]
    """One row for each snapshot of each standard model, as `measure_run` makes it."""
    scales: LoadedSweep
    diversity: LoadedSweep | None


def load_reproduction(out: Path, study: LoadedSweep | None = None) -> Made:
    """What a folder holds; `study` is the sweep of diversity that its plan names, if it names one.

    Raises InputError where the folder is no reproduction, or its models are not trained yet.
    """
    plan = ReproductionPlan.read(out)
    loaded = load_sweep(out / MODELS)
    if study is None and (out / DIVERSITY / PLAN).is_file():
        study = load_sweep(out / DIVERSITY)
    measured = done(out / MEASURES, analysed(plan, loaded.models, out))
    rows = done(out / EMERGENCE, followed_runs(loaded.models, out))
    return Made(
        plan=plan,
        models=loaded,
        measures=gather((t.payload["arm"], t.payload["seed"], found) for t, found in measured),
        emergence=[row for _, found in rows for row in found],
        scales=load_sweep(out / SCALES),
        diversity=study,
    )
