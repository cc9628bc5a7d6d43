"""Heatmap, lines, bars, scatter, overlay: a long table in, a chart out, the table untouched."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Literal, TypedDict, Unpack

import pandas as pd

from lrinterp.charts.chart import Chart
from lrinterp.charts.marks import Diagonal, Picture, Reference, Regions

__all__ = [
    "Options",
    "bars",
    "diagonal",
    "heatmap",
    "lines",
    "overlay",
    "reference",
    "regions",
    "scatter",
]


class Options(TypedDict, total=False):
    """Settings of a chart beside its columns, see `Chart`; an error where its kind has no such."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    exponent: bool
    small: bool
    headroom: bool
    height: int


def heatmap(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    z: str,
    facet: str | None = None,
    ends: tuple[float, float] | None = None,
    **options: Unpack[Options],
) -> Chart:
    """One cell a row of the table, one panel a value of `facet`, colours centred at zero.

    Columns, rows and panels stand in the order of the table; a cell without a number is blank.
    `ends` of the colours are -a and a, or 0 and a for a z without a sign: give the same ones to
    maps that are to be compared.
    Maps of at most 12 columns print their values.
    """
    return Chart(kind="heatmap", frame=frame, x=x, y=y, z=z, facet=facet, ends=ends, **options)


def lines(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    by: str | None = None,
    facet: str | None = None,
    highlight: Hashable = None,
    **options: Unpack[Options],
) -> Chart:
    """One line a value of `by`, named at its right end, with a band where there is an interval.

    `highlight` is the value of `by` that is drawn in the accent colour; the others are muted and
    differ by dashes. Without it, one or two lines take the two accents.
    """
    axes = {"x": x, "y": y, "by": by, "facet": facet}
    return Chart(kind="lines", frame=frame, highlight=highlight, **axes, **options)


def bars(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    facet: str | None = None,
    highlight: Hashable = None,
    mark: Literal["bar", "dot"] = "bar",
    **options: Unpack[Options],
) -> Chart:
    """Horizontal bars from zero, or dots, with interval whiskers and the value at the right.

    `x` is the number and `y` the label; rows stand in the order of the table. `highlight` is the
    label in the accent colour, the others are muted; without it all are in the accent colour.
    """
    chosen = {"highlight": highlight, "mark": mark}
    return Chart(kind="bars", frame=frame, x=x, y=y, facet=facet, **chosen, **options)


def scatter(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    label: str | None = None,
    facet: str | None = None,
    highlight: Hashable = None,
    **options: Unpack[Options],
) -> Chart:
    """One point a row, with a whisker where there is an interval of `y`.

    At most 24 points carry their `label`; `highlight` is the label in the accent colour, the
    others are muted; without it all are in the accent colour.
    """
    axes = {"x": x, "y": y, "label": label, "facet": facet}
    return Chart(kind="scatter", frame=frame, highlight=highlight, **axes, **options)


def overlay(
    frame: pd.DataFrame,
    pictures: Mapping[str, Picture],
    *,
    z: str,
    by: str | None = None,
    ends: tuple[float, float] | None = None,
) -> Chart:
    """A map over each picture, one panel for each value of `by` and picture.

    The table has one row for each patch, with columns `picture`, a name in `pictures`, `row` and
    `column`, counted from 1, and the number `z`; a patch without one is clear. All panels share
    their colours, whose `ends` are -a and a, or 0 and a for a z without a sign: give the same ones
    to figures that are to be compared. Raises ValueError for a picture that is not there.
    """
    axes = {"x": "column", "y": "row", "z": z, "by": by}
    return Chart(kind="overlay", frame=frame, pictures=pictures, ends=ends, **axes)


def reference(chart: Chart, at: float | tuple[float, float], label: str) -> Chart:
    """The same chart with a dotted line, or a band between two values, in every panel.

    Such as chance, or the interval of a null. It lies across the axis that carries the values,
    which is widened where needed; the label is plain text.
    """
    return replace(chart, marks=(*chart.marks, Reference(at=at, label=label)))


def regions(
    chart: Chart,
    frame: pd.DataFrame,
    *,
    y: str,
    start: str,
    end: str,
    facet: str | None = None,
) -> Chart:
    """The same bars or dots with a shade behind each row, from `start` to `end`.

    Where one of them is not a number the shade reaches the edge of the panel; the other edge is
    drawn as a line. `y` and `facet` are those of the chart, and so are their values.
    """
    mark = Regions(frame=frame, y=y, start=start, end=end, facet=facet)
    return replace(chart, marks=(*chart.marks, mark))


def diagonal(chart: Chart) -> Chart:
    """The same points on equal axes, with the line on which both numbers are equal."""
    return replace(chart, marks=(*chart.marks, Diagonal()))
