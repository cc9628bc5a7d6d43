"""Charts drawn with plotly, the one place that knows it.

`draw(chart)` is a plotly figure, for whoever wants to change one or to save it as a picture.
"""

from lrinterp.charts.draw.figure import draw

__all__ = ["draw"]
