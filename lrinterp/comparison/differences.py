"""Every number of every analysis for several checkpoints, and how it differs from the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import pandas as pd

from lrinterp.charts import bars, reference
from lrinterp.comparison.difference_table import difference_table
from lrinterp.comparison.difference_words import (
    SPOKEN,
    bare,
    changed,
    counts,
    difference_of,
    line_of,
    row_of,
    sentence,
    tile_of,
    told,
)
from lrinterp.comparison.measured import Measured, not_applied
from lrinterp.result import Figure, Metric, Result, Tile, records
from lrinterp.wording import counted

__all__ = ["Differences", "differences"]

SENTENCES = 2
"""Other checkpoints up to which the finding has a sentence for each."""
COLUMNS = 3
"""Other checkpoints up to which each has a column of the open table."""


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

    @property
    def compared(self) -> pd.DataFrame:
        """The rows of all checkpoints but the first."""
        return self.table[self.table["checkpoint"] != self.first]

    @property
    def tested(self) -> pd.DataFrame:
        """The rows that are tests: of the primary number of each analysis."""
        return self.judged[self.judged["primary"]]

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
            own = {"value": row["name"], "estimator": "name"}
            found[where] = Metric(**own) if row["name"] else Metric.of(row)
            if row["difference"] is not None:
                found[f"{where} minus {self.first}"] = difference_of(row)
        return found

    @property
    def finding(self) -> str:
        """By checkpoint: how many numbers differ, and the most telling of them in words."""
        if len(self.others) <= SENTENCES:
            return " ".join(sentence(self.table, self.first, name) for name in self.others)
        return counts(self.table, self.first, self.others)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a difference speaks of, how it is tested, and what has no test."""
        apart = self.judged[self.judged["paired"] == "no"]
        unpaired = (
            f"Not paired: {counted(len(apart), 'difference')} of the table, because pictures "
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
            *([unpaired] if len(apart) else []),
            f"One number of each analysis is tested, {len(self.tested)} in all, and q corrects p "
            "for their number (Benjamini and Hochberg): of those with q under 0.05, said to "
            "differ, one in twenty is expected to be a false alarm. All other differences are not "
            "tested but described, with an interval and a p of their own. Not told apart does not "
            "mean equal: look at the interval of the difference, not at whether the intervals of "
            "the two numbers overlap.",
            "What depends on weights alone, or on one picture, has an exact difference and no "
            "test. A headline head is chosen in each checkpoint for itself; its number means "
            "nothing across checkpoints.",
            *self.skipped,
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table.drop(columns="key")

    def overview(self) -> pd.DataFrame:
        """Every quantity, a row each: numbers, and differences with intervals and verdict.

        With many checkpoints a row each: how many numbers differ, and the most telling ones.
        """
        by_quantity = self.table.groupby("quantity", sort=False)
        if len(self.others) <= COLUMNS:
            return pd.DataFrame([line_of(records(rows)) for _, rows in by_quantity])
        return pd.DataFrame([row_of(self.table, self.first, name) for name in self.others])

    def lines(self, checkpoint: str) -> list[list[str]]:
        """Quantity, first number, other number, difference, verdict: for one other checkpoint."""
        rows = records(self.table)
        firsts = {row["quantity"]: row for row in rows if row["checkpoint"] == self.first}
        return [
            [row["quantity"], bare(firsts[row["quantity"]]), bare(row), changed(row), told(row)]
            for row in rows
            if row["checkpoint"] == checkpoint
        ]

    def figures(self) -> tuple[Figure, ...]:
        """Every tested difference with its interval, a panel a checkpoint."""
        if self.judged.empty:
            return ()
        tested = self.judged.drop(columns=["value", "low", "high"])
        ends = {"difference_low": "low", "difference_high": "high"}
        drawn = tested.rename(columns=ends).assign(panel=self._panels(tested))
        columns = [
            "quantity",
            "difference",
            "low",
            "high",
            "panel",
            "paired",
            "q",
            "verdict",
        ]
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

    def _panels(self, rows: pd.DataFrame) -> list[str]:
        return [f"{name} minus {self.first}" for name in rows["checkpoint"]]

    def tiles(self) -> tuple[Tile, ...]:
        """The spoken differences of two checkpoints, or the first of them for up to four others."""
        rows = [row for key in SPOKEN for row in records(self.judged) if row["key"] == key]
        if len(self.others) > 1:
            rows = [row for row in rows if row["quantity"] == rows[0]["quantity"]]
        return tuple(tile_of(row, self.first) for row in rows[:4])


def differences(measured: Sequence[Measured], asked: Sequence[str]) -> Differences:
    """Compare the summaries of some analyses with those of the first checkpoint."""
    return Differences(
        table=difference_table(measured, asked),
        first=measured[0].name,
        others=tuple(one.name for one in measured[1:]),
        skipped=tuple(
            not_applied(one.name, one.results[name])
            for one in measured
            for name in asked
            if one.results[name].reason
        ),
    )
