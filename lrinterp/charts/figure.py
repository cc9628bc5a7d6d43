"""A chart, or a view of attention, with the words and the table around it."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrinterp.charts.chart import Chart

__all__ = ["Attention", "Figure"]


@dataclass(frozen=True, kw_only=True)
class Attention:
    """A CircuitsVis component by name with its properties, all plain JSON data."""

    component: str
    props: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture: a chart or an attention view, as data, how to read it, and its numbers.

    `key` is unique within its Result and holds no spaces; `how_to_read` is one sentence that names
    axes, units and what a null would look like; `table` is what the reader downloads as CSV.
    """

    key: str
    title: str
    how_to_read: str
    plot: Chart | Attention
    table: pd.DataFrame

    def draw(self) -> Any:
        """The plotly figure of a chart, without its title; a view of attention has none."""
        from lrinterp.charts.draw import draw

        if isinstance(self.plot, Attention):
            raise TypeError(f"{self.key}: expected a chart to draw, got a view of attention")
        return draw(self.plot)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if isinstance(self.plot, Chart):
            title = html.escape(self.title, quote=False)
            return self.draw().update_layout(title_text=title)._repr_mimebundle_(**kwargs)
        from circuitsvis.utils.render import render_local

        return {"text/html": render_local(self.plot.component, **self.plot.props)}
