"""The folder of a reproduction: its plan, and what it may be resumed with.

`plan.json` says how large it is; `models`, `scales` and `diversity` are sweeps;
`measures/00007.json` is what the analyses say of a model, `emergence/00007.json` a model along its
training.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrinterp.experiment import LoadedSweep, Study
from lrinterp.locking import holds_nothing
from lrinterp.reproduction.design import Design
from lrinterp.reproduction.frozen import commit_of_code, hash_of_criteria
from lrinterp.store import InputError, from_plain, read_json, to_plain

__all__ = [
    "DIVERSITY",
    "EMERGENCE",
    "MEASURES",
    "MODELS",
    "PLAN",
    "SCALES",
    "ReproductionPlan",
    "check_folder",
    "checkpoint_of",
    "read_plan",
    "studies_of",
]

PLAN, MODELS, SCALES, DIVERSITY = "plan.json", "models", "scales", "diversity"
MEASURES, EMERGENCE = "measures", "emergence"
CHECKPOINTS = "models"
"""Where a sweep keeps the checkpoints of its models."""
FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class ReproductionPlan:
    """`plan.json`: all that decides the claims' numbers."""

    format: int = FORMAT
    quick: bool
    seeds: int
    base: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    study: str | None = None
    """sha256 of the table of a finished sweep of diversity that is used, or None."""
    criteria: str = ""
    """sha256 of the criteria and the code of their statistics when the run began."""
    commit: str | None = None
    """The commit of the package then, with + where it was changed since."""

    @classmethod
    def of(cls, design: Design, study: LoadedSweep | None, device: str) -> "ReproductionPlan":
        """The plan of a new reproduction."""
        key = None if study is None else digest(study)
        shape = {"quick": design.quick, "seeds": design.seeds, "base": design.base}
        frozen = {"criteria": hash_of_criteria(), "commit": commit_of_code()}
        return cls(**shape, device=device, study=key, **frozen)

    @property
    def design(self) -> Design:
        """What is trained."""
        return Design(quick=self.quick, seeds=self.seeds, base=self.base)


def digest(study: LoadedSweep) -> str:
    """A hash of the study and the table of a sweep."""
    text = json.dumps(to_plain(study.study), sort_keys=True) + study.table.to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check_folder(plan: ReproductionPlan, out: Path, *, resume: bool) -> None:
    """Refuse a folder that is neither empty nor this reproduction to be resumed."""
    if holds_nothing(out):
        return
    if not out.is_dir():
        raise InputError(f"{out}: is no folder; choose another --out")
    if not (out / PLAN).is_file():
        raise InputError(f"{out}: already exists and is no reproduction; choose another --out")
    found = read_plan(out)
    if found.criteria != plan.criteria:
        raise InputError(
            f"{out}: the criteria, or the code of their statistics, are others than when it was "
            "started; choose another --out"
        )
    for name, value in to_plain(plan).items():
        if name != "commit" and (old := getattr(found, name)) != value:
            raise InputError(
                f"{out}: was started with {name} = {old}, not {value}; use the same options, or "
                "choose another --out"
            )
    if not resume:
        raise InputError(
            f"{out}: already exists; add --resume to finish it, or choose another --out"
        )


def read_plan(out: Path) -> ReproductionPlan:
    """Read `plan.json`; InputError where it is none, or of another format."""
    path = out / PLAN
    if not path.is_file():
        raise InputError(f"{out}: not a reproduction (no {PLAN})")
    plain = read_json(path)
    version = plain.get("format") if isinstance(plain, dict) else None
    if version != FORMAT:
        raise InputError(f"{path}: format version {version}, expected {FORMAT}")
    return from_plain(ReproductionPlan, plain, str(path))


def studies_of(plan: ReproductionPlan) -> dict[str, Study]:
    """The sweeps of a plan by folder; a sweep of diversity that is given is not made again."""
    studies = plan.design.studies
    return {k: v for k, v in studies.items() if k != DIVERSITY or plan.study is None}


def checkpoint_of(out: Path, model: int) -> Path:
    """The checkpoint of a model of the arms."""
    return out / MODELS / CHECKPOINTS / f"{model:05d}"
