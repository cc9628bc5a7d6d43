"""Where the differences between the models of an arm come from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from lrinterp.charts import bars, value_range
from lrinterp.experiment.contrasts import complete, laid_out, share_interval, shares, sources
from lrinterp.experiment.design import Study
from lrinterp.experiment.naming import factor_named, seeds_words, source_words
from lrinterp.experiment.numbers import METRICS, accuracy_of
from lrinterp.result import Figure, Metric, NotApplicable, Result, records

__all__ = ["Variance", "variance"]

COLUMNS = ["arm", "measure", "source", "share", "low", "high", "plain_share", "n"]
PICTURES = "unseen_pair"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Variance(Result):
    """Shares of variance of each metric on held-out pairs, by source and arm."""

    name: ClassVar[str] = "variance"
    question: ClassVar[str] = "What do the differences between models come from?"

    table: pd.DataFrame
    """By arm, measure and source: share, low, high, plain_share, n (seeds)."""
    factors: list[str]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Shares of the factors in order and open retrieval, by arm."""
        return {
            f"{row['measure']} by {source_words(row['source'])}, {row['arm']}": self._scalar(row)
            for row in records(self.table)
            if row["source"] in self.spoken_of and row["measure"] in SPOKEN
        }

    @property
    def spoken_of(self) -> list[str]:
        """The sources that the words speak of: all but the seed."""
        return [*self.factors, "interaction"]

    def _scalar(self, row: Mapping[str, Any]) -> Metric:
        return Metric.of(row, "share")

    @property
    def finding(self) -> str:
        """What the factors explain of order and of open retrieval, by arm."""
        arms = self.table["arm"].drop_duplicates()
        return " ".join(f"Arm {arm}: {'; '.join(self._explained(arm))}." for arm in arms)

    def _explained(self, arm: str) -> Iterator[str]:
        for measure in SPOKEN:
            words = [source_words(name) for name in self.spoken_of]
            named = [(one, f"{measure} by {one}, {arm}") for one in words]
            known = [(words, self.metrics[key]) for words, key in named if key in self.metrics]
            if any(scalar.value is None for _, scalar in known):
                yield f"{measure} cannot be divided"
            elif known:
                parts = [f"{words} {scalar.phrase}" for words, scalar in known]
                yield f"of the variance of {measure}, {', '.join(parts)}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the shares are, and what they are not."""
        return (
            "Shares are sums of squares of a balanced design, of the seeds that are complete in "
            "every cell: a factor has its main effect, interaction what the cells differ beyond "
            "that, seed all differences inside cells: what a seed does everywhere and what chance "
            "does in one cell.",
            "Noise alone would give each source a part (plain_share in the table); the share is "
            "freed of it by a jackknife over seeds, which also makes the interval; both are cut at "
            "0 and 1, so that only the plain shares sum to 1. It takes three seeds.",
            "A share depends on the values that the grid gives each factor: a wider range explains "
            "more, and on a factor's scale a part of the range can explain least. The maps show "
            "where in the grid a factor matters.",
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """One figure a metric, a panel an arm, all on one scale."""
        known = self.table.groupby("measure", sort=False)["share"].count() > 0
        scale = value_range(self.table, "share", include=(0.0, 1.0))
        return tuple(
            self._figure(place, str(measure), scale)
            for place, measure in enumerate(known[known].index)
        )

    def _figure(self, place: int, measure: str, scale: tuple[float, float]) -> Figure:
        part, across = self.table[self.table["measure"] == measure], "share of variance"
        shown = part.assign(source=part["source"].map(source_words))
        shown = shown.rename(columns={"share": across, "n": "seeds"})
        shown = shown.drop(columns=["measure", "plain_share"])
        named = ", ".join(map(factor_named, self.factors))
        return Figure(
            key=f"shares-{place}",
            title=f"{measure[:1].upper()}{measure[1:]} on held-out pairs: shares of variance",
            how_to_read="Each dot is the share of the variance between the models of an arm that "
            f"goes with one source ({named}, their interaction, the seed), with a 95 % interval "
            f"over {seeds_words(part['n'].tolist())}; a source without any effect lies at 0.",
            plot=bars(shown, x=across, y="source", facet="arm", mark="dot", x_range=scale),
            table=part,
        )


SPOKEN = (METRICS["order"], METRICS["retrieval_open"])


def variance(study: Study, table: pd.DataFrame) -> Variance:
    """Divide the variance of every metric on held-out pairs.

    Raises NotApplicable where no model was tested on any.
    """
    columns = {accuracy_of(PICTURES, metric): words for metric, words in METRICS.items()}
    measured = {c: w for c, w in columns.items() if c in table and table[c].notna().any()}
    if not measured:
        raise NotApplicable("no model was tested on held-out pairs")
    rows = [
        row
        for arm in study.arm_names
        for column, measure in measured.items()
        for row in _rows(study, complete(laid_out(study, table, arm, column)), arm, measure)
    ]
    numbers = dict.fromkeys(("share", "low", "high"), float)
    return Variance(
        table=pd.DataFrame(rows, columns=COLUMNS).astype(numbers), factors=list(study.factors)
    )


def _rows(
    study: Study, values: np.ndarray, arm: str, measure: str
) -> Iterator[tuple[str, str, str, float | None, float | None, float | None, float, int]]:
    names, plain = sources(study), shares(values)
    for k, source in enumerate(names):
        if source == "interaction" and len(study.factors) == 1:
            continue  # there is nothing for a single factor to interact with
        found = share_interval(values, np.eye(len(names))[k])
        yield (arm, measure, source, found.value, found.low, found.high, plain[k], len(values))
