"""Lines, bars and scatter: what stands where, and in which colour."""

import numpy as np
import pandas as pd
import pytest

from lrinterp.charts import THEME, bars, lines, scatter
from lrinterp.charts.draw import draw


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": [0, 1, 0, 1],
            "kind": ["intact", "intact", "cut", "cut"],
            "order": [0.5, 0.9, 0.5, 0.52],
            "low": [0.4, 0.88, 0.42, 0.44],
            "high": [0.6, 0.92, 0.58, 0.6],
        }
    )


def test_lines_are_named_at_their_right_end_and_one_is_highlighted(scores: pd.DataFrame):
    figure = draw(lines(scores, x="step", y="order", by="kind", highlight="cut"))
    ends = {note.text: note for note in figure.layout.annotations}
    assert set(ends) == {"intact", "cut"}
    assert ends["cut"].font.color == THEME["light"]["colors"]["accent"]
    assert ends["intact"].y == 0.9
    assert [trace.fill for trace in figure.data] == ["toself", None] * 2
    assert [trace.line.dash for trace in figure.data if trace.fill is None] == ["solid", "solid"]


def test_bars_stand_in_the_order_of_the_table_with_their_values(scores: pd.DataFrame):
    figure = draw(bars(scores.query("step == 1"), x="order", y="kind", highlight="cut"))
    [trace] = figure.data
    assert list(trace.y) == ["intact", "cut"]
    np.testing.assert_allclose(trace.error_x.array, [0.02, 0.08])
    np.testing.assert_allclose(trace.error_x.arrayminus, [0.02, 0.08])
    assert [note.text for note in figure.layout.annotations] == ["0.90", "0.52"]
    assert figure.layout.xaxis.range[0] < 0 < figure.layout.xaxis.range[1]


def test_dots_need_no_zero(scores: pd.DataFrame):
    figure = draw(bars(scores.query("step == 1"), x="order", y="kind", mark="dot"))
    assert figure.layout.xaxis.range[0] > 0.4


def test_a_scatter_labels_few_points_and_not_many(scores: pd.DataFrame):
    many = pd.concat([scores] * 7)
    charts = [scatter(frame, x="step", y="order", label="kind") for frame in (scores, many)]
    assert [draw(chart).data[0].mode for chart in charts] == ["markers+text", "markers"]
