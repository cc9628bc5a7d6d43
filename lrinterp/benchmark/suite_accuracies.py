"""Every number of a benchmark, from its table of scores.

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

Numbers of a subset, where a suite has several, stand beside those of the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lrinterp.benchmark.scores import rows_fingerprint, shares_of
from lrinterp.metric import Metric
from lrinterp.scenes.natural import axis_of
from lrinterp.scenes.natural.relation import Axis
from lrinterp.stats import SHARE, Sample, Units

__all__ = ["Key", "incomplete", "main_numbers", "numbers_of"]

T = TypeVar("T")

ORDER = ("macro", "all", "axis", "recall", "choice", "truth", "pair", "set", "relation")
SIDES = ("left", "right")
FIRST = ("", *SIDES, *get_args(Axis))
SIZES = {"pair": 2, "set": 4}
"""Rows of a pair (two opposite relations) and of a set (two pairs), as What'sUp defines them."""
OWN = ("jsonl", "csv")
"""Suites of a user, where any number of rows may share a key."""
FEWEST = 2
"""Rows that a group of a user's suite has at least; a row alone is no group."""


class Key(NamedTuple):
    """Which number."""

    measure: str
    subset: str = ""
    name: str = ""


# Numbers and where they stand.


def numbers_of(scores: pd.DataFrame) -> dict[Key, Metric]:
    """By measure, subset and name: each number with its interval over groups, chance and sample.

    Ordered by measure, then axes and places in fixed order, then as they were met.
    """
    about = {"unit": "group", "estimator": "mean", "examples": rows_fingerprint(scores)}
    rows = scores.assign(value=scores["credit"], chance=1 / scores["captions"].str.len())
    found = {
        key: Metric.of_sample(sample, chance=chance, **about)
        for key, sample, chance in (*macro_means(rows), *means(rows))
    }
    return dict(sorted(found.items(), key=lambda item: place_of(item[0])))


def place_of(key: Key) -> tuple[int, int]:
    """Where a number stands; equal ones keep the order in which they were met."""
    named = key.measure != "relation" and key.name in FIRST
    return ORDER.index(key.measure), FIRST.index(key.name) if named else len(FIRST)


def units_of(part: pd.DataFrame) -> Units:
    """Rows of a group are of one unit."""
    return Units.of_groups(pd.factorize(part["group"])[0])


def subsets_of(rows: pd.DataFrame) -> list[str]:
    """The subsets that have separate numbers: several, since a single one is the whole."""
    found = rows["subset"].unique().tolist()
    return [name for name in found if name] if len(found) > 1 else []


def macro_means(rows: pd.DataFrame) -> Iterator[tuple[Key, Sample, float]]:
    """The mean over relations, with its chance, of the whole and of each subset."""
    known = rows[rows["in_macro"].astype(bool)]
    for subset in ("", *subsets_of(rows)):
        part = known[known["subset"] == subset] if subset else known
        if len(part):
            relations = part.groupby(["subset", "relation"], sort=False)
            values, stratum = part["value"].to_numpy(float), relations.ngroup().to_numpy(int)
            chance = float(relations["chance"].mean().mean())
            yield Key("macro", subset), macro_mean(values, stratum, units_of(part)), chance


def means(rows: pd.DataFrame) -> Iterator[tuple[Key, Sample, float]]:
    """Every plain mean, with its chance."""
    for key, part in counts_of(rows).groupby(["measure", "subset", "name"], sort=False):
        sample = Sample.mean(part["value"].to_numpy(float)[None], units_of(part))
        yield Key(*map(str, key)), sample, float(part["chance"].mean())  # type: ignore[call-overload]


