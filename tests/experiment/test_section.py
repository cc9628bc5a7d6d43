"""Sections: what a page asks of a Result they hold as data."""

import pandas as pd

from lrinterp.charts import bars
from lrinterp.experiment.section import Section, captioned
from lrinterp.result import Figure, Metric


def test_a_section_is_a_result_with_captions_in_three_parts():
    table = pd.DataFrame({"arm": ["a", "b"], "order": [0.4, 0.6]})
    plot = bars(table, x="order", y="arm")
    figure = Figure(key="k", title="T", how_to_read="A bar is a mean.", plot=plot, table=table)
    section = Section(
        name="x", question="Is it?", finding="It is.", caveats=("Perhaps.",),
        metrics={"a": Metric(value=1.0)}, table=table,
        drawn=(captioned(figure, expected="more", observed="less"),),
    )  # fmt: skip
    assert (section.finding, section.caveats, section.reason) == ("It is.", ("Perhaps.",), "")
    assert section.number("a").value == 1.0
    assert (section.frame() is table, section.overview().empty, section.tiles()) == (True, True, ())
    assert [one.how_to_read for one in section.figures()] == [
        "A bar is a mean. Expected: more. Observed: less."
    ]
