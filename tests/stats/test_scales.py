"""Scales and back, and the half count that keeps bounds finite."""

import numpy as np
import pytest

from lrinterp.stats import CORRELATION, COSINE, GAP, LINEAR, SHARE, WEIGHT

INSIDE = np.array([0.1, 0.5, 0.9])


@pytest.mark.parametrize("scale", [COSINE, CORRELATION, WEIGHT, LINEAR])
def test_there_and_back(scale):
    assert scale.back(scale.of(INSIDE, np.full(3, 10.0))) == pytest.approx(INSIDE)


def test_half_a_count_is_added_on_either_side():
    found = SHARE.of(np.array([0.0, 1.0, 0.25]), np.full(3, 8.0))
    assert found == pytest.approx(np.log([0.5 / 8.5, 8.5 / 0.5, 2.5 / 6.5]))
    assert GAP.at(0.0, 7) == 0.0
    assert GAP.at(1.0, 7) == pytest.approx(np.log(7.5 / 0.5))


def test_other_numbers_keep_off_their_bounds():
    ends = COSINE.of(np.array([-1.0, 1.0]), np.full(2, 5.0))
    assert np.isfinite(ends).all()
    assert CORRELATION.at(1.0, 5) < COSINE.at(0.9999, 5)


@pytest.mark.parametrize("scale", [SHARE, GAP])
@pytest.mark.parametrize("value", [0.0, 0.3, 0.9])
def test_the_slope_is_that_of_one_count(scale, value):
    n, step = 50, 1e-6
    smoothed = lambda x: ((x - scale.low) / (scale.high - scale.low) * n + 0.5) / (n + 1)  # noqa: E731
    log_odds = [np.log(p / (1 - p)) for p in (smoothed(value), smoothed(value) + step)]
    per_share = (log_odds[1] - log_odds[0]) / step
    assert scale.slope(value, n) == pytest.approx(per_share / (scale.high - scale.low), rel=1e-4)
