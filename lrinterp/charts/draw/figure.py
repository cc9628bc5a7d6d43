"""From a chart to its plotly figure: the kind, the settings of its axes, its marks."""

from collections.abc import Callable, Mapping

import plotly.graph_objects as go

from lrinterp.charts.chart import Chart
from lrinterp.charts.draw.canvas import END
from lrinterp.charts.draw.drawing import Drawing
from lrinterp.charts.draw.kinds import bars, heatmap, lines, scatter
from lrinterp.charts.draw.marks import add
from lrinterp.charts.draw.overlay import overlay
from lrinterp.charts.theme import MARGIN

__all__ = ["draw", "drawn"]

DRAWN: Mapping[str, Callable[[Chart], Drawing]] = {
    "bars": bars,
    "heatmap": heatmap,
    "lines": lines,
    "overlay": overlay,
    "scatter": scatter,
}
HALF_NAME = 8
"""Pixels from the middle of a name to its upper edge."""


def draw(chart: Chart) -> go.Figure:
    """A new plotly figure of a chart; equal charts are drawn alike."""
    return go.Figure(drawn(chart).plain())


def drawn(chart: Chart) -> Drawing:
    """The same as plain data, unchecked."""
    figure = DRAWN[chart.kind](chart)
    settle(figure, chart)
    for mark in chart.marks:
        add(figure, mark, chart)
    if chart.headroom:
        make_headroom(figure)
    return figure


def settle(figure: Drawing, chart: Chart) -> None:
    """The settings that a chart gives in place of those of its kind."""
    if chart.small:
        for trace in figure.data:
            trace.merge({"marker": {"size": 6, "opacity": 0.6}})
    if chart.x_range:
        figure.update_axes("x", range=list(chart.x_range))
    if chart.y_range:
        figure.update_axes("y", range=list(chart.y_range))
    if chart.exponent:
        figure.update_axes(chart.value[chart.kind], exponentformat="e")
    if chart.height:
        figure.update_layout(height=chart.height)


def make_headroom(figure: Drawing) -> None:
    """Room above the panel of lines for the names that were moved up there.

    Many runs that end at one value have their names one above the other beside it.
    """
    layout = figure.layout
    bottom, top = layout.yaxis.range
    tall = layout.height - layout.margin.t - MARGIN["b"]
    ends = [note for note in layout.annotations if note.name == END]
    places = [(note.y - bottom) / (top - bottom) * tall + (note.yshift or 0) for note in ends]
    more = round(max(0.0, max(places, default=0.0) + HALF_NAME - tall - layout.margin.t))
    figure.update_layout(height=layout.height + more, margin={"t": layout.margin.t + more})
