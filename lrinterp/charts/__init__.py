"""The house theme and five small builders, from one long table to one plotly figure.

Columns are named the way they are shown: underscores become spaces, and a unit stands in brackets
at the end, as in "contribution (logits)". Every column of the table that is handed in appears when
the reader hovers, so select and rename first. Columns `low` and `high`, where present, are the ends
of an interval. Text from the table is escaped, because plotly reads tags in labels.

`overlay` lays a map over pictures, which it takes beside the table.
For anything other than these five kinds use plotly itself, and escape what comes from data.
"""

from lrinterp.charts.builders import bars, heatmap, lines, scatter
from lrinterp.charts.canvas import reference, regions
from lrinterp.charts.overlay import Picture, overlay
from lrinterp.charts.theme import THEME

__all__ = [
    "THEME",
    "Picture",
    "bars",
    "heatmap",
    "lines",
    "overlay",
    "reference",
    "regions",
    "scatter",
]
