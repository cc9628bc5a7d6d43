"""The bare figure under every chart: panels side by side, their titles, labels at line ends.

`layout.meta` tells a page the least and most width in pixels at which a figure reads well, which
axis carries the values, and the grid of its panels, which wrap on a narrower screen; plotly
itself ignores it.
"""

import math
from collections.abc import Hashable

import numpy as np
import pandas as pd

from lrinterp.charts.draw.drawing import Drawing
from lrinterp.charts.table import groups
from lrinterp.charts.theme import MARGIN, THEME
from lrinterp.charts.words import hover, shown, text

__all__ = ["END", "HOVER", "canvas", "spread", "titled"]

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
) -> tuple[Drawing, list[Panel]]:
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
    figure = Drawing(len(parts), columns, rows, (gap / inner, ROW_GAP / tall))
    side, top = 2 * TICKS, MARGIN["t"] if facet else 10
    figure.update_layout(
        template={"layout": THEME["light"]["layout"]},
        height=tall + top + MARGIN["b"],
        margin={"t": top},
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


def _title(figure: Drawing, title: str, **place: int) -> None:
    corner = {"xref": "x domain", "yref": "y domain", "x": 0, "y": 1}
    anchor = {"xanchor": "left", "yanchor": "bottom", "yshift": 4, "showarrow": False}
    figure.lay("annotations", text=title, **corner, **anchor, **place)


def titled(figure: Drawing, x: str, y: str | None) -> Drawing:
    """The figure with its axis titles, the vertical one at the left only."""
    figure.update_axes("x", title={"text": shown(x)})
    return figure.update_axes("y", title={"text": shown(y)} if y else None, col=1)


def spread(figure: Drawing) -> Drawing:
    """The figure with the labels at the ends of its lines moved apart where they would collide."""
    height = figure.layout.height - figure.layout.margin.t - MARGIN["b"]
    ends = [note for note in figure.layout.annotations if note.name == END]
    for axis in dict.fromkeys(note.yref for note in ends):
        here = sorted((note for note in ends if note.yref == axis), key=lambda note: note.y)
        panel = figure.axis(axis)
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
