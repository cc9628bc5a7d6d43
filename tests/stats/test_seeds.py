"""Intervals over seeds against scipy, and within their bounds."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lrinterp.stats import (
    LINEAR,
    SHARE,
    Interval,
    Units,
    jackknife_interval,
    mean_interval,
    seed_interval,
)


def test_numbers_without_bounds_have_students_interval():
    values = np.random.default_rng(0).normal(3, 2, 8)
    found = seed_interval(values)
    low, high = scipy_stats.t.interval(0.95, 7, values.mean(), scipy_stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.n, found.n_units) == (8, 8)


def test_accuracies_have_the_interval_of_groups_of_pictures():
    shares = np.array([0.93, 0.99, 1.0, 0.97])
    found = seed_interval(shares, SHARE, n_examples=100)
    pictures = np.concatenate([np.arange(100) < round(100 * p) for p in shares]).astype(float)
    alone = mean_interval(pictures, Units.of_groups(np.repeat(np.arange(4), 100)))
    assert (found.value, found.low, found.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )
    assert found.n == 4


def test_accuracies_near_one_end_at_one():
    values = np.array([0.973, 0.99, 1.0, 0.994, 0.961, 0.991, 0.984, 1.0, 0.932, 0.964])
    plain, found = seed_interval(values, LINEAR), seed_interval(values, SHARE)
    assert plain.high is not None
    assert found.high is not None
    assert found.low is not None
    assert plain.low is not None
    assert found.high < 1
    assert found.low < plain.low


def test_seeds_that_are_all_right_are_no_certainty():
    found = seed_interval(np.ones(3), SHARE, n_examples=50)
    assert found.high == 1.0
    assert found.low is not None
    assert 0.5 < found.low < 0.99


@pytest.mark.parametrize("scale", [LINEAR, SHARE])
def test_no_seed_one_seed_and_a_seed_without_a_number(scale):
    assert seed_interval(np.zeros(0), scale) == Interval(value=None)
    one = seed_interval(np.array([0.5]), scale)
    assert (one.value, one.low, one.n) == (0.5, None, 1)
    assert seed_interval(np.array([0.5, np.nan]), scale).value is None


def test_the_jackknife_of_a_mean_is_its_t_interval():
    values = np.random.default_rng(1).normal(size=7)
    rest = (values.sum() - values) / 6
    found, plain = jackknife_interval(float(values.mean()), rest), seed_interval(values)
    assert found.value == pytest.approx(plain.value)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_the_jackknife_takes_the_bias_of_a_variance_away():
    values = np.random.default_rng(2).normal(size=9)
    rest = np.array([np.delete(values, k).var() for k in range(9)])
    assert jackknife_interval(float(values.var()), rest).value == pytest.approx(values.var(ddof=1))


def test_shares_of_variance_stay_between_their_bounds():
    rest = np.array([0.9, 0.1, 0.6, 0.95])
    found = jackknife_interval(0.7, rest, SHARE)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.high <= 1
    assert jackknife_interval(0.7, np.array([0.7, np.nan]), SHARE).low is None
