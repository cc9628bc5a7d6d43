"""A chart is data: what it refuses, what it leaves alone, and how it shows itself."""

import json
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.io as pio
import pytest

from lrinterp.charts import (
    Attention,
    Chart,
    Figure,
    Picture,
    Reference,
    bars,
    heatmap,
    lines,
    overlay,
    reference,
    regions,
    scatter,
)
from lrinterp.charts.chart import Bars
from lrinterp.charts.draw import draw

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b>"
PLOTLY = "application/vnd.plotly.v1+json"
FRAME = pd.DataFrame(
    {
        "row": [1, 2, 1, 2],
        "column": [1, 1, 2, 2],
        "arm": ["a", "b", "a", "b"],
        "picture": "p",
        "share": [0.5, 0.2, 1.0, -2.0],
        "low": [0.4, 0.1, 0.9, -2.5],
        "high": [0.6, 0.3, 1.1, -1.5],
    }
)
PICTURE = Picture(pixels=np.zeros((4, 4, 3), dtype=np.uint8))
BARS = bars(FRAME, x="share", y="row", facet="column")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bars(FRAME, x="shares", y="arm"), r"one column 'shares', got columns \['row'"),
        (lambda: lines(FRAME, x="row", y="share", by="run"), "expected one column 'run'"),
        (lambda: scatter(FRAME, x="row", y="share", label="name"), "expected one column 'name'"),
        (lambda: bars(FRAME, x="share", y="arm", facet="set"), "expected one column 'set'"),
        (lambda: heatmap(FRAME, x="row", y="picture", z="share"), "one row a cell, got several"),
        (lambda: bars(FRAME, x="share", y="arm", x_range=(1.0, 0.0)), "x_range: .* rising"),
        (lambda: overlay(FRAME, {"a": PICTURE}, z="share"), r"one of \['a'\], got picture 'p'"),
        (
            lambda: reference(heatmap(FRAME, x="row", y="column", z="share"), 0.5, "chance"),
            "expected bars, lines or scatter, got Heatmap",
        ),
        (lambda: regions(BARS, FRAME, y="arm", start="low", end="end"), "expected one column"),
    ],
)
def test_what_cannot_be_drawn_is_refused_when_it_is_made(make: Callable[[], Chart], said: str):
    with pytest.raises(ValueError, match=said):
        make()


def test_marks_are_added_to_a_new_chart_in_their_order():
    marked = reference(reference(BARS, 0.5, "chance"), (0.0, 1.0), "null")
    assert BARS.references == ()
    assert isinstance(marked, Bars)
    assert marked.references == (
        Reference(at=0.5, label="chance"),
        Reference(at=(0.0, 1.0), label="null"),
    )


@pytest.mark.parametrize("kind", ["bars", "heatmap", "lines", "overlay", "scatter"])
def test_text_from_data_is_never_markup_and_the_table_stays(kind: str):
    x, by, facet, y = (f"{name}{HOSTILE}" for name in ("x", "by", "facet", "y"))
    frame = pd.DataFrame({x: [HOSTILE, "plain"], by: HOSTILE, facet: HOSTILE, y: [1.0, 2.0]})
    cells = pd.DataFrame({"picture": HOSTILE, "row": 1, "column": [1, 2], y: 1.0, by: HOSTILE})
    kept = frame.copy(), cells.copy()
    chart = {
        "bars": lambda: reference(bars(frame, x=y, y=x, facet=facet), 1.0, HOSTILE),
        "heatmap": lambda: heatmap(frame, x=x, y=by, z=y, facet=facet),
        "lines": lambda: reference(lines(frame, x=x, y=y, by=by, facet=facet), 1.0, HOSTILE),
        "overlay": lambda: overlay(cells, {HOSTILE: PICTURE}, z=y, by=by),
        "scatter": lambda: reference(scatter(frame, x=x, y=y, label=x, facet=facet), 1.0, HOSTILE),
    }[kind]()
    drawn = draw(chart).to_json()
    texts = json.dumps(json.loads(drawn), ensure_ascii=False)
    assert "&lt;img src=x onerror=alert(1)&gt;" in texts
    assert set(re.findall(r"<[^ ]*?>", texts)) <= {"<br>"}
    assert "<img" not in texts
    assert draw(chart).to_json() == drawn
    for before, after in zip(kept, (frame, cells), strict=True):
        pd.testing.assert_frame_equal(after, before)


def test_settings_reach_the_drawing():
    few = draw(scatter(FRAME, x="row", y="share", y_range=(-3.0, 3.0), small=True))
    assert few.layout.yaxis.range == (-3, 3)
    assert (few.data[0].marker.size, few.data[0].marker.opacity) == (6, 0.6)
    flat = draw(lines(FRAME, x="row", y="share", by="arm", height=240, exponent=True))
    assert (flat.layout.height, flat.layout.yaxis.exponentformat) == (240, "e")
    assert flat.layout.xaxis.exponentformat is None
    wide = draw(bars(FRAME, x="share", y="row", x_range=(-5.0, 5.0), exponent=True))
    assert (wide.layout.xaxis.range, wide.layout.xaxis.exponentformat) == ((-5, 5), "e")


def test_charts_and_figures_show_themselves(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    words = {"key": "a", "title": "Order", "how_to_read": "Up.", "table": FRAME}
    figure = Figure(plot=BARS, **words)
    assert figure._repr_mimebundle_()[PLOTLY]["layout"]["title"]["text"] == "Order"
    assert figure.draw().to_json() == draw(BARS).to_json()
    assert "title" not in BARS._repr_mimebundle_()[PLOTLY]["layout"]
    view = Attention(component="AttentionPattern", props={"tokens": ["a"], "attention": [[1.0]]})
    attention = Figure(plot=view, **words)
    assert "AttentionPattern" in attention._repr_mimebundle_()["text/html"]
    with pytest.raises(TypeError, match="expected a chart"):
        attention.draw()
