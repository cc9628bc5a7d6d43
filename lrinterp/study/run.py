"""A sweep in a folder: planned before its first step, resumed wherever it stopped.

`plan.json` holds the study and which models share a stack; `stacks/0007.json` the rows of a
finished stack; `results.parquet` and `results.csv` the table, one row a model, at the end.
`models/00042` holds the checkpoint of a model where checkpoints were asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.locking import alone, holds_nothing
from lrinterp.store import (
    InputError,
    from_plain,
    read_json,
    shortened,
    to_plain,
    write_atomically,
    write_json,
)
from lrinterp.study.design import Study
from lrinterp.study.packing import Member, members, pack
from lrinterp.study.rows import run_stack
from lrinterp.sweep import Task, read_result, run_tasks
from lrinterp.sweep.tasks import Executors

__all__ = ["LoadedSweep", "SweepPlan", "load_sweep", "sweep"]

PLAN, STACKS, MODELS = "plan.json", "stacks", "models"
TABLE = "results.parquet"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """`plan.json`: all that decides the table of a sweep."""

    format: int = FORMAT
    study: dict[str, Any]
    device: str = "cpu"
    checkpoints: bool = False
    """Is the checkpoint of every model kept?"""
    stacks: list[list[int]]
    """The models of each stack, in the order in which they are begun."""

    @classmethod
    def of(cls, study: Study, *, device: str, checkpoints: bool) -> "SweepPlan":
        """The plan of a new sweep."""
        plain = to_plain(study)
        return cls(study=plain, device=device, checkpoints=checkpoints, stacks=pack(study))


@dataclass(frozen=True, kw_only=True)
class LoadedSweep:
    """What a folder holds of a sweep: its study, and the rows of the models that are done."""

    name: str
    study: Study
    table: pd.DataFrame

    @property
    def versions(self) -> dict[str, str]:
        """The versions that the rows were made with; several of one package are all named."""
        names = [name for name in map(str, self.table) if name.startswith("version.")]
        return {
            name.removeprefix("version."): ", ".join(sorted(set(self.table[name].dropna())))
            for name in names
        }


def sweep(
    plan: SweepPlan,
    out: Path,
    executors: Executors,
    *,
    resume: bool = False,
    after: Callable[[int, int], None] = lambda _models, _all: None,
) -> dict[str, str]:
    """Train and measure every model of a plan that has no row yet, and write the table.

    `after` is told, at first and as each stack is done, how many models are done and how many
    there are. Returns why stacks could not be done, by their number; their models are missing
    from the table, and a resumed sweep tries them again.

    Raises InputError, before anything is written, where `out` holds anything that is not an
    unfinished sweep of the same plan to be resumed, or where another process is at work in it.
    """
    plan = opened(plan, out, resume=resume)
    (out / STACKS).mkdir(parents=True, exist_ok=True)
    with alone(out):
        if not (out / PLAN).exists():
            write_json(out / PLAN, to_plain(plan))
        study = Study.from_plain(plan.study, str(out / PLAN))
        tasks = tasks_of(plan, study, out)
        sizes = {task.name: len(task.payload["models"]) for task in tasks}
        done = sum(sizes[task.name] for task in tasks if read_result(out / STACKS, task))
        total = sum(sizes.values())
        after(done, total)

        def tell(task: Task) -> None:
            nonlocal done
            done += sizes[task.name]
            after(done, total)

        failed = run_tasks(run_stack, tasks, out / STACKS, executors, tell)
        write_table(out, rows_of(out, tasks))
    return failed


def opened(plan: SweepPlan, out: Path, *, resume: bool) -> SweepPlan:
    """The plan to follow: a new one, or the one that is found and is the same but for stacks."""
    if holds_nothing(out):
        return plan
    if not out.is_dir():
        raise InputError(f"{out}: is no folder; choose another --out")
    found = read_plan(out) if (out / PLAN).is_file() else None
    if found is not None:
        compare(plan, found, out)
    if not resume:
        advice = "choose another --out, or add --resume to finish an interrupted sweep"
        raise InputError(f"{out}: already exists and is not empty; {advice}")
    if found is None:
        if {path.name for path in out.iterdir()} <= {STACKS, ".lock"}:
            return plan  # killed before its plan was written
        raise InputError(f"{out}: nothing to resume (no {PLAN}); choose another --out")
    return found


def compare(plan: SweepPlan, found: SweepPlan, out: Path) -> None:
    """Refuse a folder that belongs to another study, naming the first field that differs."""
    ours, theirs = (
        {**p.study, "device": p.device, "checkpoints": p.checkpoints} for p in (plan, found)
    )
    for name, value in ours.items():
        if theirs.get(name) != value:
            what = f"{name} = {shortened(theirs.get(name))}, not {shortened(value)}"
            raise InputError(f"{out}: belongs to another study ({what}); choose another --out")


def read_plan(folder: Path) -> SweepPlan:
    """Read `plan.json`; InputError where the folder is no sweep, or of another format."""
    path = folder / PLAN
    if not path.is_file():
        raise InputError(f"{folder}: not a sweep (no {PLAN}); expected a folder of lrinterp sweep")
    plain = read_json(path)
    version = plain.get("format") if isinstance(plain, dict) else None
    if version != FORMAT:
        raise InputError(f"{path}: format version {shortened(version)}, expected {FORMAT}")
    return from_plain(SweepPlan, plain, str(path))


def tasks_of(plan: SweepPlan, study: Study, out: Path) -> list[Task]:
    """The stacks of a plan as tasks."""
    everyone = list(members(study))
    common = {
        "threads": study.threads,
        "device": plan.device,
        "checkpoints": str((out / MODELS).resolve()) if plan.checkpoints else None,
    }
    if sorted(n for stack in plan.stacks for n in stack) != list(range(len(everyone))):
        raise InputError(f"{out / PLAN}: stacks do not hold every model once; restore the file")
    return [
        Task(
            name=f"{number:04d}",
            payload={"stack": number, "models": [plain(everyone[n]) for n in stack], **common},
        )
        for number, stack in enumerate(plan.stacks)
    ]


def plain(member: Member) -> dict[str, Any]:
    """A model of a study as plain data."""
    setting, seed = member.setting, member.seed
    return {
        "model": member.model,
        "arm": setting.arm,
        "seed": seed,
        "plan": setting.plan(seed).plain(),
    }


def rows_of(out: Path, tasks: list[Task]) -> list[dict[str, Any]]:
    """The rows of all finished stacks, by model; InputError names a file that is not ours."""
    rows: list[dict[str, Any]] = []
    for task in tasks:
        found = read_result(out / STACKS, task)
        if found is None:
            continue
        expected = [one["model"] for one in task.payload["models"]]
        if [row.get("model") for row in found] != expected:
            where = out / STACKS / f"{task.name}.json"
            raise InputError(f"{where}: does not hold its models; remove it and resume")
        rows += found
    return sorted(rows, key=lambda row: row["model"])


def write_table(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write the table as parquet and CSV."""
    columns = dict.fromkeys(name for row in rows for name in row)
    table = pd.DataFrame(rows, columns=list(columns))
    write_atomically(out / TABLE, table.to_parquet(index=False))
    write_atomically(out / "results.csv", table.to_csv(index=False).encode())


def load_sweep(folder: str | Path) -> LoadedSweep:
    """The study and the table of a finished sweep; of an unfinished one, what is done of it.

    Raises InputError where the folder is no sweep, or its table is missing or damaged.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    study = Study.from_plain(plan.study, str(folder / PLAN))
    if not (folder / TABLE).is_file():
        raise InputError(f"{folder}: has no {TABLE} yet; finish it with lrinterp sweep --resume")
    try:
        table = pd.read_parquet(folder / TABLE)
    except Exception as error:  # whatever pyarrow makes of a damaged file
        raise InputError(f"{folder / TABLE}: damaged; make it again with --resume") from error
    return LoadedSweep(name=folder.resolve().name, study=study, table=table)
