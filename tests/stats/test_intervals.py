"""Intervals against plain loops, their bounds, and what they promise in simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import expit

from lrinterp.stats import (
    COSINE,
    GAP,
    LINEAR,
    SHARE,
    WEIGHT,
    Interval,
    Sample,
    Units,
    jackknife_interval,
    mean_interval,
    ratio_interval,
    ratio_intervals,
    seed_interval,
    statistic_interval,
)

PAIRS = np.stack(np.triu_indices(6, 1), 1)


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def log_odds(values: list[float]) -> float:
    return float(np.log((sum(values) + 0.5) / (len(values) - sum(values) + 0.5)))


def by_hand(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The share's interval, example by example: leave every label out with all its pictures."""
    rows = list(zip(values.tolist(), labels.tolist(), strict=True))
    names = sorted({name for _, who in rows for name in who})
    left = [[x for x, who in rows if name not in who] for name in names]
    jack = np.sum((np.array([*map(log_odds, left)]) - np.mean([*map(log_odds, left)])) ** 2)
    means = np.array([np.mean(part) for part in left])
    p = (sum(values) + 0.5) / (len(values) + 1)
    delta = np.sum((means - means.mean()) ** 2) / (p * (1 - p)) ** 2
    half = scipy_stats.t.ppf(0.975, len(names) - 1) * np.sqrt(min(jack, 1.25**2 * delta))
    middle = log_odds(values.tolist())
    return float(expit(middle - half)), float(expit(middle + half))


def test_a_share_over_labels_agrees_with_a_plain_loop():
    rng = np.random.default_rng(1)
    for _ in range(20):
        labels = np.repeat(PAIRS, 4, axis=0)
        values = (rng.random(len(labels)) < 0.8).astype(float)
        found = mean_interval(values, Units.of_labels(labels))
        assert found.value == pytest.approx(values.mean())
        assert ends(found) == pytest.approx(by_hand(values, labels))
        assert (found.n, found.n_units) == (60, 6)


def test_one_pair_with_all_errors_is_held_to_the_delta_method():
    labels = np.repeat(PAIRS, 20, axis=0)
    values = np.ones(len(labels))
    values[:5] = 0  # all in the first pair, so two labels hold every error
    found = mean_interval(values, Units.of_labels(labels))
    assert ends(found) == pytest.approx(by_hand(values, labels))
    rest = np.array([log_odds(values[(labels != k).all(1)].tolist()) for k in range(6)])
    plain = expit(log_odds(values.tolist()) - 2.57 * np.sqrt(((rest - rest.mean()) ** 2).sum()))
    assert ends(found)[0] > 2 * plain


def test_a_mean_over_groups_is_nearly_student():
    values = np.array([3.0, 5.0, 4.0, 8.0])
    found = mean_interval(values, Units.of_groups(np.arange(4)), scale=LINEAR)
    half = scipy_stats.t.ppf(0.975, 3) * values.std(ddof=1) / np.sqrt(3)  # not 4: see coverage
    assert ends(found) == pytest.approx((5 - half, 5 + half))


def test_a_ratio_agrees_with_a_plain_loop():
    rng = np.random.default_rng(2)
    labels = np.repeat(PAIRS, 3, axis=0)
    top, bottom = rng.normal(2, 1, len(labels)), rng.normal(5, 1, len(labels))
    found = ratio_interval(top, bottom, Units.of_labels(labels))
    left = [(labels != name).all(1) for name in range(6)]
    rest = np.array([top[k].sum() / bottom[k].sum() for k in left])
    half = scipy_stats.t.ppf(0.975, 5) * np.sqrt(((rest - rest.mean()) ** 2).sum())
    value = top.sum() / bottom.sum()
    assert ends(found) == pytest.approx((value - half, value + half))
    both = ratio_intervals(np.stack([top, 2 * top]), bottom, Units.of_labels(labels))
    assert both[0] == found
    assert both[1].value == pytest.approx(2 * value)


@pytest.mark.parametrize("scale", [SHARE, GAP, COSINE, WEIGHT])
def test_ends_stay_in_bounds_and_hold_the_value(scale):
    rng = np.random.default_rng(3)
    units = Units.of_labels(np.repeat(PAIRS, 2, axis=0))
    for middle, spread in product((0.0, 0.02, 0.5, 0.98, 1.0), (0.0, 0.02, 1.0)):
        values = np.clip(middle + spread * rng.normal(size=len(units)), scale.low, scale.high)
        found = mean_interval(values, units, scale=scale)
        assert found.value is not None
        low, high = ends(found)
        assert scale.low <= low <= found.value <= high <= scale.high


def test_all_right_is_held_to_what_one_error_would_say():
    units = Units.of_labels(np.repeat(PAIRS, 4, axis=0))
    one = np.ones(60)
    one[0] = 0
    found, with_error = mean_interval(np.ones(60), units), mean_interval(one, units)
    assert ends(found) == pytest.approx((ends(with_error)[0], 1.0))
    nothing = mean_interval(np.zeros(60), units)
    assert ends(nothing) == pytest.approx((0.0, 1 - ends(found)[0]))
    low, high = ends(with_error)
    assert ends(mean_interval(1 - one, units)) == pytest.approx((1 - high, 1 - low))
    unequal = Units.of_groups(np.repeat(np.arange(5), [3, 5, 7, 9, 11]))
    low, high = ends(mean_interval(np.ones(35), unequal))
    assert (low < 0.9, high) == (True, 1.0)


