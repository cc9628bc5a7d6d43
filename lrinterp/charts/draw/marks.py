"""Reference lines, shades and diagonals on a drawn figure; each widens the axes that it needs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.charts.chart import Chart
from lrinterp.charts.draw.canvas import END, spread
from lrinterp.charts.draw.drawing import Drawing
from lrinterp.charts.marks import Diagonal, Mark, Reference, Regions
from lrinterp.charts.table import groups, order, padded
from lrinterp.charts.theme import COLORS, MARGIN
from lrinterp.charts.words import text

__all__ = ["add"]

FILL = {"fillcolor": COLORS["rule"], "line": {"width": 0}, "layer": "below"}


def add(figure: Drawing, mark: Mark, chart: Chart) -> None:
    """Lay one mark of a chart over or under its figure."""
    match mark:
        case Reference():
            reference(figure, mark, chart.value[chart.kind])
        case Regions():
            regions(figure, mark)
        case Diagonal():
            diagonal(figure, chart)


def reference(figure: Drawing, mark: Reference, axis: str) -> None:
    """A line or band in every panel, named once a row of panels."""
    low, high = mark.ends
    _widen(figure, axis, low, high)
    if axis == "x":  # the label takes one more row above the first bar
        for one in figure.axes("y"):
            one.range = [one.range[0], -1.3]
    for x, y in dict.fromkeys(_panels(figure)):
        figure.lay("shapes", **_across(axis, x, y, low, high))
        if axis == "y" and figure.axis(x).domain[1] < 0.99:
            continue  # named once a row of panels, at the right, where there is room
        place = _beside(figure, x, y) if axis == "x" else _behind(x, y)
        font = {"color": COLORS["muted"], "size": 11}
        note = {axis: (low + high) / 2, "text": text(mark.label), "showarrow": False, "font": font}
        figure.lay("annotations", **place, **note)
    if axis == "y":
        _room(figure, mark.label)
        spread(figure)


def _panels(figure: Drawing) -> Iterator[tuple[str, str]]:
    """The axes of each trace."""
    for trace in figure.data:
        yield trace.xaxis, trace.yaxis


def _across(axis: str, x: str, y: str, low: float, high: float) -> dict[str, Any]:
    own, across, other = (x, "y", y) if axis == "x" else (y, "x", x)
    ends = {f"{axis}ref": own, f"{axis}0": low, f"{axis}1": high}
    span = {f"{across}ref": f"{other} domain", f"{across}0": 0, f"{across}1": 1}
    if low < high:
        return {**ends, **span, **FILL}
    line = {"color": COLORS["muted"], "dash": "dot", "width": 1.2}
    return {**ends, **span, "type": "line", "line": line}


def _widen(figure: Drawing, axis: str, low: float, high: float) -> None:
    for one in figure.axes(axis):
        least, most = one.range
        if low < least or high > most:
            one.range = padded(min(least, low), max(most, high))


def _beside(figure: Drawing, x: str, y: str) -> dict[str, Any]:
    """In the free row of a bar chart, on the side of the line that has more room."""
    at = {"xref": x, "yref": y, "y": -0.9}
    low, high = figure.axis(x).range
    line = figure.layout.shapes[-1]
    left = line.x0 + line.x1 < low + high
    return {**at, "xanchor": "left" if left else "right", "xshift": 5 if left else -5}


def _behind(x: str, y: str) -> dict[str, Any]:
    """At the right end of a line, among the names of other lines."""
    at = {"xref": f"{x} domain", "x": 1, "yref": y}
    return {**at, "name": END, "xanchor": "left", "xshift": 6}


def _room(figure: Drawing, label: str) -> None:
    """Space at the right for a label."""
    layout = figure.layout
    right = layout.margin.r or MARGIN["r"]
    wider = max(0, 10 + 7 * len(label) - right)
    meta = {**layout.meta, "least": layout.meta["least"] + wider}
    figure.update_layout(meta=meta, margin={"r": right + wider})


def regions(figure: Drawing, mark: Regions) -> None:
    """A shade behind each row, in the panel of its facet."""
    known = mark.frame[[mark.start, mark.end]].to_numpy(float)
    known = known[np.isfinite(known)]
    if known.size:
        _widen(figure, "x", known.min(), known.max())
    labels = order(mark.frame, mark.y)
    for (x, y), (_, part) in zip(_panels(figure), groups(mark.frame, mark.facet), strict=True):
        for label, low, high in zip(part[mark.y], part[mark.start], part[mark.end], strict=True):
            _shade(figure, (low, high), labels.index(label), {"xref": x, "yref": y})


def _shade(figure: Drawing, ends: tuple[Any, Any], row: int, axes: dict[str, Any]) -> None:
    """From one end to the other, or to the edge of the panel; each end is drawn as a line."""
    place: dict[str, Any] = {**axes, "y0": row - 0.4, "y1": row + 0.4}
    edges = figure.axis(axes["xref"]).range
    start, end = (edge if pd.isna(at) else at for at, edge in zip(ends, edges, strict=True))
    figure.lay("shapes", x0=start, x1=end, **FILL, **place)
    for at in (value for value in ends if pd.notna(value)):
        line = {"color": COLORS["muted"], "width": 1.2}
        figure.lay("shapes", type="line", x0=at, x1=at, line=line, **place)


def diagonal(figure: Drawing, chart: Chart) -> None:
    """The line on which both numbers are equal, from corner to corner of every panel."""
    values = chart.frame[[chart.x, chart.y]].to_numpy(float)
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    room = 0.06 * (high - low) or 1.0
    start, end = float(low - room), float(high + room)
    line = {"color": COLORS["muted"], "dash": "dot", "width": 1.2}
    for x, y in dict.fromkeys(_panels(figure)):
        corners: dict[str, Any] = {"x0": start, "y0": start, "x1": end, "y1": end}
        figure.lay("shapes", type="line", xref=x, yref=y, line=line, layer="below", **corners)
    figure.update_axes("y", range=[start, end], zeroline=True)
    figure.update_axes("x", range=[start, end])
