"""Every number of every analysis for several checkpoints, and how it differs from the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.charts import bars, reference
from lrinterp.experiment.checkpoints import quantity_words
from lrinterp.result import Figure, Metric, Result, Tile, records
from lrinterp.wording import counted, plain_number

__all__ = ["DIFFERS", "Differences"]

DIFFERS = "differs"
"""The verdict of a difference that is told apart from none."""
SPOKEN = (
    "unseen_pair_order",
    "order_without_key_position",
    "label_set_closed_without_key_position",
    "right_object_attention_gain",
)
"""The numbers that head a report: here they head the differences."""
SENTENCES, COLUMNS, LISTED = 2, 3, 12
"""Other checkpoints up to which each has a sentence, a column of the open table, its counts."""
Row = Mapping[str, Any]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Differences(Result):
    """Summary numbers by checkpoint, each with its difference from the first checkpoint."""

    name: ClassVar[str] = "differences"
    question: ClassVar[str] = "In which numbers do the checkpoints differ?"

    table: pd.DataFrame
    """One row a quantity and checkpoint: value, interval, difference, `paired`, p, q, verdict."""
    first: str
    others: tuple[str, ...]
    skipped: tuple[str, ...]
    """What does not apply to a checkpoint, one line each."""

    @cached_property
    def rows(self) -> Mapping[str, list[dict[str, Any]]]:
        """The rows of each checkpoint, quantity by quantity."""
        names = (self.first, *self.others)
        return {name: records(self.table[self.table["checkpoint"] == name]) for name in names}

    @property
    def judged(self) -> pd.DataFrame:
        """The rows whose difference has an interval."""
        return self.table[self.table["p"].notna()]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Every number by quantity and checkpoint, and every difference."""
        found = {}
        for row in records(self.table):
            where = f"{row['quantity']}, {row['checkpoint']}"
            found[where] = own_number(row)
            if row["difference"] is not None:
                found[f"{where} minus {self.first}"] = difference_of(row)
        return found

    @property
    def finding(self) -> str:
        """By checkpoint: how many numbers differ, and the most telling of them in words."""
        if len(self.others) <= SENTENCES:
            return " ".join(sentence(self, name) for name in self.others)
        parts = [f"{name} in {how_many(self.rows[name])}" for name in self.others]
        more = f" and {len(parts) - LISTED} others" if len(parts) > LISTED else ""
        listed = ", ".join(parts[:LISTED])
        return f"Tested quantities that differ from those of {self.first}: {listed}{more}."

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a difference speaks of, how it is tested, and what has no test."""
        apart = int((self.judged["paired"] == "no").sum())
        tested = int(self.table["q"].notna().sum())
        unpaired = (
            f"Not paired: {counted(apart, 'difference')} of the table, because pictures "
            "differ (other worlds, splits or sets) or an analysis keeps no numbers by picture: "
            "the two intervals are taken as independent and their widths added in squares. Where "
            "the pictures are in fact the same, that interval is mostly too wide."
        )
        return (
            "A difference is between these models, not between their recipes: two runs of one "
            "recipe with different seeds differ as well. To compare recipes, train several seeds "
            "of each (lrinterp sweep).",
            "Where two checkpoints were tested on the same pictures the difference is paired: each "
            "label is left out of both at once (jackknife over labels), and p is that of the "
            "interval; where units do not share labels, p is that of exchanging both checkpoints "
            "in whole units, which cannot fall under the least p of the table and, with few units, "
            "may disagree with the interval at its edge.",
            *([unpaired] if apart else []),
            f"One number of each analysis is tested, {tested} in all, and q corrects p "
            "for their number (Benjamini and Hochberg): of those with q under 0.05, said to "
            "differ, one in twenty is expected to be a false alarm. All other differences are not "
            "tested but described, with an interval and a p of their own. Not told apart does not "
            "mean equal: look at the interval of the difference, not at whether the intervals of "
            "the two numbers overlap.",
            "What depends on weights alone, or on one picture, has an exact difference and no "
            "test. A headline head is chosen in each checkpoint for itself; head numbers cannot "
            "be compared across checkpoints.",
            *self.skipped,
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table.drop(columns="key")

    def against(self, name: str) -> pd.DataFrame:
        """Every quantity of one other checkpoint: both numbers, the difference, its verdict."""
        firsts, own = self.rows[self.first], self.rows[name]
        columns = {
            "Analysis": [quantity_words(row["analysis"]) for row in own],
            "Quantity": [row["quantity"] for row in own],
            self.first: [str(own_number(row)) for row in firsts],
            name: [str(own_number(row)) for row in own],
            f"{name} minus {self.first}": [changed(row) for row in own],
            "Told apart": [told(row) for row in own],
        }
        return pd.DataFrame(columns)

    def overview(self) -> pd.DataFrame:
        """Every quantity, a row each: numbers, and differences with intervals and verdict.

        With many checkpoints a row each: how many numbers differ, and the most telling ones.
        """
        if len(self.others) > COLUMNS:
            return pd.DataFrame([many_line(self, name) for name in self.others])
        if len(self.others) == 1:
            return self.against(self.others[0])
        said_of = {f"{n} minus {self.first}": list(map(said, self.rows[n])) for n in self.others}
        return self.against(self.others[0]).iloc[:, :3].assign(**said_of)

    def figures(self) -> tuple[Figure, ...]:
        """Every tested difference with its interval, a panel a checkpoint."""
        if self.judged.empty:
            return ()
        ends = {"difference_low": "low", "difference_high": "high"}
        drawn = self.judged.drop(columns=["value", "low", "high"]).rename(columns=ends)
        drawn["panel"] = drawn["checkpoint"] + f" minus {self.first}"
        columns = ["quantity", "difference", "low", "high", "panel", "paired", "q", "verdict"]
        plot = bars(drawn[columns], x="difference", y="quantity", facet="panel", mark="dot")
        return (
            Figure(
                key="differences",
                title=f"Every difference from {self.first}, with its interval",
                how_to_read="Each dot is a number of one checkpoint (a share of pictures, of "
                "attention or of variance, a cosine, a correlation) minus that of "
                f"{self.first}, with its 95 % interval; where nothing differs dots lie at 0 and "
                "their intervals hold it.",
                plot=reference(plot, 0.0, "no difference"),
                table=self.judged.drop(columns="key"),
            ),
        )

    def tiles(self) -> tuple[Tile, ...]:
        """The spoken differences of two checkpoints, or the first of them for up to four others."""
        rows = [row for key in SPOKEN for row in records(self.judged) if row["key"] == key]
        if len(self.others) > 1:
            rows = [row for row in rows if row["quantity"] == rows[0]["quantity"]]
        return tuple(difference_tile(row, self.first) for row in rows[:4])


# Rows of the table in words: for a sentence, a line, a tile, a cell.


def sentence(found: Differences, name: str) -> str:
    """How many numbers of one checkpoint differ from the first, and the most telling of them."""
    tested = [row for row in found.rows[name] if row["q"] is not None]
    whose = f"{name} against {found.first}"
    if not tested:
        return f"{whose}: no primary quantity has an interval to test."
    differ = "quantity differs" if len(tested) == 1 else "quantities differ"
    text = f"{whose}: {how_many(tested)} tested {differ}"
    spoken = next((row for key in SPOKEN for row in tested if row["key"] == key), None)
    if spoken is None:
        return f"{text}."
    before = found.metrics[f"{spoken['quantity']}, {found.first}"]
    how = "paired on" if spoken["paired"] == "yes" else "not paired,"
    return (
        f"{text}; {spoken['quantity']} is {Metric.of(spoken).phrase} instead of "
        f"{before.phrase}, a difference of {difference_of(spoken).phrase} ({how} "
        f"{counted(spoken['difference_n'], 'picture')}, {chance_words(spoken)}: "
        f"{spoken['verdict']})."
    )


def how_many(rows: Sequence[Row]) -> str:
    """How many of the tested rows differ: `3 of 7`."""
    verdicts = [row["verdict"] for row in rows if row["q"] is not None]
    return f"{verdicts.count(DIFFERS)} of {len(verdicts)}"


def many_line(found: Differences, name: str) -> dict[str, str]:
    """A checkpoint among many: how many numbers differ, and the most telling differences."""
    rows = found.rows[name]
    line = {"Checkpoint": f"{name} minus {found.first}", "Differ": how_many(rows)}
    return line | {row["quantity"]: said(row) for row in rows if row["key"] in SPOKEN}


def difference_tile(row: Row, first: str) -> Tile:
    """A row's difference as a large figure."""
    label = f"{row['quantity'][:1].upper()}{row['quantity'][1:]}: {row['checkpoint']} minus {first}"
    how = "paired" if row["paired"] == "yes" else "not paired"
    words = f"{row['verdict']} ({chance_words(row)}, {how})"
    return Tile(label=label, scalar=difference_of(row), words=words)


