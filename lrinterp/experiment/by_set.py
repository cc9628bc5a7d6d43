"""How well models do on one set of pictures, cell by cell of the grid."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import pandas as pd

from lrinterp.experiment.contrasts import grid_means
from lrinterp.experiment.design import Study
from lrinterp.experiment.naming import factor_named, factor_words
from lrinterp.experiment.numbers import METRICS, SETS, accuracy_of
from lrinterp.experiment.set_figures import set_lines, set_map
from lrinterp.result import Figure, Metric, NotApplicable, Result, records
from lrinterp.wording import counted, plain_number

__all__ = ["SetAccuracy", "set_accuracy"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SetAccuracy(Result):
    """Mean accuracies over seeds in every cell of a grid, on one set of pictures."""

    pictures: str
    """The set: `unseen_pair`, `mixed_pair`, `seen_pair` or `single`."""
    cells: pd.DataFrame
    """By arm, measure and level of the first two factors: value, low, high, n (seeds)."""
    overall: pd.DataFrame
    """By arm and measure: the mean over all cells."""
    factors: list[str]
    """Dotted names, as in the grid."""
    seeds: int
    chance: float | None
    """Order accuracy of a guess, where it is the same for all models."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The set."""
        return self.pictures

    @property
    def question(self) -> str:  # type: ignore[override]
        """How well models do on it."""
        return f"How well do the models do on {SETS[self.pictures]}?"

    @property
    def drawn(self) -> list[str]:
        """The one or two factors that the figures show."""
        return self.factors[:2]

    @property
    def arms(self) -> list[str]:
        """The arms, in the order of the study."""
        return self.cells["arm"].drop_duplicates().tolist()

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Order and open retrieval, averaged over the grid, by arm."""
        rows = [row for row in records(self.overall) if row["measure"] in self.headline]
        return {f"{row['measure']}, {row['arm']}": Metric.of(row) for row in rows}

    @property
    def headline(self) -> list[str]:
        """The measures that the words speak of: the first, and open retrieval."""
        return [self.cells["measure"].iloc[0], METRICS["retrieval_open"]]

    @property
    def finding(self) -> str:
        """Mean over the grid, lowest and highest cell, by arm; which cells, in the first."""
        return " ".join(self._sentence(arm, named=not k) for k, arm in enumerate(self.arms))

    def _sentence(self, arm: str, *, named: bool) -> str:
        return f"Arm {arm}: {'; '.join(self._range(arm, m, named=named) for m in self.headline)}."

    def _range(self, arm: str, measure: str, *, named: bool) -> str:
        here = self.cells[(self.cells["arm"] == arm) & (self.cells["measure"] == measure)]
        known = here.dropna(subset=["value"]).sort_values("value", kind="stable")
        if known.empty:
            return f"{measure} has no number"
        ends = [self._cell(known.iloc[k], named=named) for k in (0, -1)]
        mean = self.metrics[f"{measure}, {arm}"]
        whole = "" if mean.value is None else f" is {mean.phrase} over the grid"
        return f"{measure}{whole}, in cells from {' to '.join(ends)}"

    def _cell(self, row: pd.Series, *, named: bool) -> str:
        where = ", ".join(f"{factor_words(name)} {row[name]}" for name in self.drawn)
        return f"{row['value']:.2f} ({where})" if named else f"{row['value']:.2f}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What an interval speaks of, what was averaged, what is missing."""
        others = ", ".join(map(factor_named, self.factors[2:]))
        few = int((self.cells["n"] < self.seeds).sum())
        lacking = (
            f"{counted(few, 'row')} of the table rest on fewer than {self.seeds} seeds: models "
            "failed, or have not been trained."
        )
        return (
            "Intervals are 95 %, over seeds: they say where the mean of many such models lies, not "
            "where a single one may lie.",
            *([GROWING] if self.pictures in ("seen_pair", "mixed_pair") else []),
            *([f"Averaged, for each seed, over {others}."] if others else []),
            *([lacking] if few else []),
        )

    def frame(self) -> pd.DataFrame:
        """The cells."""
        return self.cells

    def figures(self) -> tuple[Figure, ...]:
        """For each arm a map of the grid, where it has two factors, and lines."""
        return tuple(
            figure for place, arm in enumerate(self.arms) for figure in self._of(place, arm)
        )

    def _of(self, place: int, arm: str) -> list[Figure]:
        cells = self.cells[self.cells["arm"] == arm]
        maps = [set_map(cells, self.drawn, place, self._null)] if len(self.drawn) == 2 else []
        return [*maps, set_lines(cells, self.drawn, place, self._null)]

    @property
    def _null(self) -> str:
        """What a guess would score, as a sentence."""
        rest = "a guess among captions scores one over their number"
        if self.headline[0] != METRICS["order"]:
            return f"{rest[:1].upper()}{rest[1:]}."
        chance = "one in all orders" if self.chance is None else plain_number(self.chance)
        return f"A guess of the order scores {chance}; {rest}, for a label set times its orders."


GROWING = (
    "Closed candidates are the captions of this set, of which there are more where more labels "
    "form pairs: closed retrieval and label set are not comparable along that factor."
)


def set_accuracy(study: Study, table: pd.DataFrame, pictures: str) -> SetAccuracy:
    """Accuracies on one set by cell; NotApplicable where no model has pictures of it."""
    measures = {accuracy_of(pictures, metric): words for metric, words in METRICS.items()}
    factors = list(study.factors)
    cells = grid_means(study, table, measures, factors[:2])
    if cells.empty:
        raise NotApplicable(f"no model was tested on {SETS[pictures]}")
    return SetAccuracy(
        pictures=pictures,
        cells=cells,
        overall=grid_means(study, table, measures, []),
        factors=factors,
        seeds=study.seeds,
        chance=chance_of(table),
    )


def chance_of(table: pd.DataFrame) -> float | None:
    """Order accuracy of a guess among n objects, 1 / n!, where all models have the same n."""
    found: set[Any] = set(table.get("world.n_objects", pd.Series([2])).dropna())
    return 1 / math.factorial(int(found.pop())) if len(found) == 1 else None
