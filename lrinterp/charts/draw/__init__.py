"""Charts drawn with plotly, the one place that knows it.

`draw(chart)` is a plotly figure, for whoever wants to change one or to save it as a picture;
`drawn(chart)` holds the same as plain data, for a page.
"""

from lrinterp.charts.draw.figure import draw, drawn

__all__ = ["draw", "drawn"]
