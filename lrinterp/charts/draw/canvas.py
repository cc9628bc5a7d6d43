"""The bare figure under every chart: panels side by side, their titles, labels at line ends.

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

from lrinterp.charts.table import groups
from lrinterp.charts.theme import MARGIN, THEME
from lrinterp.charts.words import hover, shown, text

__all__ = ["END", "HOVER", "axis_of", "canvas", "layout_of", "spread", "titled"]

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


def layout_of(figure: go.Figure) -> Any:
    """What plotly's own types do not know."""
    return figure.layout


def axis_of(figure: go.Figure, name: str) -> Any:
    """The axis that traces call `x2` and the layout `xaxis2`."""
    return layout_of(figure)[f"{name[0]}axis{name[1:]}"]


def _title(figure: go.Figure, title: str, **place: int) -> None:
    corner = {"xref": "x domain", "yref": "y domain", "x": 0, "y": 1}
    anchor = {"xanchor": "left", "yanchor": "bottom", "yshift": 4, "showarrow": False}
    figure.add_annotation(text=title, **corner, **anchor, **place)


def titled(figure: go.Figure, x: str, y: str | None) -> go.Figure:
    """The figure with its axis titles, the vertical one at the left only."""
    figure.update_xaxes(title_text=shown(x))
    return figure.update_yaxes(title_text=shown(y) if y else None, col=1)


def spread(figure: go.Figure) -> go.Figure:
    """The figure with the labels at the ends of its lines moved apart where they would collide."""
    height = layout_of(figure).height - layout_of(figure).margin.t - MARGIN["b"]
    ends = [note for note in layout_of(figure).annotations if note.name == END]
    for axis in dict.fromkeys(note.yref for note in ends):
        here = sorted((note for note in ends if note.yref == axis), key=lambda note: note.y)
        panel = axis_of(figure, axis)
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
