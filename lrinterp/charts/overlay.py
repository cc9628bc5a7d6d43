"""A map of patches laid half-transparent over the picture that they were cut from.

The picture lies under the cells, pixel for pixel where the patches are; row 1 is at the top. Zero
is transparent, so that what has no value shows the picture as it is. Colours of cells and outlines
lie on a picture, not on paper, and are the same on a dark page.
Not for maps of anything but a picture: `heatmap` prints values and names its rows and columns.
"""

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Bool, UInt8

from lrinterp.charts.canvas import HOVER, canvas
from lrinterp.charts.theme import MARGIN
from lrinterp.charts.words import column, largest, shown

__all__ = ["Picture", "overlay"]

SIDE = 228  # pixels across a panel: four stand side by side, and one fits on a telephone
UNUSED = MARGIN["b"] - 8  # pixels that tick labels and an axis title would take
NAME = "picture"
CLEAR = "rgba(244,244,242,0)"
LESS = ["rgba(168,72,10,0.7)", "rgba(209,125,45,0.4)"]
MORE = ["rgba(78,148,218,0.4)", "rgba(11,98,176,0.7)"]
DIVERGING = [[k / 4, color] for k, color in enumerate((*LESS, CLEAR, *MORE))]
RISING = [[k / 2, color] for k, color in enumerate((CLEAR, *MORE))]
HALO = {"color": "rgba(255,255,255,0.9)", "width": 4}
DASHES = ("solid", "dot", "dash")


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """What lies under a map: red, green, blue, and the patches to be outlined, by any name."""

    pixels: UInt8[np.ndarray, "height width 3"]
    outlines: Mapping[str, Bool[np.ndarray, "row column"]] = field(default_factory=dict)
    """The rectangle around each is drawn: the first solid, the second dotted, the third dashed."""


def overlay(
    frame: pd.DataFrame,
    pictures: Mapping[str, Picture],
    *,
    z: str,
    by: str | None = None,
    ends: tuple[float, float] | None = None,
) -> go.Figure:
    """A map over each picture, one panel for each value of `by` and picture.

    The table has one row for each patch, with columns `picture`, a name in `pictures`, `row` and
    `column`, counted from 1, and the number `z`; a patch without one is clear. All panels share
    their colours, whose `ends` are -a and a, or 0 and a for a z without a sign: give the same ones
    to figures that are to be compared. Raises ValueError for a picture that is not there.
    """
    names = dict(zip(titles(frame, by), frame[NAME], strict=True))
    if missing := [name for name in names.values() if name not in pictures]:
        raise ValueError(f"overlay: expected one of {list(pictures)}, got picture {missing[0]!r}")
    table = frame.assign(**{NAME: titles(frame, by)}).drop(columns=[by] if by else [])
    tall = max((p.pixels.shape[0] / p.pixels.shape[1] for p in pictures.values()), default=1.0)
    figure, panels = canvas(table, NAME, panel=(SIDE, round(SIDE * tall)), gap=28, most=SIDE)
    for (place, part), name in zip(panels, names.values(), strict=True):
        cells = part.pivot(index="row", columns="column", values=z)
        lay(figure, pictures[name], cells.shape, place)
        figure.add_heatmap(
            z=cells.to_numpy(float),
            x=cells.columns.to_numpy(),
            y=cells.index.to_numpy(),
            hovertext=part.pivot(index="row", columns="column", values=HOVER).to_numpy(),
            hoverinfo="text",
            hoverongaps=False,
            coloraxis="coloraxis",
            **place,
        )
    top = ends[1] if ends else largest(column(frame, z))
    least = ends[0] if ends else -top
    scale = {"cmin": least, "cmax": top, "colorscale": DIVERGING if least < 0 else RISING}
    bar = {"title": {"text": shown(z)}, "exponentformat": "power"}
    figure.update_layout(coloraxis={**scale, "colorbar": bar})
    return figure.update_layout(height=layout(figure).height - UNUSED, margin_b=8)


def titles(frame: pd.DataFrame, by: str | None) -> list[str]:
    """The panel of each row: what the map shows, and of which picture."""
    names = [str(name) for name in column(frame, NAME)]
    if by is None:
        return names
    return [f"{what}, {name}" for what, name in zip(column(frame, by), names, strict=True)]


def lay(
    figure: go.Figure, picture: Picture, grid: tuple[int, ...], place: Mapping[str, Any]
) -> None:
    """The picture and its outlines in one panel, whose axes count patches from 1."""
    rows, columns = grid
    height, width, _ = picture.pixels.shape
    corner = {"x": 0.5, "y": 0.5, "xanchor": "left", "yanchor": "top", "layer": "below"}
    size = {"sizex": columns, "sizey": rows, "sizing": "stretch"}
    figure.add_layout_image(source=png(picture.pixels), **corner, **size, **place)
    bare: dict[str, Any] = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(range=[0.5, columns + 0.5], constraintoward="left", **bare, **place)
    number = place["col"] + (place["row"] - 1) * layout(figure).meta["grid"]["columns"]
    figure.update_yaxes(
        range=[rows + 0.5, 0.5],
        matches=None,
        scaleanchor=f"x{number}" if number > 1 else "x",
        scaleratio=(height / rows) / (width / columns),
        constraintoward="top",
        **bare,
        **place,
    )
    for shape in outlines(picture):
        figure.add_shape(**shape, **place)


def layout(figure: go.Figure) -> Any:
    """What plotly's own types do not know."""
    return figure.layout


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


def png(pixels: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture as a data URI; nothing is lost."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
