"""A sweep in a folder: planned before its first step, resumed wherever it stopped.

`plan.json` holds the study and which models share a stack; `stacks/0007.json` the rows of a
finished stack; `models.parquet`, `results.parquet` and `results.csv` the tables, at the end.
`models/00042` holds the checkpoint of a model where checkpoints were asked for.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.experiment.design import Study
from lrinterp.experiment.packing import Member, members, pack
from lrinterp.experiment.stack import check_known, run_stack
from lrinterp.experiment.table import (
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
from lrinterp.experiment.tasks import Executors, Task, run_tasks
from lrinterp.locking import LOCK, TEMPORARY, alone, holds_nothing, scaffold
from lrinterp.scenes import PAPER
from lrinterp.store import (
    InputError,
    from_plain,
    parse_json,
    read_json,
    shortened,
    to_plain,
    write_json,
)

__all__ = ["LoadedSweep", "SweepPlan", "check_free", "load_sweep", "sweep"]

PLAN, STACKS, CHECKPOINTS = "plan.json", "stacks", "models"
FIRST, SECOND, FORMAT = 1, 2, 3


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
        """The plan of a new sweep.

        InputError where the study holds what JSON does not, or asks for a number that no analysis
        has.
        """
        check_known(study)
        plain = to_plain(study)
        try:
            parse_json(json.dumps(plain, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(f"study: holds a value that cannot be written ({error})") from error
        return cls(study=plain, device=device, checkpoints=checkpoints, stacks=pack(study))


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
    opened(plan, out, resume=resume)
    (out / STACKS).mkdir(parents=True, exist_ok=True)
    with alone(out):
        plan = opened(plan, out, resume=True)  # again, now that nobody else can write a plan
        if not (out / PLAN).exists():
            write_json(out / PLAN, to_plain(plan))
        study = Study.from_plain(plan.study, str(out / PLAN))
        tasks = tasks_of(plan, study, out)
        sizes = {task.name: len(task.payload["models"]) for task in tasks}
        done, total = len(rows_of(out / STACKS, tasks)), sum(sizes.values())
        after(done, total)

        def tell(task: Task) -> None:
            nonlocal done
            done += sizes[task.name]
            after(done, total)

        failed = run_tasks(run_stack, tasks, out / STACKS, executors, tell)
        write_table(out, rows_of(out / STACKS, tasks))
        for leftover in (*out.glob(TEMPORARY), *out.glob(f"{STACKS}/{TEMPORARY}")):
            leftover.unlink()
    return failed


def opened(plan: SweepPlan, out: Path, *, resume: bool) -> SweepPlan:
    """The plan to follow: a new one, or the one that is found and is the same but for stacks."""
    if holds_nothing(out) or was_begun(out):
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
        raise InputError(f"{out}: nothing to resume (no {PLAN}); choose another --out")
    return found


def was_begun(out: Path) -> bool:
    """Is this what a sweep leaves that was killed before its plan was written?"""
    if not out.is_dir() or not all(p.name == STACKS or scaffold(p) for p in out.iterdir()):
        return False
    return not any((out / STACKS).glob("*"))


def compare(plan: SweepPlan, found: SweepPlan, out: Path) -> None:
    """Refuse a folder that belongs to another study, naming the first field that differs."""
    ours, theirs = (
        {**p.study, "device": p.device, "checkpoints": p.checkpoints} for p in (plan, found)
    )
    for name, value in ours.items():
        if theirs.get(name) != value:
            what = f"{name} = {shortened(theirs.get(name))}, not {shortened(value)}"
            raise InputError(f"{out}: belongs to another study ({what}); choose another --out")


def check_free(out: Path, folder: Path) -> None:
    """Refuse to write over what a sweep consists of."""
    target, home = Path(os.path.realpath(out)), Path(os.path.realpath(folder))
    own = [home / name for name in (PLAN, MODELS, TABLE, CSV, LOCK)]
    inside = any(target.is_relative_to(home / name) for name in (STACKS, CHECKPOINTS))
    if inside or target in own:
        raise InputError(f"--out {out}: would overwrite the sweep; choose another name")


def read_plan(folder: Path) -> SweepPlan:
    """Read `plan.json`; InputError where the folder is no sweep, or of another format."""
    path = folder / PLAN
    if not path.is_file():
        raise InputError(f"{folder}: not a sweep (no {PLAN}); expected a folder of lrinterp sweep")
    plain = read_json(path)
    version = plain.get("format") if isinstance(plain, dict) else None
    if version in (FIRST, SECOND) and isinstance(plain.get("study"), dict):
        study = with_first_defaults(plain["study"]) if version == FIRST else plain["study"]
        plain = {**plain, "format": FORMAT, "study": {**study, "measure": []}}
    elif version != FORMAT:
        raise InputError(f"{path}: format version {shortened(version)}, expected {FORMAT}")
    return from_plain(SweepPlan, plain, str(path))


def with_first_defaults(study: dict[str, Any]) -> dict[str, Any]:
    """A study of the first format, whose unnamed fields meant the paper's world."""
    base = study.get("base", {})
    return {**study, "base": {**base, **{k: {**v, **base.get(k, {})} for k, v in PAPER.items()}}}


def tasks_of(plan: SweepPlan, study: Study, out: Path) -> list[Task]:
    """The stacks of a plan as tasks."""
    everyone = list(members(study))
    common = {
        "numbers": study.numbers,
        "threads": study.threads,
        "device": plan.device,
        "checkpoints": str((out / CHECKPOINTS).resolve()) if plan.checkpoints else None,
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
    place = {"model": member.model, "arm": member.setting.arm, "seed": member.seed}
    return {**place, "plan": member.setting.plain(member.seed)}


def load_sweep(folder: str | Path) -> LoadedSweep:
    """The study and the table of a sweep; of one that is not at its end, what is done so far.

    Raises InputError where the folder is no sweep, or its table is missing, damaged or of another
    study.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    study = Study.from_plain(plan.study, str(folder / PLAN))
    if (folder / TABLE).exists():
        models, numbers = read_table(folder, study)
    else:
        rows = rows_of(folder / STACKS, tasks_of(plan, study, folder))
        models, numbers = models_of(rows), tidy(rows)
    if models.empty:
        raise InputError(f"{folder}: no stack is done yet; go on with lrinterp sweep --resume")
    return LoadedSweep(name=folder.resolve().name, study=study, models=models, numbers=numbers)
