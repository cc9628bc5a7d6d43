"""The bare figure under every chart: panels side by side, titles, reference lines, end labels.

`layout.meta` tells a page the least and most width in pixels at which a figure reads well, which
axis carries the values, and the grid of its panels, which wrap on a narrower screen; plotly
itself ignores it.
"""

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lrinterp.charts.theme import COLORS, MARGIN, THEME
from lrinterp.charts.words import column, hover, shown, text

__all__ = [
    "END",
    "HOVER",
    "canvas",
    "groups",
    "order",
    "reference",
    "regions",
    "spread",
    "titled",
    "value_range",
]

WIDE = 1140  # pixels that panels side by side may ask for before they wrap
TICKS = 64  # pixels that tick labels take at the left, and a colour bar at the right
ROW_GAP = 84  # pixels between two rows of panels: tick labels, axis title, panel title
HOVER = ""  # the name of the column of hover texts, which no table has
END = "end"  # the name of annotations at the right end of lines
END_GAP = 15  # pixels between two of them


Panel = tuple[dict[str, int], pd.DataFrame]


def canvas(
    frame: pd.DataFrame,
    facet: str | None,
    *,
    panel: tuple[int, int],
    gap: int,
    most: int,
    value: str | None = None,
) -> tuple[go.Figure, list[Panel]]:
    """An empty figure, and for each panel its place in it with the rows to be drawn there.

    Panels have a least width and a height in pixels and wrap into as many rows as needed. `most`
    is the width one panel should not exceed; `value` names the axis that carries numbers. The rows
    have one column more, `HOVER`, with what the reader sees on hovering.
    """
    parts = groups(frame.assign(**{HOVER: hover(frame)}), facet)
    width, height = panel
    columns = max(1, min(len(parts), (WIDE - TICKS + gap) // (width + gap)))
    rows = max(1, math.ceil(len(parts) / columns))
    inner = columns * width + (columns - 1) * gap
    tall = rows * height + (rows - 1) * ROW_GAP
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes=True,
        horizontal_spacing=gap / inner if columns > 1 else None,
        vertical_spacing=ROW_GAP / tall if rows > 1 else None,
        specs=[
            [{} if r * columns + c < max(1, len(parts)) else None for c in range(columns)]
            for r in range(rows)
        ],
    )
    side, top = 2 * TICKS, MARGIN["t"] if facet else 10
    figure.update_layout(
        template=go.layout.Template(layout=THEME["light"]["layout"]),
        height=tall + top + MARGIN["b"],
        margin_t=top,
        meta={
            "least": inner + side,
            "most": max(most, width) * columns + side,
            "value": value,
            "grid": {
                "columns": columns,
                "panel": [width, height],
                "gap": [gap, ROW_GAP],
                "size": [inner, tall],
            },
        },
    )
    places = [{"row": k // columns + 1, "col": k % columns + 1} for k in range(len(parts))]
    for place, (name, _) in zip(places, parts, strict=True):
        if facet:
            _title(figure, _facet(facet, name), **place)
    return figure, [(place, part) for place, (_, part) in zip(places, parts, strict=True)]


def _facet(facet: str, name: Hashable) -> str:
    """The title of a panel: a word stands for itself, a number needs to be told of what."""
    return text(name) if isinstance(name, str) else f"{shown(facet)} {text(name)}"


def _layout(figure: go.Figure) -> Any:
    return figure.layout  # plotly's own types do not know what is in it


def _axis(figure: go.Figure, name: str) -> Any:
    """The axis that traces call `x2` and the layout `xaxis2`."""
    return _layout(figure)[f"{name[0]}axis{name[1:]}"]


def _title(figure: go.Figure, title: str, **place: int) -> None:
    corner = {"xref": "x domain", "yref": "y domain", "x": 0, "y": 1}
    anchor = {"xanchor": "left", "yanchor": "bottom", "yshift": 4, "showarrow": False}
    figure.add_annotation(text=title, **corner, **anchor, **place)


def groups(frame: pd.DataFrame, by: str | None) -> list[tuple[Hashable, pd.DataFrame]]:
    """The rows of each distinct value of a column, in the order of the table."""
    return list(frame.groupby(by, sort=False, observed=True)) if by else [(None, frame)]


def order(frame: pd.DataFrame, by: str) -> list[Any]:
    """The distinct values of a column, in the order of the table."""
    return column(frame, by).dropna().unique().tolist()


def titled(figure: go.Figure, x: str, y: str | None) -> go.Figure:
    """The figure with its axis titles, the vertical one at the left only."""
    figure.update_xaxes(title_text=shown(x))
    return figure.update_yaxes(title_text=shown(y) if y else None, col=1)


def value_range(
    frame: pd.DataFrame, column: str, *, include: tuple[float, ...] = ()
) -> list[float]:
    """The range of a value and its interval, with room at both ends."""
    names = [name for name in (column, "low", "high") if name in frame]
    values = np.append(frame[names].to_numpy(float).ravel(), include)
    values = values[np.isfinite(values)]
    if not values.size:
        return [0.0, 1.0]
    return _padded(values.min(), values.max())


def _padded(low: float, high: float) -> list[float]:
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return [float(low - room), float(high + room)]


def reference(figure: go.Figure, at: float | tuple[float, float], label: str) -> go.Figure:
    """The same figure with a dotted line, or a band between two values, in every panel.

    Such as chance, or the interval of a null. It lies across the axis that carries the values,
    which is widened where needed; the label is plain text.
    """
    axis = (_layout(figure).meta or {}).get("value")
    if axis is None:
        raise ValueError("reference: expected lines, bars or scatter, got no axis of values")
    figure = go.Figure(figure)
    low, high = at if isinstance(at, tuple) else (at, at)
    _widen(figure, axis, low, high)
    if axis == "x":  # the label takes one more row above the first bar
        rows: list[Any] = list(figure.select_yaxes())
        for one in rows:
            one.range = [one.range[0], -1.3]
    traces: Any = figure.select_traces()
    for x, y in dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in traces):
        figure.add_shape(**_across(axis, x, y, low, high))
        if axis == "y" and _axis(figure, x).domain[1] < 0.99:
            continue  # named once a row of panels, at the right, where there is room
        place = _beside(figure, x, y) if axis == "x" else _behind(x, y)
        font = {"color": COLORS["muted"], "size": 11}
        note = {axis: (low + high) / 2, "text": text(label), "showarrow": False, "font": font}
        figure.add_annotation(**place, **note)
    return spread(_room(figure, label) if axis == "y" else figure)


def regions(
    figure: go.Figure,
    frame: pd.DataFrame,
    *,
    y: str,
    start: str,
    end: str,
    facet: str | None = None,
) -> go.Figure:
    """The same bars or dots with a shade behind each row, from `start` to `end`.

    Where one of them is not a number the shade reaches the edge of the panel; the other edge is
    drawn as a line. `frame` and `facet` are those of the figure.
    """
    figure = go.Figure(figure)
    known = frame[[start, end]].to_numpy(float)
    known = known[np.isfinite(known)]
    if known.size:
        _widen(figure, "x", known.min(), known.max())
    labels = order(frame, y)
    traces: Any = figure.select_traces()
    axes = [(trace.xaxis or "x", trace.yaxis or "y") for trace in traces]
    for (x_name, y_name), (_, part) in zip(axes, groups(frame, facet), strict=True):
        least, most = _axis(figure, x_name).range
        for label, low, high in zip(part[y], part[start], part[end], strict=True):
            row = labels.index(label)
            place = {"xref": x_name, "yref": y_name, "y0": row - 0.4, "y1": row + 0.4}
            ends = [least if pd.isna(low) else low, most if pd.isna(high) else high]
            fill = {"fillcolor": COLORS["rule"], "line_width": 0, "layer": "below"}
            figure.add_shape(x0=ends[0], x1=ends[1], **fill, **place)
            for edge in (value for value in (low, high) if pd.notna(value)):
                line = {"color": COLORS["muted"], "width": 1.2}
                figure.add_shape(type="line", x0=edge, x1=edge, line=line, **place)
    return figure


def _across(axis: str, x: str, y: str, low: float, high: float) -> dict[str, Any]:
    own, across, other = (x, "y", y) if axis == "x" else (y, "x", x)
    ends = {f"{axis}ref": own, f"{axis}0": low, f"{axis}1": high}
    span = {f"{across}ref": f"{other} domain", f"{across}0": 0, f"{across}1": 1}
    if low < high:
        return {**ends, **span, "layer": "below", "line_width": 0, "fillcolor": COLORS["rule"]}
    line = {"color": COLORS["muted"], "dash": "dot", "width": 1.2}
    return {**ends, **span, "type": "line", "line": line}


def _widen(figure: go.Figure, axis: str, low: float, high: float) -> None:
    across: list[Any] = list(figure.select_xaxes())
    up: list[Any] = list(figure.select_yaxes())
    for one in across if axis == "x" else up:
        least, most = one.range
        if low < least or high > most:
            one.range = _padded(min(least, low), max(most, high))


def _beside(figure: go.Figure, x: str, y: str) -> dict[str, Any]:
    """In the free row of a bar chart, on the side of the line that has more room."""
    at = {"xref": x, "yref": y, "y": -0.9}
    low, high = _axis(figure, x).range
    line = _layout(figure).shapes[-1]
    left = line.x0 + line.x1 < low + high
    return {**at, "xanchor": "left" if left else "right", "xshift": 5 if left else -5}


def _behind(x: str, y: str) -> dict[str, Any]:
    """At the right end of a line, among the names of other lines."""
    at = {"xref": f"{x} domain", "x": 1, "yref": y}
    return {**at, "name": END, "xanchor": "left", "xshift": 6}


def _room(figure: go.Figure, label: str) -> go.Figure:
    """Space at the right for a label."""
    right = _layout(figure).margin.r or MARGIN["r"]
    wider = max(0, 10 + 7 * len(label) - right)
    meta = dict(_layout(figure).meta)
    return figure.update_layout(
        meta={**meta, "least": meta["least"] + wider}, margin_r=right + wider
    )


def spread(figure: go.Figure) -> go.Figure:
    """The figure with the labels at the ends of its lines moved apart where they would collide."""
    height = _layout(figure).height - _layout(figure).margin.t - MARGIN["b"]
    ends = [note for note in _layout(figure).annotations if note.name == END]
    for axis in dict.fromkeys(note.yref for note in ends):
        here = sorted((note for note in ends if note.yref == axis), key=lambda note: note.y)
        panel = _axis(figure, axis)
        bottom, top = panel.range
        tall = height * (panel.domain[1] - panel.domain[0])
        pixels = np.array([(note.y - bottom) / (top - bottom) * tall for note in here])
        for note, before, after in zip(here, pixels, _apart(pixels), strict=True):
            note.yshift = round(float(after - before))
    return figure


def _apart(pixels: np.ndarray) -> np.ndarray:
    """Sorted places pushed apart, each pair by the half of what it lacks, until all are clear."""
    places = pixels.astype(float)
    for _ in range(20 * len(places)):
        lack = np.clip(END_GAP - np.diff(places), 0, None) / 2
        places = places - np.append(lack, 0) + np.insert(lack, 0, 0)
    return places
