"""Reference lines, shades and diagonals on a drawn figure, and names of lines moved apart."""

from typing import Any

import numpy as np
import pandas as pd

from lrinterp.charts.chart import Bars, Lines, Reference, Regions, Scatter, Valued
from lrinterp.charts.columns import groups, order, padded, text
from lrinterp.charts.draw.panels import Panels
from lrinterp.charts.theme import COLORS, MARGIN

__all__ = ["END", "add_marks"]

END = "end"  # the name of annotations at the right end of lines
END_GAP = 15  # pixels between two of them
HALF_NAME = 8  # pixels from the middle of one to its upper edge
FILL = {"fillcolor": COLORS["rule"], "line": {"width": 0}, "layer": "below"}
DOTTED = {"type": "line", "line": {"color": COLORS["muted"], "dash": "dot", "width": 1.2}}


def add_marks(figure: Panels, chart: Valued) -> None:
    """Lay all that a chart has over or under it, then find room for the names of lines."""
    if chart.exponent:
        figure.axes(chart.axis, exponentformat="e")
    if isinstance(chart, Bars) and chart.regions:
        _shade(figure, chart.regions)
    for reference in chart.references:
        _refer(figure, reference, chart.axis)
    if isinstance(chart, Scatter) and chart.diagonal:
        _cross(figure, chart)
    _spread(figure)
    if isinstance(chart, Lines) and chart.headroom:
        _make_headroom(figure)


def _refer(figure: Panels, mark: Reference, axis: str) -> None:
    """A line or band in every panel, named once a row of panels."""
    low, high = mark.ends
    across = "y" if axis == "x" else "x"
    span = {f"{axis}0": low, f"{axis}1": high, f"{across}0": 0, f"{across}1": 1}
    note = {axis: (low + high) / 2, "text": text(mark.label), "showarrow": False}
    note["font"] = {"color": COLORS["muted"], "size": 11}
    if axis == "x":  # the label takes one more row above the first bar
        figure.axes("y", range=[figure.axis("y")["range"][0], -1.3])
    for own in figure.parts:
        figure.lay("shapes", own, across, **span, **(FILL if low < high else DOTTED))
        if axis == "x":
            least, most = figure.axis(f"x{own}")["range"]
            right = low + high < least + most  # the side of the line that has more room
            place = {"xanchor": "left" if right else "right", "xshift": 5 if right else -5}
            figure.lay("annotations", own, y=-0.9, **place, **note)
        elif figure.axis(f"x{own}")["domain"][1] >= 0.99:  # at the right, where there is room
            place = {"x": 1, "name": END, "xanchor": "left", "xshift": 6}
            figure.lay("annotations", own, "x", **place, **note)
    if axis == "y":
        margin = figure.layout["margin"]
        right = margin.get("r", MARGIN["r"])
        margin["r"] = max(right, 10 + 7 * len(mark.label))
        figure.layout["meta"]["least"] += margin["r"] - right


def _shade(figure: Panels, mark: Regions) -> None:
    """A shade behind each row, to the panel's edge where it has no end; ends are lines."""
    labels = order(mark.frame, mark.y)
    edge = {"type": "line", "line": {"color": COLORS["muted"], "width": 1.2}}
    for own, (_, part) in zip(figure.parts, groups(mark.frame, mark.facet), strict=True):
        edges = figure.axis(f"x{own}")["range"]
        for label, *ends in part[[mark.y, mark.start, mark.end]].itertuples(index=False):
            row = labels.index(label)
            rows: dict[str, Any] = {"y0": row - 0.4, "y1": row + 0.4}
            start, end = (e if pd.isna(at) else at for at, e in zip(ends, edges, strict=True))
            figure.lay("shapes", own, x0=start, x1=end, **FILL, **rows)
            for at in (at for at in ends if pd.notna(at)):
                figure.lay("shapes", own, x0=at, x1=at, **edge, **rows)


def _cross(figure: Panels, chart: Scatter) -> None:
    """Equal axes, and the line on which both numbers are equal from corner to corner."""
    values = chart.frame[[chart.x, chart.y]].to_numpy(float)
    low, high = padded(min(values.min(), 0.0), max(values.max(), 0.0))
    for own in figure.parts:
        corners: dict[str, Any] = {"x0": low, "y0": low, "x1": high, "y1": high}
        figure.lay("shapes", own, layer="below", **DOTTED, **corners)
    figure.axes("x", range=[low, high])
    figure.axes("y", range=[low, high], zeroline=True)


def _names(figure: Panels, own: str) -> list[dict[str, Any]]:
    """The names at the right ends of the lines of a panel."""
    notes = figure.layout.get("annotations", [])
    return [note for note in notes if note.get("name") == END and note["yref"] == f"y{own}"]


def _places(figure: Panels, own: str, names: list[dict[str, Any]]) -> np.ndarray:
    """Pixels above the lower edge of a panel at which its lines end."""
    axis, layout = figure.axis(f"y{own}"), figure.layout
    bottom, top = axis["range"]
    tall = layout["height"] - layout["margin"]["t"] - MARGIN["b"]
    tall *= axis["domain"][1] - axis["domain"][0]
    return np.array([(note["y"] - bottom) / (top - bottom) * tall for note in names])


def _spread(figure: Panels) -> None:
    """Move the names at the ends of lines apart where they would collide."""
    for own in figure.parts:
        names = sorted(_names(figure, own), key=lambda note: note["y"])
        places = _places(figure, own, names) if names else np.array([])
        for note, before, after in zip(names, places, _apart(places), strict=True):
            note["yshift"] = round(float(after - before))


def _apart(pixels: np.ndarray) -> np.ndarray:
    """Sorted places pushed apart, each pair by the half of what it lacks, until all are clear."""
    places = pixels.astype(float)
    for _ in range(20 * len(places)):
        lack = np.clip(END_GAP - np.diff(places), 0, None) / 2
        if not lack.any():
            break
        places = places - np.append(lack, 0) + np.insert(lack, 0, 0)
    return places


def _make_headroom(figure: Panels) -> None:
    """Room above the panel of lines for the names that were moved up there.

    Many runs that end at one value have their names one above the other beside it.
    """
    names, layout = _names(figure, ""), figure.layout
    places = _places(figure, "", names) + [note["yshift"] for note in names]
    tall = layout["height"] - MARGIN["b"]
    more = round(max(0.0, max(places, default=0.0) + HALF_NAME - tall))
    layout["height"] += more
    layout["margin"]["t"] += more
