"""One analysis of several checkpoints: their numbers in one table and on common axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import pandas as pd

from lrinterp.experiment.checkpoints import quantity_words
from lrinterp.experiment.checkpoints.side_figures import beside, side_figures
from lrinterp.result import Figure, Metric, Result, Skipped, records
from lrinterp.wording import counted

__all__ = ["SideBySide", "as_row", "not_applied", "together"]

COLUMNS, SPOKEN = 5, 4
"""Checkpoints up to which each has a column of the open table, and a place in the finding."""
HEADS = (
    "Heads have no identity across checkpoints: L0H2 of one training run has nothing to do with "
    "L0H2 of another. Compare headline heads, sums over heads, and what does not depend on the "
    "numbering."
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SideBySide(Result):
    """The Results of one analysis on several checkpoints, under its name and question."""

    name: str  # type: ignore[misc]
    question: str  # type: ignore[misc]
    scalars: pd.DataFrame
    """One row a checkpoint and key of the summary: value, or `name`, interval and counts."""
    frames: pd.DataFrame
    """The tables of the analysis, one below the other, with a column `checkpoint`."""
    beside: pd.DataFrame
    """What figures need beside them: positional rows, or order by distance."""
    chance: float | None
    """Swap accuracy of a guess, where it is the same for all."""
    shared: tuple[str, ...]
    """Caveats that the analysis has for every checkpoint."""
    skipped: tuple[str, ...]
    """Checkpoints that the analysis does not apply to, each with its reason."""

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
        return (*([HEADS] if "head" in self.frames else []), *self.shared)

    def frame(self) -> pd.DataFrame:
        """The tables of all checkpoints."""
        return self.frames

    def overview(self) -> pd.DataFrame:
        """Every number of the summary: a column a checkpoint, or a row where they are many."""
        rows = records(self.scalars)
        table = self.scalars.assign(
            cell=[r["name"] or Metric.of(r).phrase.replace(" ", "\u00a0") for r in rows],
            Quantity=[quantity_words(row["key"]) for row in rows],
            Checkpoint=self.scalars["checkpoint"],
        )
        down, across = "Quantity", "Checkpoint"
        if table["checkpoint"].nunique() > COLUMNS:
            down, across = across, down
        wide = table.pivot(index=down, columns=across, values="cell").fillna("–")
        wide = wide.reindex(index=table[down].unique(), columns=table[across].unique())
        return wide.rename_axis(down).reset_index().rename_axis(None, axis=1)

    def figures(self) -> tuple[Figure, ...]:
        """The figures that are special to the analysis, and its numbers on common axes."""
        return tuple(side_figures(self))


def sample_words(found: Metric) -> str:
    """What a number with an interval rests on, in brackets."""
    if found.n is None or found.low is None:
        return ""
    units = f", {counted(found.n_units, 'unit')}" if found.n_units else ""
    return f" (n = {found.n:,}{units})"


def together(analysis: str, results: Mapping[str, Result]) -> SideBySide | Skipped:
    """The Results of one analysis by checkpoint, put together; Skipped where it applies to none."""
    there = {name: result for name, result in results.items() if not result.reason}
    question = next(iter(results.values())).question
    skipped = [line for name, result in results.items() if (line := not_applied(name, result))]
    if not there:
        return Skipped(skipped=analysis, asked=question, reason=" ".join(skipped))
    first, *others = there.values()
    chances = {getattr(result, "chance", None) for result in there.values()}
    return SideBySide(
        name=analysis,
        question=question,
        scalars=scalar_table(there),
        frames=stacked({name: result.frame() for name, result in there.items()}),
        beside=stacked({name: beside(result) for name, result in there.items()}),
        chance=chances.pop() if len(chances) == 1 else None,
        shared=tuple(c for c in first.caveats if all(c in one.caveats for one in others)),
        skipped=tuple(skipped),
    )


def not_applied(checkpoint: str, result: Result) -> str:
    """Why an analysis was skipped, in one line that names the checkpoint; nothing if it was not."""
    reason = result.reason.removesuffix(".")
    return f"{checkpoint}: {result.name} does not apply: {reason}." if reason else ""


def scalar_table(results: Mapping[str, Result]) -> pd.DataFrame:
    """Every number of some summaries, one row each; a name has its own column."""
    rows = [
        {"checkpoint": checkpoint, "key": key, **as_row(metric)}
        for checkpoint, result in results.items()
        for key, metric in result.metrics.items()
    ]
    kinds = dict.fromkeys(("value", "low", "high"), "float64")
    kinds |= dict.fromkeys(("n", "n_units"), "Int64")
    return pd.DataFrame(rows, columns=["checkpoint", "key", "name", *kinds]).astype(kinds)


def as_row(metric: Metric) -> dict[str, Any]:
    """The columns of a number; one that is a name, such as that of a head, stands under `name`."""
    named = {"value": None, "name": metric.value} if isinstance(metric.value, str) else {"name": ""}
    return metric.plain() | named


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, with the name of each in the first column."""
    whole = pd.concat(tables, names=["checkpoint"])
    return whole.reset_index("checkpoint").reset_index(drop=True)
