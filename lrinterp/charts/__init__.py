"""Charts as data, each made of one long table: `bars(table, x="order", y="model")` is a `Chart`.

Columns are named the way they are shown: underscores become spaces, and a unit stands in brackets
at the end, as in "contribution (logits)". Every column of the table that is handed in appears when
the reader hovers, so select and rename first. Columns `low` and `high`, where present, are the ends
of an interval. Text from the table is escaped, because plotly reads tags in labels.

`overlay` lays a map over pictures, which it takes beside the table. `reference`, `regions` and
`diagonal` give the same chart with one thing more. `lrinterp.charts.draw` makes plotly figures; for
anything other than these five kinds use plotly itself, and escape what comes from data.
"""

from dataclasses import replace

import pandas as pd

from lrinterp.charts.chart import (
    Attention,
    Bars,
    Chart,
    Figure,
    Heatmap,
    Lines,
    Overlay,
    Picture,
    Reference,
    Regions,
    Scatter,
    Valued,
)
from lrinterp.charts.columns import value_range
from lrinterp.charts.theme import THEME

__all__ = [
    "THEME",
    "Attention",
    "Chart",
    "Figure",
    "Picture",
    "Reference",
    "Regions",
    "bars",
    "diagonal",
    "heatmap",
    "lines",
    "overlay",
    "reference",
    "regions",
    "scatter",
    "value_range",
]

bars, heatmap, lines, overlay, scatter = Bars, Heatmap, Lines, Overlay, Scatter
"""The kinds, as their callers name them."""


def reference(chart: Chart, at: float | tuple[float, float], label: str) -> Chart:
    """The same chart with a dotted line, or a band between two values, in every panel.

    Such as chance, or the interval of a null. It lies across the axis that carries the values,
    which is widened where needed; the label is plain text. Raises ValueError for a map.
    """
    if not isinstance(chart, Valued):
        raise ValueError(f"reference: expected bars, lines or scatter, got {type(chart).__name__}")
    return replace(chart, references=(*chart.references, Reference(at=at, label=label)))


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
    shades = Regions(frame=frame, y=y, start=start, end=end, facet=facet)
    return replace(chart, regions=shades)


def diagonal(chart: Chart) -> Chart:
    """The same points on equal axes, with the line on which both numbers are equal."""
    return replace(chart, diagonal=True)
