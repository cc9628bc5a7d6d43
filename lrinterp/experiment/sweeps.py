"""A sweep in a folder: planned before its first step, resumed wherever it stopped.

`plan.json` holds the study and which models share a stack; `stacks/0007.json` the rows of a
finished stack; `models.parquet`, `results.parquet` and `results.csv` the tables, at the end.
`models/00042` holds the checkpoint of a model where checkpoints were asked for.
`begun` is how any folder of many models is refused or gone on with.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd

from lrinterp.experiment.model_table import (
    CSV,
    MODELS,
    TABLE,
    models_of,
    read_table,
    rows_of,
    side_by_side,
    tidy,
    write_table,
)
from lrinterp.experiment.stack import check_known, pack, run_stack
from lrinterp.experiment.study import Study
from lrinterp.experiment.tasks import After, Executors, Task, run_tasks
from lrinterp.locking import LOCK, TEMPORARY, alone, holds_nothing
from lrinterp.scenes import PAPER
from lrinterp.store import (
    InputError,
    from_plain,
    read_json,
    shortened,
    to_plain,
    write_json,
)

__all__ = [
    "CHECKPOINTS",
    "PLAN",
    "FolderPlan",
    "LoadedSweep",
    "SweepPlan",
    "begun",
    "check_free",
    "load_sweep",
    "sweep",
]

PLAN, STACKS, CHECKPOINTS = "plan.json", "stacks", "models"
FIRST, SECOND = 1, 2
"""Formats of before."""


@dataclass(frozen=True, kw_only=True)
class FolderPlan(ABC):
    """`plan.json`: all that decides what a folder will hold."""

    format: int

    @property
    @abstractmethod
    def fixed(self) -> dict[str, Any]:
        """What must be the same where the folder is resumed, by its name in errors."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `plan.json`; InputError where there is none, or one of another format."""
        path = folder / PLAN
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        if not path.is_file():
            raise InputError(f"{folder}: no folder of lrinterp sweep or reproduce (no {PLAN})")
        plain = read_json(path)
        plain = cls.of_now(plain) if isinstance(plain, dict) else {}
        if (version := plain.get("format")) != cls.format:
            raise InputError(f"{path}: format version {shortened(version)}, expected {cls.format}")
        return from_plain(cls, plain, str(path))

    @staticmethod
    def of_now(plain: dict[str, Any]) -> dict[str, Any]:
        """A plan of an older format as one of this."""
        return plain


P = TypeVar("P", bound=FolderPlan)


@contextmanager
def begun(plan: P, out: Path, *, resume: bool) -> Iterator[P]:
    """The plan to follow in a folder, written there, while nobody else works in it.

    What a kill left is cleared at the end. Raises InputError, before anything is written, where
    `out` holds anything that is not an unfinished folder of the same plan to be resumed, or where
    another process is at work in it.
    """
    opened(plan, out, resume=resume)
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        plan = opened(plan, out, resume=True)  # again, now that nobody else can write a plan
        if not (out / PLAN).exists():
            write_json(out / PLAN, to_plain(plan))
        yield plan
        for leftover in out.rglob(TEMPORARY):
            leftover.unlink()


