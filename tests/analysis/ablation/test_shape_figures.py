"""Controls of shape as drawn: every course with its prediction, doses in order, heads sorted."""

import pytest

from lrinterp.analysis.ablation.shape_figures import (
    COURSES,
    doses_figure,
    exchange_figure,
    shape_figure,
)
from lrinterp.analysis.ablation.term_ablation import TermAblation, term_ablation
from lrinterp.result import Metric

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def result(micro_recording) -> TermAblation:
    return term_ablation(micro_recording, draws=2)


def test_every_course_stands_beside_what_algebra_predicts(result):
    table = shape_figure(result).table.set_index("key")
    assert list(table.index) == list(COURSES)
    predicted = table["predicted"].dropna().to_dict()
    assert predicted == {"order_reversed": 0, "order_exchanged": 0, "order_equalised": 0.5}
    assert table["gap_value"].dropna().tolist() == [0, 0, 0]
    assert table.loc["order_linear_only", "order accuracy"] == 1
    assert table.loc["order_residual_only", "order accuracy"] == 0.5


def test_doses_go_from_wrong_to_right(result):
    table = doses_figure(result).table
    assert table["key-position multiplied by"].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert table["order accuracy"].tolist() == [0, 0, 0.5, 1, 1]


def test_heads_are_sorted_by_what_their_exchange_costs():
    lost = {(0, head): Metric(value=value, n=4) for head, value in enumerate((0.1, 0.5, -0.2))}
    table = exchange_figure(lost).table
    assert table["head"].tolist() == ["L0H1", "L0H0", "L0H2"]
