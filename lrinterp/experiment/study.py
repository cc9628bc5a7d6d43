"""A study as data: which models a sweep trains, and the criteria that its table is held against.

A study file is TOML. `base` and each of the `arms` hold the sections of a training configuration
(world, split, encoder, fit); `grid` holds lists in the place of values. Every arm trains every
combination of the grid with every seed. `verdicts` are written before the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Self

from lrinterp.analysis import check_numbers
from lrinterp.experiment.criteria import Criterion
from lrinterp.experiment.numbers import COSTS, NUMBERS
from lrinterp.scenes import LARGEST_SEED
from lrinterp.store import InputError, from_plain, read_toml, shortened, within
from lrinterp.training import Plan

__all__ = ["SECTIONS", "Setting", "Study", "dotted", "read_study"]

SECTIONS = ("world", "split", "encoder", "fit")
SEEDED = ("split", "fit")
"""The sections whose `seed` is that of the model."""
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
        return Plan.from_plain(with_seed(self.tree, seed), where)

    def plain(self, seed: int) -> Tree:
        """The configuration of one model with every field, without drawing its split."""
        return with_seed(self._whole, seed)

    @cached_property
    def _whole(self) -> Tree:
        return self.plan(0).plain()


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study file says."""

    title: str
    about: str = ""
    """What the study asks, in a sentence or two."""
    seeds: int
    """Models of each combination."""
    first_seed: int = 0
    base: Tree = field(default_factory=dict)
    grid: dict[str, dict[str, list[Any]]]
    arms: Tree = field(default_factory=dict)
    """By name: what an arm changes, and in `about` why."""
    stack: int = 16
    """Models trained together, at most; fewer where memory asks for it."""
    threads: int = 1
    """Threads of a stack."""
    measure: list[str] = field(default_factory=list)
    """Numbers to measure beside the usual ones, as `analysis.key`."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        within(self, 1, LARGEST, "seeds", "stack", "threads")
        within(self, 0, LARGEST_SEED - self.seeds, "first_seed")
        self._check_trees()
        if (models := sum(self.planned.values())) > LARGEST:
            raise ValueError(f"grid: expected at most {LARGEST:,} models, got {models:,}")

    def _check_trees(self) -> None:
        """Refuse sections and fields that no model has, and those that another part decides."""
        arms = {f"arms.{name}": self.changes(name) for name in self.arms}
        for name, tree in {"base": self.base, "grid": self.grid, **arms}.items():
            check_tree(name, tree)
        if not self.factors:
            raise ValueError("grid: expected at least one field with a list of values, got none")
        for name, values in self.factors.items():
            if not values or repeated(values) is not None:
                got = shortened(values)
                raise ValueError(f"grid.{name}: expected a list of different values, got {got}")
        for name, tree in arms.items():
            if taken := [one for one in dotted(tree) if one in self.factors]:
                raise ValueError(f"{name}.{taken[0]}: is a field of the grid; leave it out")

    @property
    def factors(self) -> dict[str, list[Any]]:
        """The values of each field of the grid, by its dotted name."""
        return dotted(self.grid)

    @property
    def arm_names(self) -> list[str]:
        """The arms; a study without any has one, called `main`."""
        return list(self.arms) or ["main"]

    def changes(self, arm: str) -> dict[str, Any]:
        """What an arm changes of the base."""
        return {name: tree for name, tree in self.arms.get(arm, {}).items() if name != "about"}

    @property
    def planned(self) -> dict[str, int]:
        """Models of the design, by arm."""
        return dict.fromkeys(self.arm_names, prod(map(len, self.factors.values())) * self.seeds)

    def settings(self) -> Iterator[Setting]:
        """Every combination of arm and factors, in the order of the file."""
        names = list(self.factors)
        for arm in self.arm_names:
            for combination in product(*self.factors.values()):
                values = dict(zip(names, combination, strict=True))
                tree = merged(self.base, self.changes(arm), values)
                yield Setting(arm=arm, values=values, tree=tree)

    def members(self) -> Iterator[tuple[dict[str, Any], Setting]]:
        """All models, by arm, combination, seed: number, arm and seed as a row begins, and more."""
        for model, (one, seed) in enumerate(product(self.settings(), self.all_seeds())):
            yield {"model": model, "arm": one.arm, "seed": seed}, one

    @property
    def numbers(self) -> list[str]:
        """What is measured of every model: the usual numbers, and what the file asks for."""
        judged = [criterion.key for criterion in self.criteria()]
        asked = [name for name in (*self.measure, *judged) if name not in COSTS]
        return list(dict.fromkeys([*NUMBERS, *asked]))

    def all_seeds(self) -> range:
        """The seeds of every combination."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def criteria(self, where: str = "study") -> list[Criterion]:
        """The verdicts as criteria; InputError names the field that is wrong."""
        found = [
            Criterion.from_plain(plain, self.factors, f"{where}: verdicts[{number}]")
            for number, plain in enumerate(self.verdicts, start=1)
        ]
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
        try:
            check_numbers(study.measure)
        except InputError as error:
            raise InputError(f"{where}: measure: {error}") from error
        return study


def read_study(path: Path) -> Study:
    """Read a study file, whole and checked."""
    return Study.from_plain(read_toml(path), str(path))


def with_seed(tree: Tree, seed: int) -> Tree:
    """A configuration with the seed of a model."""
    return {**tree, **{name: {**tree.get(name, {}), "seed": seed} for name in SEEDED}}


def dotted(tree: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Fields by section as fields by dotted name."""
    return {f"{s}.{name}": value for s, fields in tree.items() for name, value in fields.items()}


def merged(base: Tree, changes: Tree, values: Mapping[str, Any]) -> Tree:
    """Base, then what an arm changes, then the values of the factors."""
    own: Tree = {name: {} for name in SECTIONS}
    for field_name, value in (dotted(base) | dotted(changes) | dict(values)).items():
        section, name = field_name.split(".", 1)
        own[section][name] = value
    return {name: fields for name, fields in own.items() if fields}


def check_tree(name: str, tree: Mapping[str, Any]) -> None:
    """Refuse what is no tree of sections, and fields that the seeds of the study decide."""
    for section, fields in tree.items():
        if section not in SECTIONS or not isinstance(fields, dict):
            known = ", ".join(SECTIONS)
            got = f"{section} = {shortened(fields)}"
            raise ValueError(f"{name}: expected sections of fields ({known}), got {got}")
        if section in SEEDED and "seed" in fields:
            raise ValueError(f"{name}.{section}.seed: is set by seeds and first_seed; leave it out")


def repeated(values: list[Any]) -> Any:
    """The first value that stands in a list twice, or None."""
    return next((v for k, v in enumerate(values) if v in values[:k]), None)
