"""A map of patches laid half-transparent over the picture that they were cut from.

The picture lies under the cells, pixel for pixel where the patches are; row 1 is at the top. Zero
is transparent, so that what has no value shows the picture as it is. Colours of cells and outlines
lie on a picture, not on paper, and are the same on a dark page.
Not for maps of anything but a picture: `heatmap` prints values and names its rows and columns.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.charts.chart import PICTURE, Chart
from lrinterp.charts.draw.canvas import HOVER, canvas
from lrinterp.charts.draw.drawing import Drawing
from lrinterp.charts.marks import Picture
from lrinterp.charts.plain import png
from lrinterp.charts.table import column, largest
from lrinterp.charts.theme import MARGIN
from lrinterp.charts.words import shown

__all__ = ["overlay"]

SIDE = 228  # pixels across a panel: four stand side by side, and one fits on a telephone
UNUSED = MARGIN["b"] - 8  # pixels that tick labels and an axis title would take
CLEAR = "rgba(244,244,242,0)"
LESS = ["rgba(168,72,10,0.7)", "rgba(209,125,45,0.4)"]
MORE = ["rgba(78,148,218,0.4)", "rgba(11,98,176,0.7)"]
DIVERGING = [[k / 4, color] for k, color in enumerate((*LESS, CLEAR, *MORE))]
RISING = [[k / 2, color] for k, color in enumerate((CLEAR, *MORE))]
HALO = {"color": "rgba(255,255,255,0.9)", "width": 4}
DASHES = ("solid", "dot", "dash")


def overlay(chart: Chart) -> Drawing:
    """A map over each picture, all in the same colours."""
    frame, pictures, z, by = chart.frame, chart.pictures, str(chart.z), chart.by
    names = dict(zip(titles(frame, by), frame[PICTURE], strict=True))
    table = frame.assign(**{PICTURE: titles(frame, by)}).drop(columns=[by] if by else [])
    tall = max((p.pixels.shape[0] / p.pixels.shape[1] for p in pictures.values()), default=1.0)
    figure, panels = canvas(table, PICTURE, panel=(SIDE, round(SIDE * tall)), gap=28, most=SIDE)
    for (place, part), name in zip(panels, names.values(), strict=True):
        cells = part.pivot(index=chart.y, columns=chart.x, values=z)
        lay(figure, pictures[name], cells.shape, place)
        figure.add(
            "heatmap",
            z=cells.to_numpy(float),
            x=cells.columns.to_numpy(),
            y=cells.index.to_numpy(),
            hovertext=part.pivot(index=chart.y, columns=chart.x, values=HOVER).to_numpy(),
            hoverinfo="text",
            hoverongaps=False,
            coloraxis="coloraxis",
            **place,
        )
    top = chart.ends[1] if chart.ends else largest(column(frame, z))
    least = chart.ends[0] if chart.ends else -top
    scale = {"cmin": least, "cmax": top, "colorscale": DIVERGING if least < 0 else RISING}
    bar = {"title": {"text": shown(z)}, "exponentformat": "power"}
    figure.update_layout(coloraxis={**scale, "colorbar": bar})
    return figure.update_layout(height=figure.layout.height - UNUSED, margin={"b": 8})


def titles(frame: pd.DataFrame, by: str | None) -> list[str]:
    """The panel of each row: what the map shows, and of which picture."""
    names = [str(name) for name in column(frame, PICTURE)]
    if by is None:
        return names
    return [f"{what}, {name}" for what, name in zip(column(frame, by), names, strict=True)]


def lay(figure: Drawing, picture: Picture, grid: tuple[int, ...], place: Mapping[str, Any]) -> None:
    """The picture and its outlines in one panel, whose axes count patches from 1."""
    rows, columns = grid
    height, width, _ = picture.pixels.shape
    corner = {"x": 0.5, "y": 0.5, "xanchor": "left", "yanchor": "top", "layer": "below"}
    size = {"sizex": columns, "sizey": rows, "sizing": "stretch"}
    figure.lay("images", source=png(picture.pixels), **corner, **size, **place)
    bare: dict[str, Any] = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_axes("x", range=[0.5, columns + 0.5], constraintoward="left", **bare, **place)
    number = place["col"] + (place["row"] - 1) * figure.layout.meta["grid"]["columns"]
    figure.update_axes(
        "y",
        range=[rows + 0.5, 0.5],
        matches=None,
        scaleanchor=f"x{number}" if number > 1 else "x",
        scaleratio=(height / rows) / (width / columns),
        constraintoward="top",
        **bare,
        **place,
    )
    for shape in outlines(picture):
        figure.lay("shapes", **shape, **place)


def outlines(picture: Picture) -> Iterator[dict[str, Any]]:
    """The rectangle around each outlined set of patches, dark on a light halo."""
    for dash, mask in zip(DASHES, picture.outlines.values(), strict=False):
        if not mask.any():
            continue
        down, across = (np.flatnonzero(mask.any(axis)) + 1 for axis in (1, 0))
        ends = {"x0": across[0] - 0.5, "x1": across[-1] + 0.5}
        ends |= {"y0": down[0] - 0.5, "y1": down[-1] + 0.5}
        for line in (HALO, {"color": "rgba(0,0,0,0.9)", "width": 2, "dash": dash}):
            yield {"type": "rect", "line": line, **{k: float(v) for k, v in ends.items()}}
