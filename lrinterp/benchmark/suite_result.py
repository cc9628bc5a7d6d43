"""What a benchmark found: one table, and what it says in words, figures and tiles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.benchmark.relation_figures import relation_figures
from lrinterp.benchmark.sentences import PUBLISHED, caveats, glossary, published_rows, sentences
from lrinterp.benchmark.suite_accuracies import Key, incomplete, main_numbers, numbers_of
from lrinterp.result import Figure, Metric, Result, Tile, records
from lrinterp.wording import plain_number

__all__ = ["COLUMNS", "Benchmark", "label_of", "three_figures"]

COLUMNS = "measure subset name axis value low high n n_units chance in_macro note".split()
TILES = (
    *map(Key, ("macro", "all")),
    *(Key("recall", name=side) for side in ("left", "right")),
    *map(Key, ("pair", "set")),
)
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

    scores: pd.DataFrame
    """One row a row of the suite, as in `lrinterp.benchmark.scores`; all numbers come from it."""
    limit: int | None = None
    """The number of rows after which reading stopped; None where it did not."""
    aside: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table for bad rows (`skipped`) and rows that ask nothing (`left out`)."""

    @property
    def suite(self) -> str:
        """The suite, or several."""
        return " + ".join(self.scores["suite"].unique())

    @property
    def fit(self) -> str:
        """What became of pictures that are not square: `crop` or `pad`."""
        return self.scores["fit"].iloc[0]

    @cached_property
    def numbers(self) -> Mapping[Key, Metric]:
        """Every number with its sample, by measure, subset and name."""
        return numbers_of(self.scores)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a number, in `COLUMNS`; measures as in `lrinterp.benchmark.suite_accuracies`.

        Published figures (`published ...`), bad rows (`skipped`), rows that ask nothing (`left
        out`) and groups that lack rows (`incomplete`) stand below, with a note.
        """
        place = ["subset", "relation"]
        known = self.scores[[*place, "axis", "in_macro"]].drop_duplicates(place)
        about = {("relation", row["subset"], row["relation"]): row for row in records(known)}
        measured = [
            {**key._asdict(), **one.plain(), "chance": one.chance, **about.get(key, {})}
            for key, one in self.numbers.items()
        ]
        lacking = incomplete(self.scores).items()
        lack = [{"measure": "incomplete", "name": k, "n": n} for k, n in lacking if n]
        return table_of([*measured, *published_rows(self.suite), *self.aside, *lack])

    def rows(self, measure: str) -> list[dict[str, Any]]:
        """The rows of one measure."""
        return records(self.table[self.table["measure"] == measure])

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Macro and row-weighted accuracy, by axis, left and right, pairs and sets, what is bad."""
        skipped = Metric(value=sum(row["n"] for row in self.rows("skipped")))
        return {**main_numbers(self.numbers), "skipped_rows": skipped}

    @property
    def primary(self) -> str:
        """The mean over relations, where the suite has one."""
        return next(iter(self.metrics))

    @cached_property
    def told_by_word(self) -> bool:
        """Do captions name the side in every row about left or right, as foils of words do?

        Where foils exchange the objects, recall of a side says nothing of a leaning to its word.
        """
        recalls = {key: one for key, one in self.numbers.items() if key.measure == "recall"}
        for key, recall in recalls.items():
            true: Any = self.numbers.get(key._replace(measure="truth"))
            if true is None or round(true.value * true.n) < recall.n:
                return False
        return bool(recalls)

    @property
    def finding(self) -> str:
        """Accuracy against chance, and whether left and right are told apart."""
        return " ".join(sentences(self))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Intervals, ties, what the suite asks, what was left out."""
        return tuple(caveats(self))

    def overview(self) -> pd.DataFrame:
        """Each number with interval, chance and n, and what others published below it."""
        lines = []
        for row in (row for measure in MEASURED for row in self._shown(measure)):
            published = PUBLISHED.get(self.suite, {}).get(row["name"])
            lines.append({**line(row), **({"Share": published} if published else {})})
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
        return tuple(relation_figures(self.table, by_word=self.told_by_word))

    def tiles(self) -> tuple[Tile, ...]:
        """Accuracy, left and right, pairs and sets."""
        return tuple(
            Tile(label=label_of(key), scalar=one, words=f"chance {three_figures(one.chance)}")
            for key, one in self.numbers.items()
            if key in TILES
        )

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of the tiles and figures."""
        return glossary(self)


def line(row: Mapping[str, Any]) -> dict[str, str]:
    """A number in words."""
    scalar = Metric.of(row)
    left_out = " (not in the mean)" if row["in_macro"] is False else ""
    return {
        "Measure": label_of(Key(*(row[name] for name in Key._fields))) + left_out,
        "Share": str(scalar),
        "95 % interval": scalar.interval or "–",
        "Chance": three_figures(row["chance"]),
        "n": "–" if row["n"] is None else f"{row['n']:,}",
        "Groups": "–" if row["n_units"] is None else f"{row['n_units']:,}",
    }


def label_of(key: Key) -> str:
    """What a number is."""
    what = MEASURED[key.measure].format(name=key.name)
    return what[:1].upper() + what[1:] + (f", {key.subset}" if key.subset else "")


def three_figures(value: float | None) -> str:
    """A number in three figures."""
    return "–" if value is None else plain_number(value)


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows under the columns of the result."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    texts = ["measure", "subset", "name", "axis", "note"]
    table[texts] = table[texts].astype(object).fillna("")
    numbers = dict.fromkeys(["value", "low", "high", "chance"], "float64")
    return table.astype({**numbers, "n": "Int64", "n_units": "Int64", "in_macro": "boolean"})
