"""Numbers by name: each is the one that `analyze` gives, however it is measured."""

from collections.abc import Mapping

import pytest

from lrinterp.analysis import numbers
from lrinterp.experiment.numbers import NUMBERS
from lrinterp.result import Metric, Result
from lrinterp.run import Run
from lrinterp.store import InputError


@pytest.mark.parametrize("name", ["left_right", "no_gradient"])
def test_each_is_that_of_the_analysis(name: str, request: pytest.FixtureRequest):
    """Interval and counts too; accuracies and ablations are measured alone, the rest whole."""
    recording: Run = request.getfixturevalue(name)
    results: Mapping[str, Result] = request.getfixturevalue(f"{name}_results")
    names = [*NUMBERS, "term_ablation.order_placebo", "procrustes.W_E_raw_cosine"]
    found = numbers(recording, names)
    assert list(found) == names
    for one, metric in found.items():
        analysis, _, key = one.partition(".")
        assert metric.plain() == results[analysis].number(key).plain(), one


def test_what_no_analysis_has_is_refused(left_right: Run):
    with pytest.raises(InputError, match=r"'accuracy': expected analysis\.key"):
        numbers(left_right, ["accuracy"])
    with pytest.raises(InputError, match=r"'novel.order': expected analysis\.key"):
        numbers(left_right, ["novel.order"])
    with pytest.raises(InputError, match="accuracy has no 'odd'; expected one of unseen_"):
        numbers(left_right, ["accuracy.odd"])
    lax = numbers(left_right, ["accuracy.odd", "accuracy.mixed_pair_order"], strict=False)
    assert lax["accuracy.odd"] == Metric(value=None)
    assert lax["accuracy.mixed_pair_order"].value is not None


def test_what_does_not_apply_has_no_value(left_right: Run):
    """Single objects alone: there is no picture of several to ablate."""
    single = left_right.of("single")
    found = numbers(single, ["term_ablation.order_without_EP", "accuracy.single_label_set_open"])
    assert found["term_ablation.order_without_EP"].value is None
    assert found["accuracy.single_label_set_open"].value is not None
