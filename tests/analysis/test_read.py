"""What one question reads of another comes by key, and is what the other says."""

from typing import Any

import pytest

from lrinterp.analysis import read
from lrinterp.analysis.read import CARRIERS, has_gradient, order_lost
from lrinterp.result import Metric


def test_order_lost_by_head_survives_its_table(left_right_results):
    source: Any = left_right_results["term_ablation"]
    lost = order_lost(source)
    assert list(lost) == list(source.order_lost)
    for place, metric in lost.items():
        assert metric.plain() == source.order_lost[place].plain()


def test_every_key_that_is_read_is_one_that_is_written(left_right_results):
    ablation, gradient = (
        left_right_results[name].metrics for name in ("term_ablation", "positional_gradient")
    )
    assert {read.WITHOUT, read.TEXT, read.LABELS, *CARRIERS} <= set(ablation)
    assert {read.GAIN, "headline_head", "headline_span", "null_span", "widest_span"} <= set(
        gradient
    )


@pytest.mark.parametrize(
    ("span", "null", "expected"), [(0.2, 0.1, True), (0.05, 0.01, False), (0.2, 0.3, False)]
)
def test_a_gradient_is_wider_than_the_bound_and_than_its_null(span, null, expected):
    found = {"headline_span": Metric(value=span), "null_span": Metric(value=null)}
    assert has_gradient(found) is expected
