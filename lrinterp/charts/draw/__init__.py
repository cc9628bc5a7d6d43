"""Charts drawn with plotly, the one place that knows it.

`draw(chart)` is a plotly figure, for whoever wants to change one or to save it as a picture;
`drawn(chart)` holds the same as plain data, for a page, and loads no plotly.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lrinterp.charts.chart import Bars, Chart, Heatmap, Lines, Overlay, Scatter, Valued
from lrinterp.charts.draw.maps import heatmap, overlay
from lrinterp.charts.draw.marks import add_marks
from lrinterp.charts.draw.panels import Panels
from lrinterp.charts.draw.series import bars, lines, scatter
from lrinterp.charts.theme import THEME

__all__ = ["draw", "drawn"]

DRAWN: Mapping[type[Chart], Callable[[Any], Panels]] = {
    Bars: bars,
    Heatmap: heatmap,
    Lines: lines,
    Overlay: overlay,
    Scatter: scatter,
}


def draw(chart: Chart) -> Any:
    """A new plotly figure of a chart; equal charts are drawn alike."""
    import plotly.graph_objects as go

    plain = drawn(chart)
    template = {"layout": THEME["light"]["layout"]}
    return go.Figure({**plain, "layout": {**plain["layout"], "template": template}})


def drawn(chart: Chart) -> dict[str, Any]:
    """Traces and layout as plotly.js reads them, unchecked and without a theme."""
    figure = DRAWN[type(chart)](chart)
    if chart.height:
        figure.layout["height"] = chart.height
    if isinstance(chart, Valued):
        add_marks(figure, chart)
    return {"data": figure.data, "layout": figure.layout}
