"""Differences against plain loops, p under nulls and positive controls, agreement by scipy."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import expit
from scipy.stats import pearsonr, spearmanr

from lrinterp.stats import (
    GAP,
    LINEAR,
    Interval,
    Sample,
    Units,
    added,
    agreement_of,
    difference,
    mean_interval,
)

PAIRS = np.stack(np.triu_indices(6, 1), 1)


def two(rng: np.random.Generator, units: Units, gap: float = 0.0) -> tuple[Sample, Sample]:
    """Two models' credit on the same examples."""
    shares = (0.7, 0.7 + gap)
    one, other = (Sample.mean((rng.random((1, len(units))) < p) * 1.0, units) for p in shares)
    return one, other


def test_a_paired_difference_is_the_interval_of_the_differences():
    units = Units.of_labels(np.repeat(PAIRS, 4, axis=0))
    one, other = two(np.random.default_rng(0), units)
    found = difference(one, other, paired=True)
    alone = mean_interval((other.top - one.top)[0], units, scale=GAP)
    assert found.interval.value == pytest.approx(alone.value)
    assert (found.interval.low, found.interval.high) == pytest.approx((alone.low, alone.high))
    assert (found.interval.n, found.interval.n_units) == (60, 6)


def test_p_and_interval_of_labels_agree():
    units = Units.of_labels(np.repeat(PAIRS, 6, axis=0))
    rng = np.random.default_rng(1)
    for gap in (0.0, 0.05, 0.1, 0.2, 0.29):
        found = difference(*two(rng, units, gap), paired=True)
        low, high = found.interval.low or 0.0, found.interval.high or 0.0
        assert low < high
        assert ((found.p or 0) < 0.05) == (not low <= 0 <= high)
        assert found.least is None


def test_sign_flips_of_groups_agree_with_all_of_them():
    units = Units.of_groups(np.repeat(np.arange(5), 4))
    one, other = two(np.random.default_rng(2), units, 0.2)
    by_group = (other.top - one.top)[0].reshape(5, 4).sum(1)
    sums = [abs(float(np.dot(s, by_group))) for s in product((1, -1), repeat=5)]
    found = difference(one, other, paired=True)
    assert found.p == pytest.approx(np.mean(np.array(sums) >= abs(by_group.sum()) - 1e-12))
    assert found.least == 2.0**-4


def test_many_groups_are_flipped_at_random_and_alike_each_time():
    units = Units.of_groups(np.arange(40))
    one, other = two(np.random.default_rng(3), units)
    found = difference(one, other, paired=True)
    assert found == difference(one, other, paired=True)
    assert found.least == pytest.approx(1e-4)
    for same in (one, two(np.random.default_rng(4), Units.of_labels(np.repeat(PAIRS, 4, 0)))[0]):
        nothing = difference(same, same, paired=True)
        assert (nothing.interval.value, nothing.p) == (0.0, 1.0)


def test_a_difference_without_spread_is_not_certain():
    units = Units.of_labels(np.repeat(PAIRS, 2, axis=0))
    wrong, right = (Sample.mean(np.full((1, 30), v), units) for v in (0.0, 1.0))
    found = difference(wrong, right, paired=True)
    assert found.interval.high == 1.0
    assert found.interval.low is not None
    assert 0 < found.interval.low < 1
    assert found.p


def test_pairs_must_match():
    units = Units.of_groups(np.arange(4))
    one = Sample.mean(np.ones((1, 4)), units)
    other = Sample.mean(np.ones((1, 4)), Units.of_groups(np.array([0, 0, 1, 1])))
    with pytest.raises(ValueError, match="paired: expected the same examples"):
        difference(one, other, paired=True)


def test_independent_numbers_add_the_ends_that_move_them():
    one = Interval(value=0.6, low=0.5, high=0.68, n=10, n_units=5)
    other = Interval(value=0.9, low=0.7, high=0.95, n=20, n_units=9)
    found = added(one, other, GAP)
    low, high = 0.3 - np.hypot(0.2, 0.08), 0.3 + np.hypot(0.05, 0.1)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert (found.interval.n, found.interval.n_units) == (30, 14)
    error = np.hypot(0.2, 0.08) / scipy_stats.t.ppf(0.975, 4)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(0.3 / error, 4))
    assert added(one, Interval(value=0.9), LINEAR).p is None


def test_nulls_are_rejected_seldom_and_effects_often():
    rng, units = np.random.default_rng(5), Units.of_labels(np.repeat(PAIRS, 12, axis=0))

    def rejected(gap: float) -> float:
        p = []
        for _ in range(200):
            shared = rng.normal(1.5, 0.6, 6)
            odds = [(shared + rng.normal(0, 0.3, 6))[PAIRS].sum(1) for _ in range(2)]
            shares = np.repeat(expit([odds[0], odds[1] - gap]), 12, axis=1)
            pair = [Sample.mean((rng.random((1, len(units))) < s) * 1.0, units) for s in shares]
            p.append(difference(pair[0], pair[1], paired=True).p)
        return float((np.array(p) < 0.05).mean())

    assert rejected(0.0) <= 0.09  # 0.05 and three standard errors
    assert rejected(4.0) > 0.8


def test_agreement_is_that_of_scipy_with_a_slope_through_the_origin():
    rng = np.random.default_rng(0)
    exact = rng.normal(size=40)
    estimate = 0.5 * exact + 0.1 * rng.normal(size=40) + 1
    found = agreement_of(exact, estimate)
    assert found["pearson"] == pytest.approx(pearsonr(exact, estimate)[0])
    assert found["spearman"] == pytest.approx(spearmanr(exact, estimate)[0])
    slope = np.linalg.lstsq(exact[:, None], estimate, rcond=None)[0][0]
    assert found["slope"] == pytest.approx(slope)
    assert found["n"] == 40


def test_no_agreement_is_said_of_constants_or_of_two_things():
    ones, ramp = np.ones(5), np.arange(5.0)
    assert agreement_of(ones, ramp)["pearson"] is None
    assert agreement_of(ramp, ramp)["pearson"] == pytest.approx(1)
    assert agreement_of(np.zeros(5), ramp)["slope"] is None
    nothing = dict.fromkeys(("pearson", "spearman", "slope"))
    assert agreement_of(ramp[:2], ramp[:2]) == nothing | {"n": 2}
