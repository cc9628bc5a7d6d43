"""A section of the page as data: a question, what was expected, what came, tables to draw.

Unlike an analysis it is made of many models at once; a drawing names its builder and the columns it
shows, so that a section holds tables and words, and no figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, final

import pandas as pd
import plotly.graph_objects as go

from lrinterp.charts import bars, heatmap, lines, reference, scatter
from lrinterp.result import Figure, Metric, Result

__all__ = ["Captioned", "Drawing", "Section"]

BUILDERS = {"bars": bars, "heatmap": heatmap, "lines": lines, "scatter": scatter}


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """One figure: a table, the builder that draws it, and the words around it."""

    key: str
    title: str
    how_to_read: str
    expected: str
    """What the claim leads one to expect, as a clause."""
    came: str
    """What came, as a clause."""
    kind: Literal["bars", "heatmap", "lines", "scatter"]
    table: pd.DataFrame
    """Exactly the columns that are shown."""
    options: dict[str, Any]
    """Columns and settings of the builder."""
    reference: tuple[float, str] | None = None
    """A line across the values, and its name."""

    @property
    def figure(self) -> Figure:
        """The figure, with its caption in three parts."""
        plot: go.Figure = BUILDERS[self.kind](self.table, **self.options)
        if self.reference is not None:
            plot = reference(plot, *self.reference)
        caption = captioned(self.how_to_read, self.expected, self.came)
        return Figure(
            key=self.key, title=self.title, how_to_read=caption, plot=plot, table=self.table
        )


def captioned(how_to_read: str, expected: str, came: str) -> str:
    """How to read a figure, what the claim leads one to expect, and what came."""
    return f"{how_to_read} Expected: {expected}. Came: {came}."


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Section(Result):
    """A part of the argument, drawn from many models."""

    name: str  # type: ignore[misc]
    question: str  # type: ignore[misc]
    found: str
    notes: tuple[str, ...]
    numbers: Mapping[str, Metric]
    table: pd.DataFrame
    drawings: tuple[Drawing, ...] = field(default=())

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The named numbers."""
        return self.numbers

    @property
    def finding(self) -> str:
        """What came out."""
        return self.found

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before leaning on it."""
        return self.notes

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """The drawings, in their order."""
        return tuple(drawing.figure for drawing in self.drawings)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Captioned(Result):
    """A result of another part, whose figures say what was expected and what came."""

    inner: Result
    expected: str
    came: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """Of the result itself."""
        return self.inner.name

    @property
    def question(self) -> str:  # type: ignore[override]
        """Of the result itself."""
        return self.inner.question

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Of the result itself."""
        return self.inner.metrics

    @property
    def finding(self) -> str:
        """Of the result itself."""
        return self.inner.finding

    @property
    def caveats(self) -> tuple[str, ...]:
        """Of the result itself."""
        return self.inner.caveats

    def frame(self) -> pd.DataFrame:
        """Of the result itself."""
        return self.inner.frame()

    def overview(self) -> pd.DataFrame:
        """Of the result itself."""
        return self.inner.overview()

    def figures(self) -> tuple[Figure, ...]:
        """Its figures, with longer captions."""
        return tuple(
            replace(figure, how_to_read=captioned(figure.how_to_read, self.expected, self.came))
            for figure in self.inner.figures()
        )
