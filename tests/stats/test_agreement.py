"""Estimates against what was measured: scipy as a second computation, and what says nothing."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from lrinterp.stats import agreement_of


def test_numbers_are_those_of_scipy_and_the_slope_goes_through_the_origin():
    rng = np.random.default_rng(0)
    exact = rng.normal(size=40)
    estimate = 0.5 * exact + 0.1 * rng.normal(size=40) + 1
    found = agreement_of(exact, estimate)
    assert found["pearson"] == pytest.approx(pearsonr(exact, estimate)[0])
    assert found["spearman"] == pytest.approx(spearmanr(exact, estimate)[0])
    slope = np.linalg.lstsq(exact[:, None], estimate, rcond=None)[0][0]
    assert found["slope"] == pytest.approx(slope)
    assert found["n"] == 40


def test_nothing_is_said_of_constants_or_of_two_things():
    ones, ramp = np.ones(5), np.arange(5.0)
    assert agreement_of(ones, ramp)["pearson"] is None
    assert agreement_of(ramp, ramp)["pearson"] == pytest.approx(1)
    assert agreement_of(np.zeros(5), ramp)["slope"] is None
    nothing = dict.fromkeys(("pearson", "spearman", "slope"))
    assert agreement_of(ramp[:2], ramp[:2]) == nothing | {"n": 2}