def counts_of(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each number that a row of the suite, or a group of rows, counts towards."""
    sides = rows["relation"].map(side_of).where(rows["axis"] == "horizontal", "")
    parts = [
        rows.assign(measure="axis", subset="", name=rows["axis"]),
        rows.assign(measure="recall", subset="", name=sides)[sides != ""],
        rows.assign(measure="relation", name=rows["relation"]),
        pd.DataFrame(choices(rows)),
    ]
    own = subsets_of(rows)
    wholes = {"all": rows} | {kind: whole_groups(rows, kind).query("whole") for kind in SIZES}
    for measure, part in wholes.items():
        part = part.assign(measure=measure, name="")
        parts += [part.assign(subset=""), part[part["subset"].isin(own)]]
    return pd.concat([part for part in parts if len(part)])


def choices(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What the model says, and what is so, for each place that the captions of a row offer."""
    columns = (rows[name] for name in ("captions", "foil", "right", "group"))
    for shares, captions, foil, right, group in zip(
        shares_of(rows["scores"]), *columns, strict=True
    ):
        said = says(captions, foil)
        for place in dict.fromkeys(filter(None, said)):
            offered = [one == place for one in said]
            key = {"subset": "", "name": place, "group": group, "chance": np.mean(offered)}
            yield {"measure": "choice", "value": shares[: len(said)][offered].sum(), **key}
            yield {"measure": "truth", "value": float(said[right] == place), **key}


def whole_groups(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Pairs or sets, with the product of their rows' credits and chances, group of the first row.

    A known suite says how many rows a group has: a further row under its key opens another one.
    In a user's rows all that share a key are one group. `whole` says which ones count.
    """
    keyed = rows[rows[kind] != ""]
    own = keyed["suite"].isin(OWN)
    nth = (keyed.groupby([own, kind]).cumcount() // SIZES[kind]).where(~own, 0)
    found = keyed.assign(own=own, nth=nth).groupby(["own", kind, "nth"], sort=False, as_index=False)
    found = found.agg(
        value=("value", "prod"),
        chance=("chance", "prod"),
        group=("group", "first"),
        subset=("subset", "first"),
        n=("row", "size"),
    )
    return found.assign(whole=found["n"] >= np.where(found["own"], FEWEST, SIZES[kind]))


def incomplete(scores: pd.DataFrame) -> Mapping[str, int]:
    """By pair and set, the groups that lack rows and do not count."""
    rows = scores.assign(value=1.0, chance=1.0)
    return {kind: int((~whole_groups(rows, kind)["whole"]).sum()) for kind in SIZES}


def main_numbers(numbers: Mapping[Key, T]) -> dict[str, T]:
    """The main ones by the names that they have in a results file."""
    names = {
        "macro_accuracy": Key("macro"),
        "accuracy": Key("all"),
        **{f"{key.name}_accuracy": key for key in numbers if key.measure == "axis"},
        "left_recall": Key("recall", name="left"),
        "right_recall": Key("recall", name="right"),
        "says_left": Key("choice", name="left"),
        "says_right": Key("choice", name="right"),
        "pair_accuracy": Key("pair"),
        "set_accuracy": Key("set"),
    }
    return {name: numbers[key] for name, key in names.items() if key in numbers}


# The mean over relations.


@dataclass(frozen=True, kw_only=True, eq=False)
class MacroMean(Sample):
    """A mean over strata, each the mean of its examples; all have a weight of 1.

    A stratum of which one unit holds every example is left out where that unit is.
    """

    stratum: Int[np.ndarray, "example"]
    """Numbers from 0."""

    @property
    def value(self) -> float:
        """The mean of the strata's means."""
        tops, bottoms = (np.bincount(self.stratum, part) for part in (self.top[0], self.bottom))
        return float((tops / bottoms).mean())

    @property
    def replicates(self) -> Float[np.ndarray, "unit"]:
        """The value without each unit; nan where no stratum remains."""
        rest, tops, bottoms = (
            self._without(part) for part in (np.ones(len(self.bottom)), self.top[0], self.bottom)
        )
        known = rest > 0
        means = np.where(known, tops / np.where(known, bottoms, 1), 0)
        n = known.sum(0)
        return np.where(n > 0, means.sum(0) / np.maximum(n, 1), np.nan)

    def _without(self, part: Float[np.ndarray, "example"]) -> Float[np.ndarray, "stratum unit"]:
        """Of each stratum the sum over the examples that are not of a unit."""
        sums = np.zeros((self.stratum.max() + 1, self.units.n))
        np.add.at(sums, (self.stratum, self.units.member[:, 0]), part)
        return sums.sum(1, keepdims=True) - sums


def macro_mean(
    values: Float[np.ndarray, "example"], stratum: Int[np.ndarray, "example"], units: Units
) -> MacroMean:
    """The mean over strata of shares; each example belongs to one unit."""
    weights = 1 / np.bincount(stratum)[stratum]
    top = (values * weights)[None]
    return MacroMean(top=top, bottom=weights, units=units, scale=SHARE, stratum=stratum)


# What a caption says, by the words that tell it from the other captions of its row.


def side_of(phrase: str) -> str:
    """`left` or `right` where a phrase names one of them alone, else nothing.

    >>> side_of("to the left of"), side_of("above")
    ('left', '')
    """
    found = [side for side in SIDES if side in phrase.lower().split()]
    return found[0] if len(found) == 1 else ""


def says(captions: Sequence[str], foil: str) -> tuple[str, ...]:
    """For each caption the place it names, such as `left`, `on` or `in front of`, or nothing.

    Captions of a row differ in a few words between a common beginning and a common end: those words
    count, where they are a spatial phrase. Where captions exchange the objects, all of them name
    one place, and nothing is told apart.
    """
    if foil == "object swap":
        return ("",) * len(captions)
    split = [caption.lower().rstrip(" .").split() for caption in captions]
    for _ in range(2):  # cuts the common beginning, then, reversed, the common end
        alike = takewhile(lambda words: len({*words}) == 1, zip(*split, strict=False))
        common = len([*alike])
        split = [words[common:][::-1] for words in split]
    return tuple(place_said(" ".join(words)) for words in split)


def place_said(words: str) -> str:
    """The place that some words name."""
    if side := side_of(words):
        return side
    return words if words == "on" or axis_of(words) != "other" else ""
