"""The headline head is the one that order needs most, and the same in every analysis."""

from collections.abc import Mapping

import pytest

from lrinterp import Recording
from lrinterp.analysis import Bench
from lrinterp.analysis.gradient.headline import choose, headline
from lrinterp.result import Metric, Result


@pytest.mark.parametrize("name", ["left_right", "no_gradient"])
def test_head_and_fits_are_those_of_the_analysis(name: str, request: pytest.FixtureRequest):
    recording: Recording = request.getfixturevalue(name)
    results: Mapping[str, Result] = request.getfixturevalue(f"{name}_results")
    head, fits = headline(Bench(recording.model, recording.examples.of("unseen_pair")))
    found = results["positional_gradient"].metrics
    assert found["headline_head"].value == f"L0H{head}"
    assert found["headline_slope"].value == pytest.approx(fits[head]["slope"])
    assert len(fits) == recording.model.image.cfg.n_heads


def lost(value: float, low: float | None) -> Metric:
    return Metric(value=value, low=low, high=None if low is None else 2 * value - low)


def test_the_headline_is_the_head_that_order_needs_most_or_else_the_steepest():
    slopes = {(0, 0): 0.1, (1, 0): -3.0, (1, 1): 2.0}
    needed = {(0, 0): lost(0.2, 0.2), (1, 0): lost(0.5, -0.1), (1, 1): lost(0.3, 0.3)}
    assert choose(needed, slopes) == ((1, 1), "its removal costs most order")
    needed[1, 0] = lost(0.5, 0.1)
    assert choose(needed, slopes) == ((1, 0), "its removal costs most order")
    for value in (0.0, -0.2):
        place, why = choose(dict.fromkeys(slopes, lost(value, value - 0.1)), slopes)
        assert place == (1, 0)
        assert why == "the largest |slope|: no head's removal costs order beyond its interval"


def test_two_labels_decide_nothing():
    slopes = {(0, 0): 0.1, (0, 1): -3.0}
    place, why = choose(dict.fromkeys(slopes, lost(0.5, None)), slopes)
    assert place == (0, 1)
    assert why == "the largest |slope|: the order lost has no interval"