def opened(plan: P, out: Path, *, resume: bool) -> P:
    """The plan to follow: a new one, or the one that is found and fixes the same."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is no folder; choose another --out")
    if holds_nothing(out):
        return plan
    found = type(plan).read(out) if (out / PLAN).is_file() else None
    theirs = plan.fixed if found is None else found.fixed
    for name, value in plan.fixed.items():
        if (other := theirs.get(name)) != value:
            why = f"{name} = {shortened(other)}, not {shortened(value)}"
            raise InputError(f"{out}: belongs to another study ({why}); choose another --out")
    if found is None:
        why = f"nothing to resume (no {PLAN})" if resume else "already exists and is not empty"
        raise InputError(f"{out}: {why}; choose another --out")
    if not resume:
        advice = "choose another --out, or add --resume to finish what was interrupted"
        raise InputError(f"{out}: already exists and is not empty; {advice}")
    return found


@dataclass(frozen=True, kw_only=True)
class SweepPlan(FolderPlan):
    """`plan.json`: all that decides the table of a sweep."""

    format: int = 3
    study: dict[str, Any]
    device: str = "cpu"
    checkpoints: bool = False
    """Is the checkpoint of every model kept?"""
    stacks: list[list[int]]
    """The models of each stack, in the order in which they are begun."""

    @classmethod
    def of(cls, study: Study, *, device: str, checkpoints: bool) -> Self:
        """The plan of a new sweep; InputError for a number that no analysis has."""
        check_known(study)
        plain, stacks = to_plain(study), pack(study)
        return cls(study=plain, device=device, checkpoints=checkpoints, stacks=stacks)

    @property
    def fixed(self) -> dict[str, Any]:
        """The study, the device, and whether checkpoints are kept; stacks are those found."""
        return {**self.study, "device": self.device, "checkpoints": self.checkpoints}

    @staticmethod
    def of_now(plain: dict[str, Any]) -> dict[str, Any]:
        """Studies asked for no further numbers; at first, what was unnamed meant PAPER."""
        version, study = plain.get("format"), plain.get("study")
        if version not in (FIRST, SECOND) or not isinstance(study, dict):
            return plain
        base = study.get("base", {})
        if version == FIRST:
            base = {**base, **{k: {**v, **base.get(k, {})} for k, v in PAPER.items()}}
        return {
            **plain,
            "format": SweepPlan.format,
            "study": {**study, "base": base, "measure": []},
        }


@dataclass(frozen=True, kw_only=True)
class LoadedSweep:
    """What a folder holds of a sweep: its study, and the rows of the models that are done."""

    name: str
    study: Study
    models: pd.DataFrame
    """A row a model: place, configuration, loss, error, cost."""
    numbers: pd.DataFrame
    """A row a model and number: model, arm, seed, step, key, value, low, high, n, n_units, text."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """The models with a column for each number."""
        return side_by_side(self.models, self.numbers)

    @property
    def missing(self) -> int:
        """Models of the study that have no row."""
        return sum(self.study.planned.values()) - len(self.models)

    @property
    def versions(self) -> dict[str, str]:
        """The versions that the rows were made with; several of one package are all named."""
        columns = self.models.filter(regex=r"^version\.").items()
        return {
            str(name).removeprefix("version."): ", ".join(sorted(set(values.dropna())))
            for name, values in columns
        }


def sweep(
    plan: SweepPlan,
    out: Path,
    executors: Executors,
    *,
    resume: bool = False,
    after: After = lambda _models, _all: None,
) -> dict[str, str]:
    """Train and measure every model of a plan that has no row yet, and write the table.

    `after` is told, at first and as each stack is done, how many models are done and how many
    there are. Returns why stacks could not be done, by their number; their models are missing
    from the table, and a resumed sweep tries them again. Raises InputError as `begun` does.
    """
    with begun(plan, out, resume=resume) as plan:
        study = Study.from_plain(plan.study, str(out / PLAN))
        tasks = tasks_of(plan, study, out)
        rows_of(out / STACKS, tasks)  # refuses what is damaged before anything is trained
        failed = run_tasks(run_stack, tasks, out / STACKS, executors, after)
        write_table(out, rows_of(out / STACKS, tasks))
    return failed


def check_free(out: Path, folder: Path) -> None:
    """Refuse to write over what a sweep consists of."""
    target, home = out.resolve(), folder.resolve()
    own = [home / name for name in (PLAN, MODELS, TABLE, CSV, LOCK, STACKS, CHECKPOINTS)]
    if any(target.is_relative_to(path) for path in own):
        raise InputError(f"--out {out}: would overwrite the sweep; choose another name")


def tasks_of(plan: SweepPlan, study: Study, out: Path) -> list[Task]:
    """The stacks of a plan as tasks."""
    everyone = [one | {"plan": setting.plain(one["seed"])} for one, setting in study.members()]
    if sorted(n for stack in plan.stacks for n in stack) != list(range(len(everyone))):
        raise InputError(f"{out / PLAN}: stacks do not hold every model once; restore the file")
    common = {
        "numbers": study.numbers,
        "threads": study.threads,
        "device": plan.device,
        "checkpoints": str((out / CHECKPOINTS).resolve()) if plan.checkpoints else None,
    }
    return [
        Task(
            name=f"{number:04d}",
            payload={"stack": number, "models": [everyone[n] for n in stack], **common},
            models=len(stack),
        )
        for number, stack in enumerate(plan.stacks)
    ]


def load_sweep(folder: str | Path) -> LoadedSweep:
    """The study and the table of a sweep; of one that is not at its end, what is done so far.

    Raises InputError where the folder is no sweep, or its table is missing, damaged or of another
    study.
    """
    folder = Path(folder)
    plan = SweepPlan.read(folder)
    study = Study.from_plain(plan.study, str(folder / PLAN))
    if (folder / TABLE).exists():
        models, numbers = read_table(folder, study)
    else:
        rows = rows_of(folder / STACKS, tasks_of(plan, study, folder))
        models, numbers = models_of(rows), tidy(rows)
    if models.empty:
        raise InputError(f"{folder}: no stack is done yet; go on with lrinterp sweep --resume")
    return LoadedSweep(name=folder.resolve().name, study=study, models=models, numbers=numbers)
