"""A figure in plotly's own terms but plain data: panels with their axes, traces, annotations.

Plotly's graph objects check every assignment, which takes longer than all else that a page does. A
page takes this data as it is; `lrinterp.charts.draw` makes a graph object of it, checked once.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

__all__ = ["Drawing", "Part"]

ON_PANELS = ("annotations", "shapes", "images")


class Part(dict):  # bare, as its values are whatever plotly takes
    """A piece of a figure, whose entries are attributes too; what is not there reads as None."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what numpy asks of everything
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def merge(self, given: Mapping[str, Any]) -> Self:
        """Set some entries, of mappings theirs; None takes an entry away."""
        for name, value in given.items():
            if value is None:
                self.pop(name, None)
            elif isinstance(value, Mapping):
                self[name] = Part(self.get(name, {})).merge(value)
            else:
                self[name] = value
        return self


class Drawing:
    """Panels in rows and columns, numbered row by row; those of a row share their vertical axis.

    `gaps` between columns and between rows are shares of the whole width and height.
    """

    def __init__(self, count: int, columns: int, rows: int, gaps: tuple[float, float]) -> None:
        self.data: list[Part] = []
        self.layout = Part({name: [] for name in ON_PANELS})
        self.panels: dict[tuple[int, int], str] = {}
        """By row and column, from 1: what the names of its axes end in."""
        width, height = (
            (1 - gap * (n - 1)) / n for gap, n in zip(gaps, (columns, rows), strict=True)
        )
        for k in range(max(1, count)):
            row, column = divmod(k, columns)
            own = self.panels[row + 1, column + 1] = "" if k == 0 else str(k + 1)
            left, bottom = column * (width + gaps[0]), (rows - 1 - row) * (height + gaps[1])
            across = {"anchor": f"y{own}", "domain": [left, min(1.0, left + width)]}
            up = {"anchor": f"x{own}", "domain": [bottom, min(1.0, bottom + height)]}
            if column:
                up |= {"matches": f"y{self.panels[row + 1, 1]}", "showticklabels": False}
            self.layout.merge({f"xaxis{own}": across, f"yaxis{own}": up})

    def plain(self) -> dict[str, Any]:
        """Traces and layout, as plotly.js reads them."""
        layout = {name: value for name, value in self.layout.items() if value != []}
        return {"data": self.data, "layout": layout}

    def add(self, kind: str, *, row: int, col: int, **fields: Any) -> None:
        """A trace in a panel."""
        own = self.panels[row, col]
        axes = {"xaxis": f"x{own}", "yaxis": f"y{own}"}
        self.data.append(Part().merge({"type": kind, **fields, **axes}))

    def lay(self, what: str, *, row: int = 0, col: int = 0, **fields: Any) -> None:
        """An annotation, shape or image: on the axes it names, or on those of a panel."""
        if row:
            own = self.panels[row, col]
            for name, axis in (("xref", f"x{own}"), ("yref", f"y{own}")):
                inside = "domain" in fields.get(name, "")
                fields[name] = f"{axis} domain" if inside else axis
        self.layout[what].append(Part().merge(fields))

    def axes(self, letter: str, row: int | None = None, col: int | None = None) -> Iterator[Part]:
        """The axes `x` or `y` of all panels, of a row or of a column."""
        for place, own in self.panels.items():
            if row in (None, place[0]) and col in (None, place[1]):
                yield self.layout[f"{letter}axis{own}"]

    def axis(self, name: str) -> Part:
        """The axis that traces call `x2` and the layout `xaxis2`."""
        return self.layout[f"{name[0]}axis{name[1:]}"]

    def update_axes(
        self, letter: str, *, row: int | None = None, col: int | None = None, **given: Any
    ) -> Self:
        """Settings of axes."""
        for axis in self.axes(letter, row, col):
            axis.merge(given)
        return self

    def update_layout(self, **given: Any) -> Self:
        """Settings of the whole."""
        self.layout.merge(given)
        return self
