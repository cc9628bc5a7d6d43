"""A chart as data: a kind, a table, which column is what, and what is marked.

Nothing here draws: `lrinterp.charts.draw` does, with plotly. What a reader sees follows from these
fields alone, so that another renderer can draw the same. Make one by the builders, which say what
each kind is; a chart of other parts is made with `dataclasses.replace`.
"""

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Literal

import pandas as pd

from lrinterp.charts.marks import Mark, Picture
from lrinterp.charts.table import column

__all__ = ["PICTURE", "Chart"]

PICTURE = "picture"
"""The column of an overlay that names what lies under."""
COMMON = {"kind", "frame", "x", "y", "marks", "height"}
TAKES = {
    "bars": {"facet", "highlight", "mark", "x_range", "exponent"},
    "heatmap": {"z", "facet", "ends"},
    "lines": {"by", "facet", "highlight", "y_range", "exponent", "headroom"},
    "overlay": {"z", "by", "ends", "pictures"},
    "scatter": {"label", "facet", "highlight", "x_range", "y_range", "exponent", "small"},
}
"""The kinds, and the fields that each takes beside the common ones."""
AXES = ("x", "y", "z", "by", "facet", "label")
"""Fields that name columns."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """One figure without its words. Raises ValueError for a column or kind that is not there."""

    kind: str
    """One of `bars`, `heatmap`, `lines`, `overlay` and `scatter`."""
    frame: pd.DataFrame
    """Exactly the columns that a reader sees on hovering; never changed."""
    x: str
    y: str
    z: str | None = None
    """The number in each cell of a map."""
    by: str | None = None
    """Lines: one for each value. Overlays: what a map shows."""
    facet: str | None = None
    """One panel for each value."""
    label: str | None = None
    """The name of a point."""
    highlight: Hashable = None
    """The line, bar or point in the accent colour."""
    mark: Literal["bar", "dot"] = "bar"
    ends: tuple[float, float] | None = None
    """The numbers at the ends of the colours."""
    marks: tuple[Mark, ...] = ()
    """What lies over or under it, in the order in which it is laid."""
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """Under the maps of an overlay, by the value of its column `picture`."""
    x_range: tuple[float, float] | None = None
    """Both ends of the axis, in the unit of its column; marks may widen it."""
    y_range: tuple[float, float] | None = None
    exponent: bool = False
    """Are small and large values at the axis written with a power of ten?"""
    small: bool = False
    """Are points small and translucent, because there are many?"""
    headroom: bool = False
    """Is there room above the panel for names of lines that were moved up?"""
    height: int | None = None
    """Of the whole figure in pixels; by default the kind's own."""

    value: ClassVar[Mapping[str, str]] = {"bars": "x", "lines": "y", "scatter": "y"}
    """By kind: the axis that carries the values."""

    def __post_init__(self) -> None:
        if self.kind not in TAKES:
            raise ValueError(f"chart: expected a kind of {', '.join(TAKES)}, got {self.kind!r}")
        self._check_fields()
        self._check_axes()
        for mark in self.marks:
            if self.kind not in mark.on:
                *others, last = mark.on
                kinds = f"{', '.join(others)} or {last}" if others else last
                raise ValueError(f"{mark.name}: expected {kinds}, got {self.kind}")

    def _check_fields(self) -> None:
        for name in sorted(_given(self) - COMMON - TAKES[self.kind]):
            raise ValueError(f"{self.kind}: expected no {name}, got {getattr(self, name)!r}")
        for name in ("x_range", "y_range", "ends"):
            ends = getattr(self, name)
            if ends is not None and not ends[0] < ends[1]:
                raise ValueError(f"{self.kind}.{name}: expected a rising pair, got {ends}")

    def _check_axes(self) -> None:
        for name in AXES:
            if named := getattr(self, name):
                column(self.frame, named)
        if self.kind in ("heatmap", "overlay") and self.z is None:
            raise ValueError(f"{self.kind}: expected a column z, got none")
        if self.kind == "heatmap":
            self._check_cells()
        if self.kind == "overlay":
            self._check_pictures()

    def _check_cells(self) -> None:
        twice = self.frame.duplicated([*filter(None, [self.facet]), self.x, self.y])
        if twice.any():
            row = self.frame[twice].iloc[0]
            first = ", ".join(f"{name} {row[name]}" for name in (self.x, self.y))
            raise ValueError(f"heatmap: expected one row a cell, got several for {first}")

    def _check_pictures(self) -> None:
        named = column(self.frame, PICTURE).unique().tolist()
        if missing := [name for name in named if name not in self.pictures]:
            known = list(self.pictures)
            raise ValueError(f"overlay: expected one of {known}, got picture {missing[0]!r}")

    def plain(self) -> dict[str, Any]:
        """The chart as strict JSON data; `lrinterp.charts.chart_of` reads it."""
        from lrinterp.charts.plain import plain

        return plain(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from lrinterp.charts.draw import draw

        return draw(self)._repr_mimebundle_(**kwargs)


def _given(chart: Chart) -> set[str]:
    """The fields that differ from their default."""
    defaults = {
        f.name: f.default if f.default_factory is MISSING else f.default_factory()
        for f in fields(chart)
    }
    return {name for name in defaults if name == "frame" or getattr(chart, name) != defaults[name]}
