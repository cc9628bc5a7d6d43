"""Maps of coloured cells: a heatmap, or an overlay on the pictures that patches were cut from.

A picture lies under its cells, pixel for pixel where the patches are; row 1 is at the top. Zero is
transparent there, so that what has no value shows the picture as it is. Colours of cells and
outlines lie on a picture, not on paper, and are the same on a dark page.
"""

import base64
import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from lrinterp.charts.chart import PICTURE, Colored, Heatmap, Overlay, Picture
from lrinterp.charts.columns import column, digits, largest, number, order, shown, text
from lrinterp.charts.draw.panels import HOVER, Panels
from lrinterp.charts.theme import COLORS, MARGIN
from lrinterp.charts.theme import RISING as RISING_ON_PAPER

__all__ = ["heatmap", "overlay"]

PRINTED = 12  # columns of a map up to which its cells print their value
SIDE = 228  # pixels across a panel: four stand side by side, and one fits on a telephone
CLEAR = "rgba(244,244,242,0)"
LESS = ["rgba(168,72,10,0.7)", "rgba(209,125,45,0.4)"]
MORE = ["rgba(78,148,218,0.4)", "rgba(11,98,176,0.7)"]
DIVERGING = [[k / 4, color] for k, color in enumerate((*LESS, CLEAR, *MORE))]
RISING = [[k / 2, color] for k, color in enumerate((CLEAR, *MORE))]
HALO = {"color": "rgba(255,255,255,0.9)", "width": 4}
DASHES = ("solid", "dot", "dash")


def heatmap(chart: Heatmap) -> Panels:
    """A map a panel, all in the same colours."""
    frame, x, y, z = chart.frame, chart.x, chart.y, chart.z
    across, down = order(frame, x), order(frame, y)
    small = len(across) <= PRINTED
    least, top = _ends(chart)
    decimals = digits(pd.DataFrame({z: [top]}), z)
    cell = 12 + 6 * len(number(least, decimals)) if small else 12
    panel = (len(across) * cell, len(down) * (26 if len(down) <= 40 else 14))
    most = len(across) * (72 if small else 44)
    figure = Panels(frame, chart.facet, panel=panel, gap=28, most=most)
    for own, part in figure.parts.items():
        maps = (part.pivot(index=y, columns=x, values=name) for name in (z, HOVER))
        cells, said = (cells.reindex(index=down, columns=across) for cells in maps)
        places = {"x": [text(value) for value in across], "y": [text(value) for value in down]}
        texts = _texts(cells, decimals) if small else {}
        _add_cells(figure, own, cells, said, xgap=1, ygap=1, **places, **texts)
    figure.axes("x", type="category", showgrid=False, ticks="")
    figure.axes("y", type="category", showgrid=False, ticks="", autorange="reversed")
    figure.title(x, y)
    _add_colors(figure, chart, **({} if least < 0 else {"colorscale": RISING_ON_PAPER}))
    return figure


def _add_cells(
    figure: Panels, own: str, cells: pd.DataFrame, said: pd.DataFrame, **fields: Any
) -> None:
    hovertext = said.astype(object).fillna("").to_numpy()
    looks = {"hoverinfo": "text", "hoverongaps": False, "coloraxis": "coloraxis"}
    figure.add("heatmap", own, z=cells.to_numpy(float), hovertext=hovertext, **looks, **fields)


def _texts(cells: pd.DataFrame, decimals: int) -> dict[str, Any]:
    """The values of a map in its cells; blank where there is none."""
    rows = cells.to_numpy(float).tolist()
    texts = [[number(v, decimals) if math.isfinite(v) else "" for v in row] for row in rows]
    font = {"color": COLORS["ink"], "size": 11}
    return {"text": texts, "texttemplate": "%{text}", "textfont": font}


def _ends(chart: Colored) -> tuple[float, float]:
    """The numbers at the ends of the colours."""
    top = largest(column(chart.frame, chart.z))
    return chart.ends or (-top, top)


def _add_colors(figure: Panels, chart: Colored, **scale: Any) -> None:
    least, top = _ends(chart)
    bar = {"title": {"text": shown(chart.z)}}
    figure.layout["coloraxis"] = {"cmin": least, "cmax": top, "colorbar": bar, **scale}


def overlay(chart: Overlay) -> Panels:
    """A map over each picture, all in the same colours."""
    frame, pictures, by = chart.frame, chart.pictures, chart.by
    titles = [str(name) for name in frame[PICTURE]]
    if by:
        titles = [f"{what}, {name}" for what, name in zip(frame[by], titles, strict=True)]
    under = [pictures[name] for name in dict(zip(titles, frame[PICTURE], strict=True)).values()]
    table = frame.assign(**{PICTURE: titles}).drop(columns=[by] if by else [])
    tall = max((p.pixels.shape[0] / p.pixels.shape[1] for p in pictures.values()), default=1.0)
    panel = (SIDE, round(SIDE * tall))
    figure = Panels(table, PICTURE, panel=panel, gap=28, most=SIDE)
    for (own, part), picture in zip(figure.parts.items(), under, strict=True):
        values = (chart.z, HOVER)
        cells, said = (part.pivot(index=chart.y, columns=chart.x, values=v) for v in values)
        _lay_under(figure, own, picture, cells.shape)
        _add_cells(figure, own, cells, said, x=cells.columns.to_numpy(), y=cells.index.to_numpy())
    _add_colors(figure, chart, colorscale=DIVERGING if _ends(chart)[0] < 0 else RISING)
    figure.layout["coloraxis"]["colorbar"]["exponentformat"] = "power"
    figure.layout["height"] -= MARGIN["b"] - 8  # no tick labels and no axis title
    figure.layout["margin"]["b"] = 8
    return figure


def _lay_under(figure: Panels, own: str, picture: Picture, grid: tuple[int, ...]) -> None:
    """The picture and its outlines in one panel, whose axes count patches from 1."""
    rows, columns = grid
    height, width, _ = picture.pixels.shape
    corner = {"x": 0.5, "y": 0.5, "xanchor": "left", "yanchor": "top", "layer": "below"}
    size = {"sizex": columns, "sizey": rows, "sizing": "stretch"}
    figure.lay("images", own, source=_png(picture.pixels), **corner, **size)
    bare = {"visible": False, "fixedrange": True, "constrain": "domain"}
    across = {"range": [0.5, columns + 0.5], "constraintoward": "left"}
    scale = {"scaleanchor": f"x{own}", "scaleratio": (height / rows) / (width / columns)}
    down = {"range": [rows + 0.5, 0.5], "constraintoward": "top", **scale}
    figure.axis(f"x{own}").update(bare | across)
    figure.axis(f"y{own}").update(bare | down)
    figure.axis(f"y{own}").pop("matches", None)
    for shape in _outlines(picture):
        figure.lay("shapes", own, **shape)


def _png(pixels: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture as a data URI; nothing is lost."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _outlines(picture: Picture) -> Iterator[dict[str, Any]]:
    """The rectangle around each outlined set of patches, dark on a light halo."""
    for dash, mask in zip(DASHES, picture.outlines.values(), strict=False):
        if not mask.any():
            continue
        down, across = (np.flatnonzero(mask.any(axis)) + 1 for axis in (1, 0))
        ends = {"x0": across[0] - 0.5, "x1": across[-1] + 0.5}
        ends |= {"y0": down[0] - 0.5, "y1": down[-1] + 0.5}
        for line in (HALO, {"color": "rgba(0,0,0,0.9)", "width": 2, "dash": dash}):
            yield {"type": "rect", "line": line, **{k: float(v) for k, v in ends.items()}}
