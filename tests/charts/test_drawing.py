"""Figures as plain data against plotly's own subplots and graph objects."""

from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from lrinterp.charts.draw.drawing import Drawing, Part


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (5, 3, 2)])
def test_panels_lie_where_those_of_plotly_do(count, columns, rows):
    there = [[{} if r * columns + c < count else None for c in range(columns)] for r in range(rows)]
    gaps: dict[str, Any] = {"horizontal_spacing": 0.1, "vertical_spacing": 0.25}
    expected = make_subplots(rows, columns, shared_yaxes=True, specs=there, **gaps).to_dict()
    found = go.Figure(Drawing(count, columns, rows, (0.1, 0.25)).plain()).to_dict()
    assert found["layout"].keys() == expected["layout"].keys()
    for name in found["layout"].keys() - {"template"}:
        axis = found["layout"][name]
        own = expected["layout"][name]
        assert axis.pop("domain") == pytest.approx(own.pop("domain"))
        assert axis == own


def test_traces_and_notes_lie_on_the_axes_of_their_panel():
    figure = Drawing(3, 2, 2, (0.1, 0.1))
    figure.add("bar", x=[1], marker={"color": "red"}, row=2, col=1)
    figure.lay("annotations", text="a", xref="x domain", x=1, y=2, row=1, col=2)
    figure.lay("shapes", type="line", xref="x3", yref="y3 domain")
    plain = figure.plain()
    assert [(trace.xaxis, trace.yaxis) for trace in plain["data"]] == [("x3", "y3")]
    (note,), (shape,) = plain["layout"]["annotations"], plain["layout"]["shapes"]
    assert (note.xref, note.yref, shape.xref, shape.yref) == ("x2 domain", "y2", "x3", "y3 domain")
    assert "images" not in plain["layout"]


def test_settings_reach_the_axes_of_a_column_or_a_row():
    figure = Drawing(4, 2, 2, (0.1, 0.1))
    figure.update_axes("y", col=1, title={"text": "a"}).update_axes("y", row=2, range=[0, 1])
    assert [axis.title for axis in figure.axes("y")] == [{"text": "a"}, None, {"text": "a"}, None]
    assert [axis.range for axis in figure.axes("y")] == [None, None, [0, 1], [0, 1]]
    assert figure.axis("y3").range == [0, 1]


def test_merging_sets_what_is_given_and_leaves_the_rest():
    given = {"margin": {"t": 1, "r": 2}, "height": 3}
    part = Part().merge(given).merge({"margin": {"r": None, "b": 4}, "height": None})
    assert part == {"margin": {"t": 1, "b": 4}}
    assert (part.margin.b, part.height) == (4, None)
    assert given == {"margin": {"t": 1, "r": 2}, "height": 3}
