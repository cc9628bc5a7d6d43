"""What the reproduction trains, and the plan that says so: arms of models and two grids.

Every seed draws the split, the first weights and the batches of a model; all arms share them. The
bound of a claim and the code of its statistic are one thing: both must be there before the run. So
the plan writes down a commit, and a hash of the files, and a run goes on only while they stay as
they were.
"""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lrinterp.experiment import LoadedSweep, Study
from lrinterp.experiment.study import check_tree
from lrinterp.experiment.sweeps import FolderPlan
from lrinterp.scenes import PAPER
from lrinterp.store import sha256, to_plain, within

__all__ = [
    "ARMS",
    "FIRST_SEED",
    "STANDARD",
    "UNTRAINED",
    "Design",
    "ReproductionPlan",
    "hash_of_criteria",
]

FIRST_SEED = 400
"""Seeds below were used while recipe and instruments were made."""
LARGEST = 10**9
FEWEST, MOST = 2, 1000
"""Seeds; one has no interval."""
LIMITS = {
    ("world", "n_objects"): (2, 2),
    ("split", "n_val"): (2, LARGEST),
    ("fit", "steps"): (25, LARGEST),
}
"""What a base may set: claims are about pairs, some of them held out, and about snapshots."""
ARMS = {
    "both_2": {
        "about": "Captions of both templates, text tower of two layers.",
        "world": {"template": "both"},
        "encoder": {"text_layers": 2},
    },
    "standard": {
        "about": "The default recipe, with a snapshot every 25 steps.",
        "fit": {"keep_every": 25, "evaluate_every": 25},
    },
    "both_1": {
        "about": "Captions of both templates, text tower of one layer.",
        "world": {"template": "both"},
    },
    "shuffled": {
        "about": "A control: each training picture has the caption of another one.",
        "split": {"shuffled": True},
    },
    "few": {
        "about": "Few labels in pairs, few layouts: order is learnt partly.",
        "split": {"n_pair": 5, "layouts_per_pair": 2},
    },
}
"""What each arm changes in the default recipe, the longest training first."""
STANDARD, UNTRAINED = "standard", "untrained"
"""The standard models before their first step are measured like the arms."""
SCALES = {
    "full": {"std_W_E": [0.02, 0.0707, 0.15, 0.3, 1.0], "std_W_pos": [0.005, 0.02, 0.0707, 0.2]},
    "quick": {"std_W_E": [0.0707, 1.0], "std_W_pos": [0.02, 0.2]},
}
DIVERSITY = {"n_pair": [3, 5, 10, 15], "layouts_per_pair": [1, 2, 10, 30]}
PACKAGE = Path(__file__).parents[1]
JUDGING = (
    "bounds.py",
    "experiment/checkpoints/trajectory.py",
    "experiment/checkpoints/dynamics.py",
    "experiment/contrasts.py",
    "experiment/criteria.py",
    "experiment/numbers.py",
    "experiment/verdicts.py",
    "reproduction/claims.py",
    "reproduction/claims.toml",
    "reproduction/claim_statistics.py",
    "reproduction/grids.py",
    "reproduction/measured_models.py",
    "reproduction/reproduction_page.py",
    "stats/*.py",
)
"""Criteria, the statistics that are held against them, and their intervals."""
PATIENCE = 10
"""Seconds that git may take."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """How large a reproduction is, and what its models have in common."""

    quick: bool = False
    """A small grid of scales, and none of diversity."""
    seeds: int = 10
    base: dict[str, Any] = field(default_factory=dict)
    """Changes of the default recipe in all models, by section; arms and grids win over it."""

    def __post_init__(self) -> None:
        within(self, FEWEST, MOST, "seeds")
        check_tree("config", self.base)
        for (section, name), (least, most) in LIMITS.items():
            value = (self.base.get(section) or {}).get(name, least)
            if isinstance(value, int) and not least <= value <= most:
                expected = f"{least}" if least == most else f"at least {least}"
                raise ValueError(f"config: {section}.{name}: expected {expected}, got {value}")

    @property
    def studies(self) -> dict[str, Study]:
        """What is swept: `models` (the arms; a grid of one cell), `scales`, and `diversity`.

        The last is left out where it is quick. Raises InputError where the base does not fit.
        """
        scales = {"encoder": SCALES["quick" if self.quick else "full"]}
        one_cell = {"world": {"n_objects": [2]}}
        found = {
            "models": self._study("Arms of models", one_cell, stack=5, arms=ARMS),
            "scales": self._study("Scales of the first weights", scales),
        }
        if not self.quick:
            grid = {"split": DIVERSITY}
            found["diversity"] = self._study("Label against layout diversity", grid)
        return found

    def _study(self, title: str, grid: dict[str, Any], **fields: Any) -> Study:
        """A study of these seeds."""
        base = {**self.base, **{k: {**v, **self.base.get(k, {})} for k, v in PAPER.items()}}
        common = {"seeds": self.seeds, "first_seed": FIRST_SEED, "stack": 20, "base": base}
        return Study.from_plain({"title": title, "grid": grid, **common, **fields}, "base")


@dataclass(frozen=True, kw_only=True)
class ReproductionPlan(Design, FolderPlan):
    """`plan.json`: all that decides the claims' numbers."""

    format: int = 2
    device: str = "cpu"
    study: str | None = None
    """sha256 of the table of a finished sweep of diversity that is used, or None."""
    criteria: str = ""
    """sha256 of the criteria and the code of their statistics when the run began."""
    commit: str | None = None
    """The commit of the package then, with + where it was changed since."""

    @classmethod
    def of(cls, design: Design, study: LoadedSweep | None, device: str) -> Self:
        """The plan of a new reproduction."""
        key = None if study is None else digest(study)
        frozen = {"criteria": hash_of_criteria(), "commit": commit_of_code()}
        return cls(**vars(design), device=device, study=key, **frozen)

    @property
    def fixed(self) -> dict[str, Any]:
        """All but the commit, the criteria first."""
        own = to_plain(self)
        del own["format"], own["commit"]
        judged = {"the criteria, or the code of their statistics": own.pop("criteria")}
        return {**judged, **own}

    @property
    def studies(self) -> dict[str, Study]:
        """The sweeps by folder; a sweep of diversity that is given is not made again."""
        given = () if self.study is None else ("diversity",)
        return {name: one for name, one in super().studies.items() if name not in given}


def digest(study: LoadedSweep) -> str:
    """A hash of the study and the table of a sweep."""
    text = json.dumps(to_plain(study.study), sort_keys=True) + study.table.to_csv(index=False)
    return sha256(text.encode())


def hash_of_criteria() -> str:
    """sha256 of the criteria and of the code of their statistics, file by file."""
    files = sorted(path for pattern in JUDGING for path in PACKAGE.glob(pattern))
    names = [path.relative_to(PACKAGE).as_posix() for path in files]
    texts = [path.read_bytes() for path in files]
    return sha256(b"".join(n.encode() + b"\0" + t for n, t in zip(names, texts, strict=True)))


def commit_of_code() -> str | None:
    """The commit of the package, with `+` where it was changed since; None without one."""
    head = git("rev-parse", "HEAD")
    return head and head + ("+" if git("status", "--porcelain", "--", ".") else "")


def git(*words: str) -> str | None:
    """What git says of the package's folder; None where it is no checkout."""
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
