"""One analysis of several checkpoints: their numbers in one table and on common axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import pandas as pd

from lrinterp.analysis import ANALYSES
from lrinterp.comparison.measured import Measured, not_applied
from lrinterp.comparison.naming import quantity_words
from lrinterp.comparison.side_figures import further_table, side_figures
from lrinterp.result import Figure, Metric, Result, Skipped, records
from lrinterp.wording import counted

__all__ = ["SideBySide", "side_by_side"]

COLUMNS = 5
"""Checkpoints up to which each has a column of the open table; more have a row each."""
SPOKEN = 4
"""Checkpoints up to which the finding tells all."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SideBySide(Result):
    """The Results of one analysis on several checkpoints."""

    analysis: str
    asked: str
    scalars: pd.DataFrame
    """One row a checkpoint and key of the summary: value, or `name`, interval and counts."""
    frames: pd.DataFrame
    """The tables of the analysis, one below the other, with a column `checkpoint`."""
    further: pd.DataFrame
    """What figures need beside them: positional rows, or order by distance."""
    chance: float | None
    """Order accuracy of a guess, where it is the same for all."""
    shared: tuple[str, ...]
    """Caveats that the analysis has for every checkpoint."""
    skipped: tuple[str, ...]
    """Checkpoints that the analysis does not apply to, each with its reason."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The analysis."""
        return self.analysis

    @property
    def question(self) -> str:  # type: ignore[override]
        """Its question."""
        return self.asked

    @property
    def checkpoints(self) -> list[str]:
        """Those it applies to, in the order they were given."""
        return self.scalars["checkpoint"].drop_duplicates().tolist()

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The first number of the analysis that has an interval, by checkpoint."""
        known = self.scalars[self.scalars["value"].notna()]
        chosen = known[known["low"].notna()] if known["low"].notna().any() else known
        if chosen.empty:
            return {}
        key = chosen["key"].iloc[0]
        rows = records(known[known["key"] == key])
        return {f"{quantity_words(key)}, {row['checkpoint']}": Metric.of(row) for row in rows}

    @property
    def finding(self) -> str:
        """The summary, or its lowest and highest where it is long, and what was skipped."""
        spoken = list(self.metrics.items())
        if not spoken:
            return " ".join(["No checkpoint has a number here.", *self.skipped])
        if len(spoken) > SPOKEN:
            spoken = sorted(spoken, key=lambda item: float(item[1].value or 0))
            spoken = [spoken[0], spoken[-1]]
        what, _ = spoken[0][0].split(", ", 1)
        parts = [f"{key.split(', ', 1)[1]} {s.phrase}{_sample(s)}" for key, s in spoken]
        how = "" if len(self.metrics) <= SPOKEN else f", lowest and highest of {len(self.metrics)}"
        text = f"{what[:1].upper()}{what[1:]}{how}: {'; '.join(parts)}."
        return " ".join([text, *self.skipped])

    @property
    def caveats(self) -> tuple[str, ...]:
        """What cannot be compared, and what the analysis itself says of all its checkpoints."""
        return (*([HEADS] if "head" in self.frames else []), *self.shared)

    def frame(self) -> pd.DataFrame:
        """The tables of all checkpoints."""
        return self.frames

    def overview(self) -> pd.DataFrame:
        """Every number of the summary: a column a checkpoint, or a row where they are many."""
        numbers = records(self.scalars)
        cells = [row["name"] or Metric.of(row).phrase.replace(" ", "\u00a0") for row in numbers]
        words = [quantity_words(key) for key in self.scalars["key"]]
        flat = self.scalars.assign(cell=cells, words=words)
        many = len(self.checkpoints) > COLUMNS
        down, across, head = (
            ("checkpoint", "words", "Checkpoint") if many else ("words", "checkpoint", "Quantity")
        )
        rows, columns = (flat[name].drop_duplicates().tolist() for name in (down, across))
        wide = flat.pivot(index=down, columns=across, values="cell").fillna("–")
        wide = wide.reindex(index=rows, columns=columns)
        return wide.rename_axis(head).reset_index().rename_axis(None, axis=1)

    def figures(self) -> tuple[Figure, ...]:
        """The figures that are special to the analysis, and its numbers on common axes."""
        tables = {"scalars": self.scalars, "frames": self.frames, "further": self.further}
        return side_figures(self.analysis, tables, self.chance)


HEADS = (
    "Heads have no identity across checkpoints: L0H2 of one training run has nothing to do with "
    "L0H2 of another. Compare headline heads, sums over heads, and what does not depend on the "
    "numbering."
)


def _sample(scalar: Metric) -> str:
    if scalar.n is None or scalar.low is None:
        return ""
    units = f", {counted(scalar.n_units, 'unit')}" if scalar.n_units else ""
    return f" (n = {scalar.n:,}{units})"


def side_by_side(analysis: str, measured: Sequence[Measured]) -> SideBySide | Skipped:
    """One analysis of all checkpoints it applies to; Skipped where it applies to none."""
    results = {one.name: one.results[analysis] for one in measured}
    asked = ANALYSES[analysis].result.question
    skipped = [not_applied(name, result) for name, result in results.items() if result.reason]
    there = {name: result for name, result in results.items() if not result.reason}
    if not there:
        return Skipped(skipped=analysis, asked=asked, reason=" ".join(skipped))
    chances = {getattr(result, "chance", None) for result in there.values()}
    return SideBySide(
        analysis=analysis,
        asked=asked,
        scalars=scalar_table({name: result.metrics for name, result in results.items()}),
        frames=stacked({name: result.frame() for name, result in there.items()}),
        further=stacked({name: further_table(result) for name, result in there.items()}),
        chance=chances.pop() if len(chances) == 1 else None,
        shared=tuple(caveats_of_all(list(there.values()))),
        skipped=tuple(skipped),
    )


def caveats_of_all(results: Sequence[Result]) -> list[str]:
    """The caveats that stand word for word under each of some results."""
    return [c for c in results[0].caveats if all(c in result.caveats for result in results)]


def scalar_table(summaries: Mapping[str, Mapping[str, Metric]]) -> pd.DataFrame:
    """Every number of some summaries, one row each; a name has its own column."""
    rows = []
    for checkpoint, summary in summaries.items():
        for key, scalar in summary.items():
            named = isinstance(scalar.value, str)
            own = scalar.plain() | ({"value": None} if named else {})
            place = {"checkpoint": checkpoint, "key": key, "name": scalar.value if named else ""}
            rows.append({**place, **own})
    columns = ["checkpoint", "key", "name", "value", "low", "high", "n", "n_units"]
    kinds = dict.fromkeys(columns[3:6], "float64") | dict.fromkeys(columns[6:], "Int64")
    return pd.DataFrame(rows, columns=columns).astype(kinds)


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, with the name of each in the first column."""
    named = [table.assign(checkpoint=name) for name, table in tables.items()]
    whole = pd.concat(named, ignore_index=True)
    return whole[["checkpoint", *(name for name in whole if name != "checkpoint")]]