def difference_of(row: Row) -> Metric:
    """The difference of a table row, with its interval and counts."""
    ends = {name: row[f"difference_{name}"] for name in ("low", "high", "n", "n_units")}
    return Metric(value=row["difference"], estimator="difference", **ends)


def own_number(row: Row) -> Metric:
    """A row's own number, or its name, such as that of a head."""
    return Metric(value=row["name"], estimator="name") if row["name"] else Metric.of(row)


def changed(row: Row) -> str:
    """A row's difference as it stands in a cell, a dash where there is none."""
    return difference_of(row).phrase.replace(" ", "\u00a0")


def told(row: Row) -> str:
    """What can be said of a row's difference."""
    if row["p"] is None:
        return row["verdict"] or "–"
    apart = "" if row["paired"] == "yes" else ", not paired"
    return f"{row['verdict']} ({chance_words(row)}{apart})"


def said(row: Row) -> str:
    """A row's difference and what can be said of it, in one cell."""
    return changed(row) if row["difference"] is None else f"{changed(row)} {told(row)}"


def chance_words(row: Row) -> str:
    """The corrected p value of a test, or the plain one of what is described."""
    name = "p" if row["q"] is None else "q"
    rounded = float(f"{row[name]:.2g}")
    text = f"{name} < 0.001" if rounded < 0.001 else f"{name} = {plain_number(rounded)}"
    return text.replace(" ", "\u00a0")