@pytest.mark.parametrize(("pictures", "at_chance"), [(16, False), (128, True)])
def test_mirror_images_that_always_split_are_evidence_only_when_many(pictures, at_chance):
    values = np.tile([0.0, 1.0], pictures // 2)
    units = Units.of_groups(np.arange(pictures) // 2)
    low, high = ends(mean_interval(values, units))
    assert low == pytest.approx(1 - high)
    assert (low >= 0.45 and high <= 0.55) is at_chance


def test_fewer_than_two_units_have_no_interval():
    one = mean_interval(np.array([0.5, 1.0]), Units.of_groups(np.array([4, 4])))
    assert one == Interval(value=0.75, n=2, n_units=1)
    assert mean_interval(np.zeros(0), Units.of_groups(np.zeros(0, int))) == Interval(value=None)
    assert Sample.mean(np.zeros((20, 0)), Units.of_groups(np.zeros(0, int))).interval == Interval(
        value=None
    )
    assert ratio_interval(np.ones(3), np.zeros(3), Units.of_groups(np.arange(3))).value is None
    pair = Units.of_labels(np.array([[0, 1], [1, 0]]))  # either label left out leaves nothing
    assert mean_interval(np.array([1.0, 0.0]), pair) == Interval(value=0.5, n=2, n_units=2)


def test_draws_widen_an_interval_and_one_draw_does_not():
    rng = np.random.default_rng(5)
    labels = np.repeat(PAIRS, 10, axis=0)
    units = Units.of_labels(labels)
    fixed = (rng.random(len(units)) < 0.6).astype(float)
    assert Sample.mean(fixed[None], units).interval == mean_interval(fixed, units)
    same = Sample.mean(np.stack([fixed] * 20), units).interval
    assert ends(same) == pytest.approx(ends(mean_interval(fixed, units)))
    odds = rng.normal(0.4, 1.5, 20)
    draws = (rng.random((20, len(units))) < expit(odds)[:, None]).astype(float)
    mean = mean_interval(draws.mean(0), units)
    low, high = ends(Sample.mean(draws, units).interval)
    assert low < ends(mean)[0]
    assert high > ends(mean)[1]


def test_a_statistic_that_is_a_mean_has_the_interval_of_a_mean():
    rng = np.random.default_rng(6)
    values, units = rng.normal(size=45), Units.of_labels(np.repeat(PAIRS, 3, axis=0))
    found = statistic_interval(lambda kept: float(values[kept].mean()), units, scale=LINEAR)
    assert ends(found) == pytest.approx(ends(mean_interval(values, units, scale=LINEAR)))
    groups = Units.of_groups(np.arange(4))
    undefined = statistic_interval(lambda k: 1.0 if k[0] else np.nan, groups, scale=LINEAR)
    assert (undefined.value, undefined.low) == (1.0, None)


def test_labels_left_out_cover_where_pairs_left_out_do_not():
    rng, pairs = np.random.default_rng(7), np.stack(np.triu_indices(8, 1), 1)
    labels = np.repeat(pairs, 30, axis=0)
    by_label, by_pair = Units.of_labels(labels), Units.of_groups(np.repeat(np.arange(28), 30))
    truth, hits = 0.5, np.zeros(2)
    for _ in range(200):
        odds = np.repeat(rng.normal(0, 0.8, 8)[pairs].sum(1), 30)
        values = (rng.random(len(odds)) < expit(odds)).astype(float)
        for k, units in enumerate((by_label, by_pair)):
            low, high = ends(mean_interval(values, units))
            hits[k] += low <= truth <= high
    assert hits[0] / 200 > 0.9
    assert hits[1] / 200 < 0.8


def test_seeds_without_bounds_have_students_interval():
    values = np.random.default_rng(0).normal(3, 2, 8)
    found = seed_interval(values)
    low, high = scipy_stats.t.interval(0.95, 7, values.mean(), scipy_stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.n, found.n_units) == (8, 8)


def test_accuracies_of_seeds_have_the_interval_of_groups_of_pictures():
    shares = np.array([0.93, 0.99, 1.0, 0.97])
    found = seed_interval(shares, SHARE, n_examples=100)
    pictures = np.concatenate([np.arange(100) < round(100 * p) for p in shares]).astype(float)
    alone = mean_interval(pictures, Units.of_groups(np.repeat(np.arange(4), 100)))
    assert (found.value, found.low, found.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )
    assert found.n == 4


def test_accuracies_of_seeds_near_one_end_at_one_and_are_no_certainty():
    values = np.array([0.973, 0.99, 1.0, 0.994, 0.961, 0.991, 0.984, 1.0, 0.932, 0.964])
    plain, found = ends(seed_interval(values, LINEAR)), ends(seed_interval(values, SHARE))
    assert found[0] < plain[0] < found[1] < 1
    low, high = ends(seed_interval(np.ones(3), SHARE, n_examples=50))
    assert 0.5 < low < 0.99
    assert high == 1.0


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
    rest = np.array([np.delete(values, k).var() for k in range(7)])
    assert jackknife_interval(float(values.var()), rest).value == pytest.approx(values.var(ddof=1))


def test_shares_of_variance_stay_between_their_bounds():
    rest = np.array([0.9, 0.1, 0.6, 0.95])
    found = jackknife_interval(0.7, rest, SHARE)
    assert 0 <= ends(found)[0] <= ends(found)[1] <= 1
    assert jackknife_interval(0.7, np.array([0.7, np.nan]), SHARE).low is None
