"""A figure as data: a chart of one of five kinds, with its table, and the words around it.

Nothing here draws: `lrinterp.charts.draw` does, with plotly. What a reader sees follows from these
fields alone, so that another renderer can draw the same. A chart of other parts is made with
`dataclasses.replace`.
"""

import html
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt8

from lrinterp.charts.columns import column

__all__ = [
    "PICTURE",
    "Attention",
    "Bars",
    "Chart",
    "Colored",
    "Figure",
    "Heatmap",
    "Lines",
    "Overlay",
    "Picture",
    "Reference",
    "Regions",
    "Scatter",
    "Valued",
]

PICTURE = "picture"
"""The column of an overlay that names what lies under."""
AXES = ("x", "y", "z", "by", "facet", "label")
"""Fields that name columns."""
RANGES = ("x_range", "y_range", "ends")
"""Fields that hold the ends of an axis."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A dotted line across the axis of values, or a band between two, in every panel."""

    at: float | tuple[float, float]
    label: str

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the band; twice the same of a line."""
        return self.at if isinstance(self.at, tuple) else (self.at, self.at)


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """A shade behind each row of bars or dots; an end that is no number is the panel's edge."""

    frame: pd.DataFrame
    y: str
    start: str
    end: str
    facet: str | None = None

    def __post_init__(self) -> None:
        for name in filter(None, (self.y, self.start, self.end, self.facet)):
            column(self.frame, name)

    @property
    def ends(self) -> tuple[float, ...]:
        """All ends that are numbers."""
        ends = self.frame[[self.start, self.end]].to_numpy(float)
        return tuple(ends[np.isfinite(ends)].tolist())


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """What lies under a map: red, green, blue, and the patches to be outlined, by any name."""

    pixels: UInt8[np.ndarray, "height width 3"]
    outlines: Mapping[str, Bool[np.ndarray, "row column"]] = field(default_factory=dict)
    """The rectangle around each is drawn: the first solid, the second dotted, the third dashed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """One figure without its words. Raises ValueError for a column that is not there."""

    frame: pd.DataFrame = field(kw_only=False)
    """Exactly the columns that a reader sees on hovering; never changed."""
    x: str
    y: str
    height: int | None = None
    """Of the whole figure in pixels; by default the kind's own."""

    def __post_init__(self) -> None:
        for name in AXES:
            if named := getattr(self, name, None):
                column(self.frame, named)
        for name in RANGES:
            ends = getattr(self, name, None)
            if ends is not None and not ends[0] < ends[1]:
                raise ValueError(f"{name}: expected a rising pair, got {ends}")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from lrinterp.charts.draw import draw

        return draw(self)._repr_mimebundle_(**kwargs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Colored(Chart):
    """A map whose cells carry a number as their colour, centred at zero."""

    z: str
    ends: tuple[float, float] | None = None
    """Of the colours: -a and a, or 0 and a for a z without a sign. Give the same ones to maps that
    are to be compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Heatmap(Colored):
    """One cell a row of the table, one panel a value of `facet`.

    Columns, rows and panels stand in the order of the table; a cell without a number is blank.
    Maps of at most 12 columns print their values.
    """

    facet: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        twice = self.frame.duplicated([*filter(None, [self.facet]), self.x, self.y])
        if twice.any():
            row = self.frame[twice].iloc[0]
            first = ", ".join(f"{name} {row[name]}" for name in (self.x, self.y))
            raise ValueError(f"heatmap: expected one row a cell, got several for {first}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlay(Colored):
    """A map over each picture, one panel for each value of `by` and picture.

    The table has one row for each patch, with columns `picture`, a name in `pictures`, `row` and
    `column`, counted from 1, and the number `z`; a patch without one is clear. All panels share
    their colours. Raises ValueError for a picture that is not there.
    """

    pictures: Mapping[str, Picture] = field(kw_only=False)
    x: str = "column"
    y: str = "row"
    by: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in column(self.frame, PICTURE).unique().tolist():
            if name not in self.pictures:
                known = list(self.pictures)
                raise ValueError(f"overlay: expected one of {known}, got picture {name!r}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Valued(Chart):
    """A chart with an axis of values, whose intervals stand in columns `low` and `high`."""

    axis: ClassVar[Literal["x", "y"]] = "y"
    """That carries the values."""
    facet: str | None = None
    """One panel for each value."""
    highlight: Hashable = None
    """The line, bar or point in the accent colour, by its name; the others are muted."""
    exponent: bool = False
    """Are small and large values at the axis written with a power of ten?"""
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines(Valued):
    """One line a value of `by`, named at its right end, with a band where there is an interval.

    Lines that are not highlighted differ by dashes. Where none is, one or two take the two accents.
    """

    by: str | None = None
    y_range: tuple[float, float] | None = None
    """Both ends of the axis, in the unit of its column; references may widen it."""
    headroom: bool = False
    """Is there room above the panel for names of lines that were moved up?"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars(Valued):
    """Horizontal bars from zero, or dots, with interval whiskers and the value at the right.

    `x` is the number and `y` the label; rows stand in the order of the table. Where no label is
    highlighted, all are in the accent colour.
    """

    axis: ClassVar[Literal["x", "y"]] = "x"
    mark: Literal["bar", "dot"] = "bar"
    x_range: tuple[float, float] | None = None
    """Both ends of the axis, in the unit of its column; references and regions may widen it."""
    regions: Regions | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter(Valued):
    """One point a row, with a whisker where there is an interval of `y`.

    At most 24 points carry their `label`; where none is highlighted, all are in the accent colour.
    """

    label: str | None = None
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    small: bool = False
    """Are points small and translucent, because there are many?"""
    diagonal: bool = False
    """Are both axes equal, with the line on which both numbers are equal?"""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """A CircuitsVis component by name with its properties, all plain JSON data."""

    component: str
    props: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart or an attention view with its words and numbers.

    `key` is unique within its Result and holds no spaces; `how_to_read` is one sentence that names
    axes, units and what a null would look like; `table` is what the reader downloads as CSV.
    """

    key: str
    title: str
    how_to_read: str
    plot: Chart | Attention
    table: pd.DataFrame

    def draw(self) -> Any:
        """The plotly figure of a chart, without its title; a view of attention has none."""
        from lrinterp.charts.draw import draw

        if isinstance(self.plot, Attention):
            raise TypeError(f"{self.key}: expected a chart to draw, got a view of attention")
        return draw(self.plot)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if isinstance(self.plot, Chart):
            title = html.escape(self.title, quote=False)
            return self.draw().update_layout(title_text=title)._repr_mimebundle_(**kwargs)
        from circuitsvis.utils.render import render_local

        return {"text/html": render_local(self.plot.component, **self.plot.props)}
