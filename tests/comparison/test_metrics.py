"""What pairs models: which numbers of the analyses carry their sample, and that it is theirs."""

import pytest

from lrinterp.comparison.measured import Measured
from lrinterp.result import Metric

WITH_SAMPLES = (
    "answer", "accuracy", "attention_terms", "positional_gradient", "term_ablation",
    "activation_patching", "order_bias", "similarity_attribution",
)  # fmt: skip
"""Those whose numbers with an interval are means or ratios of means over examples, all but
correlations and the row of largest magnitude, which is another one in each model."""


def sampled(measured: Measured) -> dict[str, Metric]:
    return {
        f"{name}.{key}": metric
        for name, result in measured.results.items()
        for key, metric in result.metrics.items()
        if metric.sample is not None
    }


def test_every_number_with_an_interval_has_its_examples(knows: Measured):
    with_interval = {
        f"{name}.{key}"
        for name in WITH_SAMPLES
        for key, metric in knows.results[name].metrics.items()
        if metric.low is not None
        and metric.estimator != "correlation"
        and not key.endswith("largest_value")
    }
    assert set(sampled(knows)) == with_interval
    assert len(with_interval) >= 25


def test_a_sample_has_the_value_and_the_interval_of_its_number(knows: Measured):
    for key, metric in sampled(knows).items():
        assert metric.sample is not None
        own = metric.sample.interval
        assert own.value == pytest.approx(metric.value, abs=1e-12), key
        assert [own.low, own.high] == pytest.approx([metric.low, metric.high], abs=1e-12), key
        assert (own.n, own.n_units) == (metric.n, metric.n_units), key
        assert metric.unit == "label", key
        assert len(metric.examples or "") == 64, key


def test_numbers_are_made_once(knows: Measured):
    assert all(result.metrics is result.metrics for result in knows.results.values())


def test_chance_is_that_of_order_alone(knows: Measured):
    chances = {key.split(".")[1]: metric.chance for key, metric in sampled(knows).items()}
    assert chances["unseen_pair_order"] == chances["order_without_key_position"] == 0.5
    assert chances["unseen_pair_label_set_closed"] is None
    assert chances["order_placebo_minus_without"] is None
