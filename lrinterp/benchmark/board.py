"""The running count: every number of a benchmark, row by row.

| measure | name | mean of |
|---|---|---|
| `macro` | | the relations' accuracies, unweighted |
| `all` | | credit of the rows |
| `axis` | axis | credit of its rows |
| `recall` | left, right | credit of the rows in which it is so |
| `choice` | a place | how often the model says it, of the rows that offer it |
| `truth` | a place | how often it is so in those rows |
| `pair`, `set` | | groups of which all rows are right |
| `relation` | relation | credit of its rows |

Numbers of a subset, where a suite has several, stand in rows of their own.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from lrinterp.benchmark.groups import OWN, SIZES, Group, Groups
from lrinterp.benchmark.stream import Tally, macro
from lrinterp.benchmark.wording import says, side_of
from lrinterp.scenes.natural import Relation
from lrinterp.scenes.natural.relation import Axis

__all__ = ["Scoreboard"]

ORDER = ("macro", "all", "axis", "recall", "choice", "truth", "pair", "set", "relation")
FIRST = ("", "left", "right", *get_args(Axis))


class Key(NamedTuple):
    """Which number."""

    measure: str
    subset: str = ""
    name: str = ""


class Scoreboard:
    """Counts the rows it is shown; holds tallies and open groups, no rows.

    `rows` ends the stream: pairs and sets of data of one's own are complete only then.
    """

    def __init__(self) -> None:
        self.tallies: dict[Key, Tally] = {}
        self.groups = {kind: Groups(size) for kind, size in SIZES.items()}
        self.own = {kind: Groups(None) for kind in SIZES}
        self.about: dict[Key, dict[str, Any]] = {}
        self.suites: dict[str, None] = {}
        self.subsets: dict[str, None] = {}

    def add(self, relation: Relation, shares: Float[np.ndarray, "caption"]) -> None:
        """Count a row. `shares` says how much of its choice the model gives to each caption."""
        credit, chance = float(shares[relation.right]), 1 / len(shares)
        cluster = relation.group
        self.suites[relation.suite] = self.subsets[relation.subset] = None
        for key in accuracies(relation):
            self._count(key, credit, chance, cluster)
        self.about.setdefault(
            Key("relation", relation.subset, relation.relation),
            {"axis": relation.axis, "in_macro": relation.in_macro},
        )
        self._choose(relation, shares, cluster)
        self._group(relation, credit, chance, cluster)

    def _count(self, key: Key, value: float, chance: float, cluster: str) -> None:
        self.tallies.setdefault(key, Tally()).add(value, chance, cluster)

    def _choose(
        self, relation: Relation, shares: Float[np.ndarray, "caption"], cluster: str
    ) -> None:
        """What the model says, and what is so, for each place that the captions offer."""
        said = says(relation)
        for place in dict.fromkeys(filter(None, said)):
            offered = np.array([one == place for one in said])
            chance, true = float(offered.mean()), float(said[relation.right] == place)
            self._count(Key("choice", name=place), float(shares[offered].sum()), chance, cluster)
            self._count(Key("truth", name=place), true, chance, cluster)

    def _group(self, relation: Relation, credit: float, chance: float, cluster: str) -> None:
        collected = self.own if relation.suite in OWN else self.groups
        for kind, groups in collected.items():
            key = getattr(relation, kind)
            if key and (whole := groups.add(key, credit, chance, cluster, relation.subset)):
                self._count_group(kind, whole)

    def _count_group(self, kind: str, whole: Group) -> None:
        for subset in dict.fromkeys(("", whole.subset)):
            self._count(Key(kind, subset), whole.credit, whole.chance, whole.cluster)

    @property
    def incomplete(self) -> dict[str, int]:
        """By pair and set, the groups that lack rows and do not count."""
        return {kind: self.groups[kind].incomplete + self.own[kind].incomplete for kind in SIZES}

    def rows(self) -> list[dict[str, Any]]:
        """Every number as a row of the table: by measure, then axes and places in fixed order."""
        for kind, groups in self.own.items():
            for whole in groups.close():
                self._count_group(kind, whole)
        several = len(self.subsets) > 1
        rows = [*self._macros(several=several), *self._means(several=several)]
        return sorted(rows, key=place_of)

    def _means(self, *, several: bool) -> Iterator[dict[str, Any]]:
        for key, tally in self.tallies.items():
            if key.subset and not several and key.measure != "relation":
                continue  # the only subset is everything
            numbers = {**vars(tally.interval), "chance": tally.chance}
            yield {**key._asdict(), **numbers, **self.about.get(key, {})}

    def _macros(self, *, several: bool) -> Iterator[dict[str, Any]]:
        counted = [key for key, about in self.about.items() if about["in_macro"]]
        for subset in ("", *(self.subsets if several else ())):
            keys = [key for key in counted if subset in ("", key.subset)]
            if keys:
                tallies = [self.tallies[key] for key in keys]
                chance = float(np.mean([tally.chance for tally in tallies]))
                numbers = {**vars(macro(tallies)), "chance": chance}
                yield {**Key("macro", subset)._asdict(), **numbers}


def place_of(row: dict[str, Any]) -> tuple[int, int]:
    """Where a row stands in the table; equal ones keep the order in which they were met."""
    named = row["measure"] != "relation" and row["name"] in FIRST
    return ORDER.index(row["measure"]), FIRST.index(row["name"]) if named else len(FIRST)


def accuracies(relation: Relation) -> Iterator[Key]:
    """The accuracies that a row counts towards."""
    yield from (Key("all", subset) for subset in dict.fromkeys(("", relation.subset)))
    yield Key("axis", name=relation.axis)
    yield Key("relation", relation.subset, relation.relation)
    if relation.axis == "horizontal" and (side := side_of(relation.relation)):
        yield Key("recall", name=side)
