"""Panels as plain data against plotly's own subplots and graph objects."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from lrinterp.charts.draw.panels import Panels

GAP, ROW_GAP = 57, 84


def panels(count: int, width: int = 400) -> Panels:
    frame = pd.DataFrame({"set": range(count)})
    return Panels(frame, "set", panel=(width, 126), gap=GAP, most=width)


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (5, 2, 3)])
def test_panels_lie_where_those_of_plotly_do(count: int, columns: int, rows: int):
    there = [[{} if r * columns + c < count else None for c in range(columns)] for r in range(rows)]
    inner, tall = 400 * columns + GAP * (columns - 1), 126 * rows + ROW_GAP * (rows - 1)
    gaps: dict[str, Any] = {"horizontal_spacing": GAP / inner, "vertical_spacing": ROW_GAP / tall}
    expected = make_subplots(rows, columns, shared_yaxes=True, specs=there, **gaps).to_dict()
    found = go.Figure({"layout": panels(count).layout}).to_dict()["layout"]
    axes = {name for name in expected["layout"] if "axis" in name}
    assert {name for name in found if "axis" in name} == axes
    for name in axes:
        own = expected["layout"][name]
        assert found[name].pop("domain") == pytest.approx(own.pop("domain"))
        assert found[name] == own


def test_many_panels_wrap_and_tell_a_page_their_grid():
    figure = panels(30, width=50)
    assert [note["text"] for note in figure.layout["annotations"]] == [
        f"set {k}" for k in range(30)
    ]
    grid = figure.layout["meta"]["grid"]
    assert (grid["columns"], grid["panel"], grid["gap"]) == (10, [50, 126], [GAP, ROW_GAP])
    assert grid["size"] == [50 * 10 + GAP * 9, 126 * 3 + ROW_GAP * 2]
    assert figure.layout["meta"]["least"] <= 1300


def test_traces_notes_and_titles_lie_on_the_axes_of_their_panel():
    figure = panels(3)
    figure.add("bar", "3", x=[1], text=None, marker={"color": "red"})
    figure.lay("shapes", "2", "y", type="line", x0=1)
    figure.title("step_number", "order")
    assert figure.data == [
        {"type": "bar", "x": [1], "marker": {"color": "red"}, "xaxis": "x3", "yaxis": "y3"}
    ]
    assert figure.layout["shapes"] == [{"type": "line", "x0": 1, "xref": "x2", "yref": "y2 domain"}]
    assert [figure.axis(x)["title"]["text"] for x in ("x", "x2", "x3")] == ["step number"] * 3
    assert [figure.axis(y).get("title") for y in ("y", "y2", "y3")] == [
        {"text": "order"}, None, {"text": "order"},
    ]  # fmt: skip
