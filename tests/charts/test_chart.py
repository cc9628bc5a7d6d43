"""A chart is data: what it refuses, what it keeps, and that it survives JSON."""

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.charts import (
    Chart,
    Diagonal,
    Picture,
    Reference,
    Regions,
    bars,
    chart_of,
    diagonal,
    heatmap,
    lines,
    overlay,
    reference,
    regions,
    scatter,
)
from lrinterp.charts.draw import draw

FRAME = pd.DataFrame(
    {
        "head": pd.array([0, 0, None, 1], dtype="Int64"),
        "row": [1, 2, 1, 2],
        "column": [1, 1, 2, 2],
        "arm": ["a", "b", "a", "b"],
        "picture": "p",
        "share": [0.5, np.nan, 1.0, -2.0],
        "low": [0.4, np.nan, 0.9, np.inf],
        "high": [0.6, np.nan, 1.1, np.inf],
    }
)
PICTURE = Picture(
    pixels=np.arange(48, dtype=np.uint8).reshape(4, 4, 3), outlines={"left": np.eye(2, dtype=bool)}
)
POINTS = FRAME[["row", "share", "arm"]].dropna()
CHARTS = {
    "bars": regions(
        reference(bars(POINTS, x="share", y="row", facet="arm", mark="dot"), 0.5, "chance"),
        POINTS.assign(start=[0.1, np.nan, 0.2], end=1.0),
        y="row",
        start="start",
        end="end",
        facet="arm",
    ),
    "heatmap": heatmap(FRAME, x="row", y="column", z="share", facet="arm", ends=(-2.0, 2.0)),
    "lines": reference(lines(FRAME, x="row", y="share", by="arm", exponent=True), (0.1, 0.2), "no"),
    "overlay": overlay(FRAME, {"p": PICTURE}, z="share"),
    "scatter": diagonal(scatter(POINTS, x="row", y="share", small=True, x_range=(0.0, 3.0))),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_survives_json_and_is_drawn_the_same(name: str):
    chart = CHARTS[name]
    text = json.dumps(chart.plain(), allow_nan=False)
    again = chart_of(json.loads(text))
    assert again.plain() == chart.plain()
    finite = chart.frame.replace([np.inf, -np.inf], np.nan).reset_index(drop=True)
    pd.testing.assert_frame_equal(again.frame, finite)
    assert draw(again).to_json() == draw(replace(chart, frame=finite)).to_json()


def test_what_a_file_can_hold_wrong_is_named():
    data = CHARTS["scatter"].plain()
    with pytest.raises(ValueError, match=r"expected a kind of bars, .*, got 'pie'"):
        chart_of({**data, "kind": "pie"})
    with pytest.raises(ValueError, match=r"chart\.marks: expected .*diagonal, got 'arrow'"):
        chart_of({**data, "marks": [{"mark": "arrow"}]})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bars(FRAME, x="shares", y="arm"), "expected one column 'shares', got columns"),
        (lambda: lines(FRAME, x="row", y="share", by="run"), "expected one column 'run'"),
        (lambda: scatter(FRAME, x="row", y="share", label="name"), "expected one column 'name'"),
        (lambda: bars(FRAME, x="share", y="arm", facet="set"), "expected one column 'set'"),
        (lambda: Chart(kind="heatmap", frame=FRAME, x="row", y="column"), "expected a column z"),
        (lambda: bars(FRAME, x="share", y="arm", headroom=True), "bars: expected no headroom"),
        (lambda: heatmap(POINTS, x="row", y="arm", z="share", exponent=True), "no exponent"),
        (lambda: bars(FRAME, x="share", y="arm", x_range=(1.0, 0.0)), "bars.x_range: .* rising"),
        (lambda: overlay(FRAME, {}, z="share"), "got picture 'p'"),
        (lambda: diagonal(lines(FRAME, x="row", y="share")), "diagonal: expected scatter, got li"),
        (
            lambda: regions(CHARTS["lines"], FRAME, y="arm", start="low", end="high"),
            "regions: expected bars, got lines",
        ),
        (
            lambda: regions(CHARTS["bars"], FRAME, y="arm", start="low", end="end"),
            "expected one column 'end'",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_when_it_is_made(make: Callable[[], Chart], said: str):
    with pytest.raises(ValueError, match=said):
        make()


def test_marks_are_added_to_a_new_chart_in_their_order():
    bare = bars(POINTS, x="share", y="row")
    marked = reference(reference(bare, 0.5, "chance"), (0.0, 1.0), "null")
    assert bare.marks == ()
    assert marked.marks == (
        Reference(at=0.5, label="chance"),
        Reference(at=(0.0, 1.0), label="null"),
    )
    assert [mark.ends for mark in marked.marks if isinstance(mark, Reference)] == [
        (0.5, 0.5), (0.0, 1.0),
    ]  # fmt: skip
    assert isinstance(CHARTS["bars"].marks[1], Regions)
    assert CHARTS["scatter"].marks == (Diagonal(),)
    with pytest.raises(FrozenInstanceError):
        bare.height = 3  # type: ignore[misc]


def test_settings_reach_the_drawing():
    few: Any = draw(scatter(POINTS, x="row", y="share", y_range=(-3.0, 3.0), small=True))
    assert few.layout.yaxis.range == (-3, 3)
    assert (few.data[0].marker.size, few.data[0].marker.opacity) == (6, 0.6)
    flat: Any = draw(lines(POINTS, x="row", y="share", by="arm", height=240, exponent=True))
    assert (flat.layout.height, flat.layout.yaxis.exponentformat) == (240, "e")
    assert flat.layout.xaxis.exponentformat is None
    wide: Any = draw(bars(POINTS, x="share", y="row", x_range=(-5.0, 5.0), exponent=True))
    assert (wide.layout.xaxis.range, wide.layout.xaxis.exponentformat) == ((-5, 5), "e")


def test_a_diagonal_runs_from_corner_to_corner_of_equal_axes():
    figure: Any = draw(CHARTS["scatter"])
    (line,) = figure.layout.shapes
    ends = figure.layout.xaxis.range
    assert figure.layout.yaxis.range == ends
    assert (line.x0, line.x1) == (line.y0, line.y1) == ends
    assert ends[0] < POINTS["share"].min()
    assert ends[1] > POINTS["row"].max()


def test_a_range_is_widened_by_a_mark_and_by_nothing_else():
    inside = bars(POINTS, x="share", y="row", x_range=(-3.0, 3.0))
    layouts: list[Any] = [draw(reference(inside, at, "null")).layout for at in (1.0, 4.0)]
    assert layouts[0].xaxis.range == (-3, 3)
    assert layouts[1].xaxis.range[1] > 4


def test_a_chart_shows_itself(monkeypatch: pytest.MonkeyPatch):
    import plotly.io as pio

    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    for chart in CHARTS.values():
        assert "application/vnd.plotly.v1+json" in chart._repr_mimebundle_()
