"""What a benchmark found: one table, and what it says in words, figures and tiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.benchmark.figures import axes, choices, relations, sides, told_by_word
from lrinterp.benchmark.finding import sentences
from lrinterp.benchmark.notes import BIAS, GLOSSARY, INTERVALS, OMITTED, PADDED, SUITE_NOTES, TIES
from lrinterp.benchmark.published import published_figures
from lrinterp.result import Figure, Metric, Result, Tile, records
from lrinterp.wording import counted, plain_number

__all__ = ["COLUMNS", "Benchmark"]

COLUMNS = [
    "measure",
    "subset",
    "name",
    "axis",
    "value",
    "low",
    "high",
    "n",
    "n_units",
    "chance",
    "in_macro",
    "note",
]
MEASURED = {
    "macro": "Mean over relations",
    "published macro": "Published, not measured here: {name}",
    "all": "All rows",
    "axis": "Axis: {name}",
    "recall": "{name} recall",
    "choice": "Says {name}",
    "pair": "Pairs all right",
    "set": "Sets all right",
    "relation": "{name}",
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmark(Result):
    """Accuracy on the rows of a suite, by relation, axis and side."""

    name: ClassVar[str] = "benchmark"
    question: ClassVar[str] = "Does the model know where things are in real pictures?"

    suite: str
    fit: str
    """What became of pictures that are not square: `crop` or `pad`."""
    limit: int | None
    """The number of rows after which reading stopped; None where it did not."""
    table: pd.DataFrame
    """One row a number, in `COLUMNS`; measures as in `lrinterp.benchmark.board`. Published figures
    (`published ...`), bad rows (`skipped`), rows that ask nothing (`left out`) and groups that lack
    rows (`incomplete`) stand below, with a note."""

    def rows(self, measure: str, *, subset: str | None = None) -> list[dict[str, Any]]:
        """The rows of one measure, of one subset if it is given; `""` is the whole suite."""
        part = self.table[self.table["measure"] == measure]
        return records(part if subset is None else part[part["subset"] == subset])

    def scalar(self, measure: str, name: str = "") -> Metric | None:
        """A number of the whole suite; None where the suite has none."""
        found = [row for row in self.rows(measure, subset="") if row["name"] == name]
        return Metric.of(found[0]) if found else None

    def chance(self, measure: str, name: str = "") -> float | None:
        """What a guess would score."""
        found = [row for row in self.rows(measure, subset="") if row["name"] == name]
        return found[0]["chance"] if found else None

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Macro and row-weighted accuracy, by axis, left and right, pairs and sets, what is bad."""
        names = {
            "macro_accuracy": ("macro", ""),
            "accuracy": ("all", ""),
            **{f"{row['name']}_accuracy": ("axis", row["name"]) for row in self.rows("axis")},
            "left_recall": ("recall", "left"),
            "right_recall": ("recall", "right"),
            "says_left": ("choice", "left"),
            "says_right": ("choice", "right"),
            "pair_accuracy": ("pair", ""),
            "set_accuracy": ("set", ""),
        }
        found = {key: self.scalar(*place) for key, place in names.items()}
        skipped = Metric(value=sum(row["n"] for row in self.rows("skipped")))
        return {key: one for key, one in found.items() if one} | {"skipped_rows": skipped}

    @property
    def finding(self) -> str:
        """Accuracy against chance, and whether left and right are told apart."""
        return " ".join(sentences(self))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Intervals, ties, what the suite asks, what was left out."""
        return (
            INTERVALS,
            TIES,
            *(SUITE_NOTES[name] for name in self.suite.split(" + ") if name in SUITE_NOTES),
            PADDED[self.fit],
            *([f"Only the first {self.limit:,} rows were read."] if self.limit else []),
            *(omitted(row) for kind in OMITTED for row in self.rows(kind)),
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def overview(self) -> pd.DataFrame:
        """Each number with interval, chance and n, and what others published below it."""
        shown = [row for kind in MEASURED for row in self._shown(kind)]
        figures = published_figures(self.suite)
        lines = [line(row) for row in shown]
        for row, written in zip(shown, lines, strict=True):
            written["Share"] = figures.get(row["name"], written["Share"])
        return pd.DataFrame(lines)

    def by_relation(self) -> pd.DataFrame:
        """The relations, under the same headings."""
        return pd.DataFrame([line(row) for row in self.rows("relation")])

    def _shown(self, measure: str) -> list[dict[str, Any]]:
        rows = self.rows(measure)
        if measure == "choice":
            return [row for row in rows if row["name"] in ("left", "right")]
        return [] if measure == "relation" or (measure == "axis" and len(rows) == 1) else rows

    def figures(self) -> tuple[Figure, ...]:
        """Accuracy by relation and by axis, left and right apart, what the model says."""
        return (*relations(self.table), *axes(self.table), *sides(self.table), *choices(self.table))

    def tiles(self) -> tuple[Tile, ...]:
        """Accuracy, left and right, pairs and sets."""
        labels = {
            ("macro", ""): "Mean over relations",
            ("all", ""): "All rows",
            ("recall", "left"): "Left recall",
            ("recall", "right"): "Right recall",
            ("pair", ""): "Pairs all right",
            ("set", ""): "Sets all right",
        }
        found = {place: self.scalar(*place) for place in labels}
        return tuple(
            Tile(label=labels[p], scalar=one, words=f"chance {number(self.chance(*p))}")
            for p, one in found.items()
            if one
        )

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of the tiles and figures."""
        bias = BIAS if told_by_word(self.table) else ""
        return {word: said.format(bias=bias) for word, said in GLOSSARY.items()}


def omitted(row: Mapping[str, Any]) -> str:
    """What does not count, in words."""
    counts = {name: counted(row["n"], name[:-1]) for name in ("rows", "groups")}
    return OMITTED[row["measure"]].format(name=row["name"], note=row["note"], **counts)


def line(row: Mapping[str, Any]) -> dict[str, str]:
    """A number in words."""
    scalar = Metric.of(row)
    what = MEASURED[row["measure"]].format(name=row["name"])
    of = f", {row['subset']}" if row["subset"] else ""
    left_out = " (not in the mean)" if row["in_macro"] is False else ""
    return {
        "Measure": f"{what[:1].upper()}{what[1:]}{of}{left_out}",
        "Share": str(scalar),
        "95 % interval": scalar.interval or "–",
        "Chance": number(row["chance"]),
        "n": "–" if row["n"] is None else f"{row['n']:,}",
        "Groups": "–" if row["n_units"] is None else f"{row['n_units']:,}",
    }


def number(value: float | None) -> str:
    """A number in three figures."""
    return "–" if value is None else plain_number(value)
