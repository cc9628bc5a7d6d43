"""The bare figure under every chart, as plain data in plotly's terms: panels, traces, notes.

Plotly's graph objects check every assignment, which takes longer than all else that a page does. A
page takes this data as it is; `lrinterp.charts.draw` makes a graph object of it, checked once.
"""

import math
from typing import Any

import pandas as pd

from lrinterp.charts.columns import groups, hover, shown, text
from lrinterp.charts.theme import MARGIN

__all__ = ["HOVER", "Panels"]

WIDE = 1140  # pixels that panels side by side may ask for before they wrap
TICKS = 64  # pixels that tick labels take at the left, and a colour bar at the right
ROW_GAP = 84  # pixels between two rows of panels: tick labels, axis title, panel title
HOVER = ""  # the name of the column of hover texts, which no table has


class Panels:
    """Panels side by side, one for each value of a column; those of a row share their y axis.

    Panels have a least width and a height in pixels and wrap into as many rows as needed. `most`
    is the width one panel should not exceed. `layout.meta` tells a page the least and most width in
    pixels at which a figure reads well, and the grid of panels, which wrap on a narrower screen;
    plotly itself ignores it.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        facet: str | None,
        *,
        panel: tuple[int, int],
        gap: int,
        most: int,
    ) -> None:
        parts = groups(frame.assign(**{HOVER: hover(frame)}), facet)
        width, height = panel
        self.columns = max(1, min(len(parts), (WIDE - TICKS + gap) // (width + gap)))
        rows = max(1, math.ceil(len(parts) / self.columns))
        inner = self.columns * width + (self.columns - 1) * gap
        tall = rows * height + (rows - 1) * ROW_GAP
        side, top = 2 * TICKS, MARGIN["t"] if facet else 10
        grid = {"columns": self.columns, "panel": [width, height]}
        grid |= {"gap": [gap, ROW_GAP], "size": [inner, tall]}
        ends = {"least": inner + side, "most": max(most, width) * self.columns + side}
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {
            "height": tall + top + MARGIN["b"],
            "margin": {"t": top},
            "meta": {**ends, "grid": grid},
        }
        self.parts = {_ending(k): part for k, (_, part) in enumerate(parts)}
        """By what the names of a panel's axes end in: its rows, with a column `HOVER`."""
        self._add_axes(rows, (gap / inner, ROW_GAP / tall))
        for own, (name, _) in zip(self.parts, parts, strict=True):
            if facet:  # a word stands for itself, a number needs to be told of what
                title = text(name) if isinstance(name, str) else f"{shown(facet)} {text(name)}"
                corner = {"x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "yshift": 4}
                self.lay("annotations", own, "xy", text=title, showarrow=False, **corner)

    def _add_axes(self, rows: int, gaps: tuple[float, float]) -> None:
        """Axes row by row; gaps between columns and rows are shares of the whole."""
        counts = (self.columns, rows)
        width, height = ((1 - gap * (n - 1)) / n for gap, n in zip(gaps, counts, strict=True))
        for k in range(max(1, len(self.parts))):
            row, column = divmod(k, self.columns)
            own = _ending(k)
            left, bottom = column * (width + gaps[0]), (rows - 1 - row) * (height + gaps[1])
            across = {"anchor": f"y{own}", "domain": [left, min(1.0, left + width)]}
            up = {"anchor": f"x{own}", "domain": [bottom, min(1.0, bottom + height)]}
            if column:
                up |= {"matches": f"y{_ending(k - column)}", "showticklabels": False}
            self.layout |= {f"xaxis{own}": across, f"yaxis{own}": up}

    def add(self, kind: str, own: str, **fields: Any) -> None:
        """A trace in a panel; a field of None is left out."""
        given = {name: value for name, value in fields.items() if value is not None}
        self.data.append({"type": kind, **given, "xaxis": f"x{own}", "yaxis": f"y{own}"})

    def lay(self, what: str, own: str, inside: str = "", **fields: Any) -> None:
        """An annotation, shape or image; along axes `inside`, x or y are shares of the panel."""
        for axis in "xy":
            fields[f"{axis}ref"] = f"{axis}{own}" + " domain" * (axis in inside)
        self.layout.setdefault(what, []).append(fields)

    def axis(self, name: str) -> dict[str, Any]:
        """The axis that traces call `x2` and the layout `xaxis2`."""
        return self.layout[f"{name[0]}axis{name[1:]}"]

    def axes(self, letter: str, **given: Any) -> None:
        """Settings of the axes of all panels."""
        for name in self.layout:
            if name.startswith(f"{letter}axis"):
                self.layout[name] |= given

    def title(self, x: str, y: str | None) -> None:
        """Titles of the axes, the vertical one at the left only."""
        self.axes("x", title={"text": shown(x)})
        for own in list(self.parts)[:: self.columns] if y else ():
            self.axis(f"y{own}")["title"] = {"text": shown(str(y))}


def _ending(k: int) -> str:
    return str(k + 1) if k else ""
