"""Charts as data: five small builders, from one long table to one `Chart`, and what marks it.

Columns are named the way they are shown: underscores become spaces, and a unit stands in brackets
at the end, as in "contribution (logits)". Every column of the table that is handed in appears when
the reader hovers, so select and rename first. Columns `low` and `high`, where present, are the ends
of an interval. Text from the table is escaped, because plotly reads tags in labels.

`overlay` lays a map over pictures, which it takes beside the table. `reference`, `regions` and
`diagonal` give the same chart with one mark more. `lrinterp.charts.draw` makes plotly figures; for
anything other than these five kinds use plotly itself, and escape what comes from data.
"""

from lrinterp.charts.builders import (
    bars,
    diagonal,
    heatmap,
    lines,
    overlay,
    reference,
    regions,
    scatter,
)
from lrinterp.charts.chart import Chart
from lrinterp.charts.marks import Diagonal, Picture, Reference, Regions
from lrinterp.charts.plain import chart_of
from lrinterp.charts.table import value_range
from lrinterp.charts.theme import THEME

__all__ = [
    "THEME",
    "Chart",
    "Diagonal",
    "Picture",
    "Reference",
    "Regions",
    "bars",
    "chart_of",
    "diagonal",
    "heatmap",
    "lines",
    "overlay",
    "reference",
    "regions",
    "scatter",
    "value_range",
]
