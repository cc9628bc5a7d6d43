"""A study as data: which models a sweep trains, and the criteria that its table is held against.

A study file is TOML. `base` and each of the `arms` hold the sections of a training configuration
(world, split, encoder, fit); `grid` holds lists in the place of values. Every arm trains every
combination of the grid with every seed. `verdicts` are written before the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Self

from lrinterp.scenes import LARGEST_SEED
from lrinterp.store import InputError, from_plain, read_toml, shortened
from lrinterp.study.criteria import Criterion
from lrinterp.training import Plan

__all__ = ["SECTIONS", "Setting", "Study", "dotted", "read_study"]

SECTIONS = ("world", "split", "encoder", "fit")
SEEDED = ("split.seed", "fit.seed")
LARGEST = 100_000
"""Models of a study; more is a slip of the pen."""

Tree = dict[str, dict[str, Any]]
"""Fields by section, as in the file of a training configuration."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One combination of a study: the arm, the values of the factors, the configuration."""

    arm: str
    values: dict[str, Any]
    """By dotted name of a factor, such as `split.n_pair`."""
    tree: Tree

    def plan(self, seed: int, where: str = "study") -> Plan:
        """The plan of one model; the seed draws split, weights and batches."""
        seeded = {name: {**self.tree.get(name, {}), "seed": seed} for name in ("split", "fit")}
        return Plan.from_plain({**self.tree, **seeded}, where)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study file says."""

    title: str
    about: str = ""
    """What the study asks, in a sentence or two."""
    seeds: int
    """Models of each combination."""
    first_seed: int = 0
    base: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any]
    arms: dict[str, Any] = field(default_factory=dict)
    """By name: what an arm changes, and in `about` why."""
    stack: int = 16
    """Models trained together, at most; fewer where memory asks for it."""
    threads: int = 1
    """Threads of a stack."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("seeds", "stack", "threads"):
            if not 1 <= getattr(self, name) <= LARGEST:
                got = shortened(getattr(self, name))
                raise ValueError(f"{name}: expected 1 to {LARGEST}, got {got}")
        if not 0 <= self.first_seed <= LARGEST_SEED - self.seeds:
            high = LARGEST_SEED - self.seeds
            raise ValueError(f"first_seed: expected 0 to {high}, got {self.first_seed}")
        for name, tree in {"base": self.base, "grid": self.grid, **self.trees_of_arms}.items():
            check_tree(name, tree)
        check_factors(dotted(self.grid))
        check_arms(self.arms, self.factors)
        n_settings = len(self.arm_names)
        for values in self.factors.values():
            n_settings *= len(values)
        if (models := n_settings * self.seeds) > LARGEST:
            raise ValueError(f"grid: expected at most {LARGEST:,} models, got {models:,}")

    @property
    def factors(self) -> dict[str, list[Any]]:
        """The values of each field of the grid, by its dotted name."""
        return dotted(self.grid)

    @property
    def arm_names(self) -> list[str]:
        """The arms; a study without any has one, called `main`."""
        return list(self.arms) or ["main"]

    @property
    def trees_of_arms(self) -> dict[str, Any]:
        """What each arm changes, by the name it has in the file."""
        return {
            f"arms.{name}": {k: v for k, v in tree.items() if k != "about"}
            if isinstance(tree, dict)
            else tree
            for name, tree in self.arms.items()
        }

    def about_arm(self, arm: str) -> str:
        """What the study file says of an arm."""
        return str(self.arms.get(arm, {}).get("about", ""))

    def settings(self) -> Iterator[Setting]:
        """Every combination of arm and factors, in the order of the file."""
        names = list(self.factors)
        for arm in self.arm_names:
            changes = self.trees_of_arms.get(f"arms.{arm}", {})
            for combination in product(*self.factors.values()):
                values = dict(zip(names, combination, strict=True))
                yield Setting(arm=arm, values=values, tree=merged(self.base, changes, values))

    def all_seeds(self) -> range:
        """The seeds of every combination."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def criteria(self, where: str = "study") -> list[Criterion]:
        """The verdicts as criteria; InputError names the field that is wrong."""
        found = []
        for number, plain in enumerate(self.verdicts, start=1):
            place = f"{where}: verdicts[{number}]"
            criterion = from_plain(Criterion, plain, place)
            criterion.check(self.factors, place)
            found.append(criterion)
        if twice := repeated([criterion.id for criterion in found]):
            raise InputError(f"{where}: verdicts: id {twice!r} is used twice")
        return found

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Read and check a study: its fields, every combination of its grid, its criteria.

        Raises InputError that names `where`, the field and what is allowed.
        """
        study = from_plain(cls, plain, where)
        for setting in study.settings():
            setting.plan(study.first_seed, f"{where}: {setting.arm}")
        study.criteria(where)
        return study


def read_study(path: Path) -> Study:
    """Read a study file, whole and checked."""
    return Study.from_plain(read_toml(path), str(path))


def dotted(tree: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Fields by section as fields by dotted name."""
    return {f"{s}.{name}": value for s, fields in tree.items() for name, value in fields.items()}


def merged(base: Tree, changes: Tree, values: Mapping[str, Any]) -> Tree:
    """Base, then what an arm changes, then the values of the factors."""
    tree = {name: {**base.get(name, {}), **changes.get(name, {})} for name in SECTIONS}
    for field_name, value in values.items():
        section, name = field_name.split(".", 1)
        tree[section][name] = value
    return {name: fields for name, fields in tree.items() if fields}


def check_tree(name: str, tree: Any) -> None:
    """Refuse what is no tree of sections, and fields that the seeds of the study decide."""
    if not isinstance(tree, dict):
        raise ValueError(f"{name}: expected sections {', '.join(SECTIONS)}, got {tree!r}")
    for section, fields in tree.items():
        if section not in SECTIONS:
            raise ValueError(f"{name}: unknown section {section!r}; expected {', '.join(SECTIONS)}")
        if not isinstance(fields, dict):
            raise ValueError(f"{name}.{section}: expected a section of fields, got {fields!r}")
        for field_name in fields:
            if f"{section}.{field_name}" in SEEDED:
                raise ValueError(
                    f"{name}.{section}.seed: is set by seeds and first_seed; leave it out"
                )


def check_factors(factors: Mapping[str, Any]) -> None:
    """Refuse a grid without fields, and a field without values or with one twice."""
    if not factors:
        raise ValueError("grid: expected at least one field with a list of values, got none")
    for name, values in factors.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"grid.{name}: expected a list of at least one value, got {values!r}")
        if (twice := repeated(values)) is not None:
            raise ValueError(f"grid.{name}: expected every value once, got {twice!r} twice")


def check_arms(arms: Mapping[str, Any], factors: Mapping[str, Any]) -> None:
    """Refuse arms without a name, with a text that is none, or with a field of the grid."""
    for name, tree in arms.items():
        if not name.strip():
            raise ValueError("arms: expected a name for every arm, got an empty one")
        if not isinstance(tree.get("about", ""), str):
            raise ValueError(f"arms.{name}.about: expected a text, got {shortened(tree['about'])}")
        fields = dotted({k: v for k, v in tree.items() if k != "about"})
        if taken := [field_name for field_name in fields if field_name in factors]:
            raise ValueError(f"arms.{name}.{taken[0]}: is a field of the grid; leave it out")


def repeated(values: list[Any]) -> Any:
    """The first value that stands in a list twice, or None."""
    return next((v for k, v in enumerate(values) if v in values[:k]), None)
