"""Reference lines, shades and diagonals on a drawn figure; each widens the axes that it needs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lrinterp.charts.chart import Chart
from lrinterp.charts.draw.canvas import END, axis_of, layout_of, spread
from lrinterp.charts.marks import Diagonal, Mark, Reference, Regions
from lrinterp.charts.table import groups, order, padded
from lrinterp.charts.theme import COLORS, MARGIN
from lrinterp.charts.words import text

__all__ = ["add"]

FILL = {"fillcolor": COLORS["rule"], "line_width": 0, "layer": "below"}


def add(figure: go.Figure, mark: Mark, chart: Chart) -> None:
    """Lay one mark of a chart over or under its figure."""
    match mark:
        case Reference():
            reference(figure, mark, chart.value[chart.kind])
        case Regions():
            regions(figure, mark)
        case Diagonal():
            diagonal(figure, chart)


def reference(figure: go.Figure, mark: Reference, axis: str) -> None:
    """A line or band in every panel, named once a row of panels."""
    low, high = mark.ends
    _widen(figure, axis, low, high)
    if axis == "x":  # the label takes one more row above the first bar
        rows: list[Any] = list(figure.select_yaxes())
        for one in rows:
            one.range = [one.range[0], -1.3]
    for x, y in dict.fromkeys(_panels(figure)):
        figure.add_shape(**_across(axis, x, y, low, high))
        if axis == "y" and axis_of(figure, x).domain[1] < 0.99:
            continue  # named once a row of panels, at the right, where there is room
        place = _beside(figure, x, y) if axis == "x" else _behind(x, y)
        font = {"color": COLORS["muted"], "size": 11}
        note = {axis: (low + high) / 2, "text": text(mark.label), "showarrow": False, "font": font}
        figure.add_annotation(**place, **note)
    if axis == "y":
        _room(figure, mark.label)
        spread(figure)


def _panels(figure: go.Figure) -> Iterator[tuple[str, str]]:
    """The axes of each trace."""
    traces: Any = figure.select_traces()
    for trace in traces:
        yield trace.xaxis or "x", trace.yaxis or "y"


def _across(axis: str, x: str, y: str, low: float, high: float) -> dict[str, Any]:
    own, across, other = (x, "y", y) if axis == "x" else (y, "x", x)
    ends = {f"{axis}ref": own, f"{axis}0": low, f"{axis}1": high}
    span = {f"{across}ref": f"{other} domain", f"{across}0": 0, f"{across}1": 1}
    if low < high:
        return {**ends, **span, **FILL}
    line = {"color": COLORS["muted"], "dash": "dot", "width": 1.2}
    return {**ends, **span, "type": "line", "line": line}


def _widen(figure: go.Figure, axis: str, low: float, high: float) -> None:
    across: list[Any] = list(figure.select_xaxes())
    up: list[Any] = list(figure.select_yaxes())
    for one in across if axis == "x" else up:
        least, most = one.range
        if low < least or high > most:
            one.range = padded(min(least, low), max(most, high))


def _beside(figure: go.Figure, x: str, y: str) -> dict[str, Any]:
    """In the free row of a bar chart, on the side of the line that has more room."""
    at = {"xref": x, "yref": y, "y": -0.9}
    low, high = axis_of(figure, x).range
    line = layout_of(figure).shapes[-1]
    left = line.x0 + line.x1 < low + high
    return {**at, "xanchor": "left" if left else "right", "xshift": 5 if left else -5}


def _behind(x: str, y: str) -> dict[str, Any]:
    """At the right end of a line, among the names of other lines."""
    at = {"xref": f"{x} domain", "x": 1, "yref": y}
    return {**at, "name": END, "xanchor": "left", "xshift": 6}


def _room(figure: go.Figure, label: str) -> None:
    """Space at the right for a label."""
    layout = layout_of(figure)
    right = layout.margin.r or MARGIN["r"]
    wider = max(0, 10 + 7 * len(label) - right)
    meta = {**layout.meta, "least": layout.meta["least"] + wider}
    figure.update_layout(meta=meta, margin_r=right + wider)


def regions(figure: go.Figure, mark: Regions) -> None:
    """A shade behind each row, in the panel of its facet."""
    known = mark.frame[[mark.start, mark.end]].to_numpy(float)
    known = known[np.isfinite(known)]
    if known.size:
        _widen(figure, "x", known.min(), known.max())
    labels = order(mark.frame, mark.y)
    for (x, y), (_, part) in zip(_panels(figure), groups(mark.frame, mark.facet), strict=True):
        for label, low, high in zip(part[mark.y], part[mark.start], part[mark.end], strict=True):
            _shade(figure, (low, high), labels.index(label), {"xref": x, "yref": y})


def _shade(figure: go.Figure, ends: tuple[Any, Any], row: int, axes: dict[str, str]) -> None:
    """From one end to the other, or to the edge of the panel; each end is drawn as a line."""
    place = {**axes, "y0": row - 0.4, "y1": row + 0.4}
    edges = axis_of(figure, axes["xref"]).range
    start, end = (edge if pd.isna(at) else at for at, edge in zip(ends, edges, strict=True))
    figure.add_shape(x0=start, x1=end, **FILL, **place)
    for at in (value for value in ends if pd.notna(value)):
        line = {"color": COLORS["muted"], "width": 1.2}
        figure.add_shape(type="line", x0=at, x1=at, line=line, **place)


def diagonal(figure: go.Figure, chart: Chart) -> None:
    """The line on which both numbers are equal, from corner to corner of every panel."""
    values = chart.frame[[chart.x, chart.y]].to_numpy(float)
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    room = 0.06 * (high - low) or 1.0
    start, end = float(low - room), float(high + room)
    line = {"color": COLORS["muted"], "dash": "dot", "width": 1.2}
    for x, y in dict.fromkeys(_panels(figure)):
        corners = {"x0": start, "y0": start, "x1": end, "y1": end}
        figure.add_shape(type="line", xref=x, yref=y, line=line, layer="below", **corners)
    figure.update_yaxes(range=[start, end], zeroline=True)
    figure.update_xaxes(range=[start, end])
