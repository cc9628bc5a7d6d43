"""A section of a page as data: what was asked and found, a table, its figures, its words.

An analysis of one model is a Result of its own class; what many models say together is made by a
function over their table, all at once, and comes as one of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

import pandas as pd

from lrinterp.result import Figure, Metric, Result, Tile

__all__ = ["Section", "captioned"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Section(Result):
    """A part of the argument, made of many models."""

    name: str  # type: ignore[misc]
    question: str  # type: ignore[misc]
    finding: str = ""  # type: ignore[assignment]
    caveats: tuple[str, ...] = ()  # type: ignore[assignment]
    metrics: Mapping[str, Metric] = field(default_factory=dict)  # type: ignore[assignment]
    table: pd.DataFrame
    drawn: tuple[Figure, ...] = ()
    short: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What stands open on the page."""
    heads: tuple[Tile, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)

    def figures(self) -> tuple[Figure, ...]:
        """The figures, in their order."""
        return self.drawn

    def overview(self) -> pd.DataFrame:
        """The short table."""
        return self.short

    def tiles(self) -> tuple[Tile, ...]:
        """The large figures for the head of the page."""
        return self.heads

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of its claims and figures."""
        return self.words


def captioned(figure: Figure, *, expected: str, observed: str) -> Figure:
    """A figure that says, each in a clause, what a claim predicts and what was observed."""
    words = f"{figure.how_to_read} Expected: {expected}. Observed: {observed}."
    return replace(figure, how_to_read=words)
