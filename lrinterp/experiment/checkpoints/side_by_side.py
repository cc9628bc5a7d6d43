"""One analysis of several checkpoints: their numbers in one table and on common axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import pandas as pd

from lrinterp.experiment.checkpoints import quantity_words
from lrinterp.experiment.checkpoints.side_figures import side_figures, stacked
from lrinterp.result import Figure, Metric, Result, Skipped, records
from lrinterp.wording import counted

__all__ = ["SideBySide", "as_row", "not_applied", "put_side_by_side"]

COLUMNS, SPOKEN = 5, 4
"""Checkpoints up to which each has a column of the open table, and a place in the finding."""
HEADS = (
    "Heads do not correspond across checkpoints: L0H2 of one training run is unrelated to L0H2 of "
    "another. Compare headline heads, sums over heads, and what does not depend on the numbering."
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SideBySide(Result):
    """The Results of one analysis on several checkpoints, under its name and question."""

    name: str  # type: ignore[misc]
    question: str  # type: ignore[misc]
    results: Mapping[str, Result]
    """By checkpoint, of those that the analysis applies to."""
    skipped: tuple[str, ...]
    """Checkpoints that the analysis does not apply to, each with its reason."""

    @cached_property
    def scalars(self) -> pd.DataFrame:
        """One row a checkpoint and key of the summary: value, or `name`, interval and counts."""
        rows = [
            {"checkpoint": checkpoint, "key": key, **as_row(metric)}
            for checkpoint, result in self.results.items()
            for key, metric in result.metrics.items()
        ]
        kinds = dict.fromkeys(("value", "low", "high"), "float64")
        kinds |= dict.fromkeys(("n", "n_units"), "Int64")
        return pd.DataFrame(rows, columns=["checkpoint", "key", "name", *kinds]).astype(kinds)

    @property
    def chance(self) -> float | None:
        """Swap accuracy of a guess, where it is the same for all."""
        chances = {getattr(result, "chance", None) for result in self.results.values()}
        return chances.pop() if len(chances) == 1 else None

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The first number of the analysis that has an interval, by checkpoint."""
        known = self.scalars.dropna(subset=["value"])
        first = [*known.dropna(subset=["low"])["key"], *known["key"]][:1]
        rows = records(known[known["key"].isin(first)])
        return {f"{quantity_words(r['key'])}, {r['checkpoint']}": Metric.of(r) for r in rows}

    @property
    def finding(self) -> str:
        """The summary, or its lowest and highest where it is long, and what was skipped."""
        spoken, how = list(self.metrics.items()), ""
        if len(spoken) > SPOKEN:
            how = f", lowest and highest of {len(spoken)}"
            low, *_, high = sorted(spoken, key=lambda item: float(item[1].value or 0))
            spoken = [low, high]
        parts = [f"{key.split(', ', 1)[1]} {one.phrase}{sample_words(one)}" for key, one in spoken]
        what = next(iter(self.metrics), "").split(", ", 1)[0]
        text = f"{what[:1].upper()}{what[1:]}{how}: {'; '.join(parts)}."
        return " ".join([text if parts else "No checkpoint has a number here.", *self.skipped])

    @property
    def caveats(self) -> tuple[str, ...]:
        """What cannot be compared, and what the analysis itself says of all its checkpoints."""
        first, *others = (result.caveats for result in self.results.values())
        shared = (text for text in first if all(text in other for other in others))
        return (*([HEADS] if "head" in self.frame() else []), *shared)

    def frame(self) -> pd.DataFrame:
        """The tables of the analysis, one below the other, with a column `checkpoint`."""
        return stacked({name: result.frame() for name, result in self.results.items()})

    def overview(self) -> pd.DataFrame:
        """Every number of the summary: a column a checkpoint, or a row where they are many."""
        cells = {
            name: {
                quantity_words(key): cell_words(metric) for key, metric in result.metrics.items()
            }
            for name, result in self.results.items()
        }
        wide = pd.DataFrame(cells).fillna("–").rename_axis("Quantity")
        if len(cells) > COLUMNS:
            wide = wide.T.rename_axis("Checkpoint")
        return wide.reset_index().rename_axis(None, axis=1)

    def figures(self) -> tuple[Figure, ...]:
        """The figures that are special to the analysis, and its numbers on common axes."""
        return tuple(side_figures(self))


def cell_words(metric: Metric) -> str:
    """A number with its interval on one line of the open table, or a name."""
    return f"{metric}\u00a0{metric.interval}".replace(", ", ",\u00a0").strip()


def sample_words(found: Metric) -> str:
    """What a number with an interval rests on, in brackets."""
    if found.n is None or found.low is None:
        return ""
    units = f", {counted(found.n_units, 'unit')}" if found.n_units else ""
    return f" (n = {found.n:,}{units})"


def put_side_by_side(analysis: str, results: Mapping[str, Result]) -> SideBySide | Skipped:
    """The Results of one analysis by checkpoint, put together; Skipped where it applies to none."""
    there = {name: result for name, result in results.items() if not result.reason}
    question = next(iter(results.values())).question
    skipped = [line for name, result in results.items() if (line := not_applied(name, result))]
    if not there:
        return Skipped(skipped=analysis, asked=question, reason=" ".join(skipped))
    return SideBySide(name=analysis, question=question, results=there, skipped=tuple(skipped))


def not_applied(checkpoint: str, result: Result) -> str:
    """Why an analysis was skipped, in one line that names the checkpoint; nothing if it was not."""
    reason = result.reason.removesuffix(".")
    return f"{checkpoint}: {result.name} does not apply: {reason}." if reason else ""


def as_row(metric: Metric) -> dict[str, Any]:
    """The columns of a number; one that is a name, such as that of a head, stands under `name`."""
    named = {"value": None, "name": metric.value} if isinstance(metric.value, str) else {"name": ""}
    return metric.plain() | named
