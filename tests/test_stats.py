"""The bootstrap against a plain loop, theory and simulation."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from lrinterp.stats import (
    DRAWS,
    Interval,
    Sample,
    crossed_interval,
    difference,
    jackknife_interval,
    mean_interval,
    ratio_interval,
    ratio_intervals,
    seed_interval,
)


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def width(interval: Interval) -> float:
    low, high = ends(interval)
    return high - low


def by_hand(
    top: np.ndarray, bottom: np.ndarray, clusters: np.ndarray, draws: int, seed: int
) -> tuple[float, float]:
    """The same resamples, example by example: every copy of a cluster brings all its examples."""
    names = sorted(set(clusters.tolist()))
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), [1 / len(names)] * len(names), size=draws)
    replicates = []
    for count in counts:
        copies = [i for n, k in zip(names, count, strict=True) for i in [n] * k]
        chosen = [i for name in copies for i in np.flatnonzero(clusters == name)]
        replicates.append(sum(top[i] for i in chosen) / sum(bottom[i] for i in chosen))
    low, high = np.percentile(replicates, [2.5, 97.5])
    return float(low), float(high)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_mean_agrees_with_a_plain_loop(rng: np.random.Generator):
    values, clusters = rng.normal(size=17), rng.choice([3, 10, 11, 40, 7], size=17)
    got = mean_interval(values, clusters, draws=60, seed=5)
    assert got.value == pytest.approx(values.mean())
    assert (got.n, got.n_units) == (17, 5)
    assert ends(got) == pytest.approx(by_hand(values, np.ones(17), clusters, 60, 5))


def test_ratios_agree_with_a_plain_loop(rng: np.random.Generator):
    tops, bottom = rng.normal(size=(3, 12)), rng.uniform(1, 2, size=12)
    clusters = np.repeat([5, 1, 9], [2, 7, 3])
    many = ratio_intervals(tops, bottom, clusters, draws=40, seed=2)
    for top, got in zip(tops, many, strict=True):
        assert got.value == pytest.approx(top.sum() / bottom.sum())
        assert ends(got) == pytest.approx(by_hand(top, bottom, clusters, 40, 2))
        assert got == ratio_interval(top, bottom, clusters, draws=40, seed=2)


def test_independent_examples_give_the_analytic_standard_error(rng: np.random.Generator):
    values = rng.normal(2.0, 3.0, size=400)
    got = mean_interval(values, np.arange(400))
    expected = 2 * 1.96 * values.std() / np.sqrt(400)
    assert width(got) == pytest.approx(expected, rel=0.06)
    low, high = ends(got)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1 * expected)


def test_examples_that_agree_in_a_cluster_widen_the_interval(rng: np.random.Generator):
    values, clusters = np.repeat(rng.normal(size=40), 9), np.repeat(np.arange(40), 9)
    honest = width(mean_interval(values, clusters))
    naive = width(mean_interval(values, np.arange(360)))
    assert honest / naive == pytest.approx(np.sqrt(9), rel=0.1)


def test_twins_that_disagree_narrow_it(rng: np.random.Generator):
    first = rng.normal(size=40)
    values, clusters = np.concatenate([first, 1 - first]), np.tile(np.arange(40), 2)
    assert width(mean_interval(values, clusters)) < 1e-12
    assert width(mean_interval(values, np.arange(80))) > 0.3


def test_clusters_that_tell_nothing_change_little(rng: np.random.Generator):
    values, clusters = rng.normal(size=600), np.repeat(np.arange(200), 3)
    clustered = width(mean_interval(values, clusters))
    assert clustered == pytest.approx(width(mean_interval(values, np.arange(600))), rel=0.15)


def test_nineteen_of_twenty_intervals_hold_the_truth(rng: np.random.Generator):
    clusters = np.repeat(np.arange(40), 4)
    samples = rng.normal(size=(300, 40, 1)) + rng.normal(size=(300, 40, 4))
    intervals = [mean_interval(s.ravel(), clusters, draws=300) for s in samples]
    held = np.mean([low <= 0 <= high for low, high in map(ends, intervals)])
    assert 0.90 <= held <= 0.98


def test_nothing_has_no_mean():
    nothing, none = np.zeros(0), np.zeros(0, dtype=int)
    assert mean_interval(nothing, none) == Interval(value=None, n=0, n_units=0)
    assert ratio_intervals(np.zeros((2, 0)), nothing, none) == [Interval(value=None)] * 2


def test_one_cluster_has_a_mean_and_no_ends():
    got = mean_interval(np.array([1.0, 0.0, 0.5]), np.array([4, 4, 4]))
    assert got == Interval(value=0.5, low=None, high=None, n=3, n_units=1)


def test_values_without_variance_have_an_interval_without_width():
    got = mean_interval(np.full(6, 0.75), np.array([0, 0, 1, 1, 2, 3]))
    assert got == Interval(value=0.75, low=0.75, high=0.75, n=6, n_units=4)


def test_ends_are_none_rather_than_nan():
    top, bottom = np.array([1.0, 0.0, 2.0]), np.array([0.0, 0.0, 1.0])
    got = ratio_interval(top, bottom, np.arange(3))
    assert got == Interval(value=3.0, n=3, n_units=3)


def numpy_state() -> list[int]:
    return np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002


def test_the_seed_alone_decides(rng: np.random.Generator):
    values, clusters = rng.normal(size=30), np.arange(30)
    state = numpy_state()
    one, same, other = (mean_interval(values, clusters, seed=s) for s in (0, 0, 1))
    assert one == same
    assert ends(one) != ends(other)
    assert numpy_state() == state


def test_one_draw_crossed_with_clusters_is_the_clustered_mean(rng: np.random.Generator):
    values, clusters = rng.normal(size=30), np.arange(30) // 3
    crossed, clustered = crossed_interval(values[None], clusters), mean_interval(values, clusters)
    assert ends(crossed) == pytest.approx(ends(clustered))
    assert (crossed.n, crossed.n_units) == (clustered.n, clustered.n_units) == (30, 10)


def test_draws_widen_a_crossed_interval(rng: np.random.Generator):
    """20 draws that differ by a common shift each: its variance / 20 adds to that of clusters."""
    clusters = np.arange(400)
    noise, shift = rng.normal(size=(1, 400)), 2 * rng.normal(size=(20, 1))
    clustered = ends(crossed_interval(noise, clusters))
    crossed = ends(crossed_interval(noise + shift, clusters, draws=4000))
    width = np.hypot(np.ptp(clustered), 2 * 1.96 * shift.std() / np.sqrt(20))
    assert np.ptp(crossed) == pytest.approx(width, rel=0.1)
    assert np.mean(crossed) == pytest.approx((noise + shift).mean(), abs=0.1)


def test_crossed_intervals_of_nothing_and_of_one_cluster():
    assert crossed_interval(np.zeros((3, 0)), np.zeros(0, dtype=int)) == Interval(value=None)
    one = crossed_interval(np.ones((3, 2)), np.zeros(2, dtype=int))
    assert one == Interval(value=1.0, n=2, n_units=1)


def test_inputs_are_left_as_they_were(rng: np.random.Generator):
    values, clusters = rng.normal(size=10), np.arange(10) // 2
    before = values.copy(), clusters.copy()
    mean_interval(values, clusters)
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(clusters, before[1])


# Differences of two samples.


def test_a_sample_has_the_interval_of_its_mean_and_of_its_ratio(rng: np.random.Generator):
    values, clusters = rng.normal(size=(3, 30)), np.arange(30) // 3
    replicates = Sample.mean(values, clusters).replicates(np.random.default_rng(0), DRAWS)
    crossed = crossed_interval(values, clusters)
    assert np.quantile(replicates, [0.025, 0.975]) == pytest.approx(ends(crossed))
    assert Sample.mean(values, clusters).value == pytest.approx(crossed.value)
    top, bottom = values[:1], rng.uniform(1, 2, size=30)
    sample = Sample(top=top, bottom=bottom, clusters=clusters)
    ratio = ratio_interval(top[0], bottom, clusters)
    replicates = sample.replicates(np.random.default_rng(0), DRAWS)
    assert np.quantile(replicates, [0.025, 0.975]) == pytest.approx(ends(ratio))
    assert sample.value == pytest.approx(ratio.value)


def test_a_paired_difference_is_the_mean_of_differences(rng: np.random.Generator):
    """Of means it is the interval of the differences picture by picture, a plain loop agrees."""
    one, other = rng.normal(size=(2, 17))
    clusters = rng.choice([3, 10, 11, 40, 7], size=17)
    pair = (Sample.mean(values[None], clusters) for values in (one, other))
    found = difference(*pair, paired=True, draws=60, seed=5).interval
    assert found.value == pytest.approx((other - one).mean())
    assert ends(found) == pytest.approx(by_hand(other - one, np.ones(17), clusters, 60, 5))
    assert (found.n, found.n_units) == (17, 5)


def test_without_pairs_variances_add(rng: np.random.Generator):
    one, other = 3 * rng.normal(size=(1, 400)), 4 * rng.normal(size=(1, 300))
    pair = Sample.mean(one, np.arange(400)), Sample.mean(other, np.arange(300))
    found = difference(*pair, paired=False).interval
    expected = np.hypot(one.std() / 20, other.std() / np.sqrt(300))
    assert width(found) == pytest.approx(2 * 1.96 * expected, rel=0.06)
    assert (found.n, found.n_units) == (700, 700)


def test_pairs_that_go_together_narrow_the_interval(rng: np.random.Generator):
    shared = rng.normal(size=(1, 200))
    pair = [Sample.mean(shared + 0.1 * rng.normal(size=(1, 200)), np.arange(200)) for _ in "ab"]
    paired, apart = (difference(*pair, paired=paired).interval for paired in (True, False))
    assert width(paired) < 0.2 * width(apart)


@pytest.mark.parametrize("draws", [1, 20])
def test_a_sample_does_not_differ_from_itself(rng: np.random.Generator, draws: int):
    sample = Sample.mean(rng.normal(size=(draws, 40)), np.arange(40) // 4)
    found = difference(sample, sample, paired=True)
    assert found.p == 1
    assert (found.interval.value, *ends(found.interval)) == (0, 0, 0)


def test_p_finds_a_planted_difference_and_few_others(rng: np.random.Generator):
    def p_of(shift: float) -> float:
        values = rng.normal(size=(2, 1, 40))
        pair = Sample.mean(values[0], np.arange(40)), Sample.mean(values[1] + shift, np.arange(40))
        found = difference(*pair, paired=True, draws=300)
        low, high = ends(found.interval)
        assert found.p is not None
        assert (found.p < 0.04) <= (low > 0 or high < 0) <= (found.p < 0.07)
        return found.p

    assert all(p_of(2.0) == pytest.approx(2 / 301) for _ in range(20))
    assert np.mean([p_of(0.0) < 0.05 for _ in range(300)]) < 0.1


def test_what_cannot_be_paired_is_refused():
    sample = Sample.mean(np.ones((1, 4)), np.array([0, 0, 1, 1]))
    twice = Sample.mean(np.ones((2, 4)), np.array([0, 0, 1, 1]))
    moved = Sample.mean(np.ones((1, 4)), np.array([0, 1, 1, 1]))
    for other in (twice, moved):
        with pytest.raises(ValueError, match="paired: expected the same examples"):
            difference(sample, other, paired=True)


def test_one_cluster_leaves_a_difference_without_a_test():
    one = Sample.mean(np.ones((1, 4)), np.zeros(4, dtype=int))
    two = Sample.mean(np.zeros((1, 4)), np.array([0, 0, 1, 1]))
    found = difference(one, two, paired=False)
    assert found.interval == Interval(value=-1.0, n=8, n_units=3)
    assert found.p is None


# Seeds.


def test_seeds_agree_with_scipy(rng: np.random.Generator):
    values = rng.normal(3, 2, size=8)
    got = seed_interval(values)
    assert got.value == pytest.approx(values.mean())
    assert got.n == 8
    expected = scipy_stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert ends(got) == pytest.approx((expected.low, expected.high))


def test_two_seeds_by_hand():
    """t with one degree of freedom is 12.706; s / sqrt(2) of 0 and 1 is 0.5."""
    assert ends(seed_interval(np.array([0.0, 1.0]))) == pytest.approx((-5.853, 6.853), abs=1e-3)


@pytest.mark.parametrize(
    ("values", "value", "n"), [([], None, 0), ([0.4], 0.4, 1), ([0.4, np.nan], None, 2)]
)
def test_too_few_seeds_have_no_ends(values: list[float], value: float | None, n: int):
    got = seed_interval(np.array(values))
    assert (got.value, got.low, got.high, got.n) == (value, None, None, n)


def test_the_interval_over_seeds_covers_what_it_says(rng: np.random.Generator):
    draws = rng.normal(0.3, 1.0, size=(2000, 5))
    found = [ends(seed_interval(values)) for values in draws]
    covered = np.mean([low <= 0.3 <= high for low, high in found])
    assert covered == pytest.approx(0.95, abs=0.015)


def left_out(values: np.ndarray) -> np.ndarray:
    return np.stack([np.delete(values, k) for k in range(len(values))])


def test_the_jackknife_of_a_mean_is_the_interval_over_seeds(rng: np.random.Generator):
    values = rng.normal(size=6)
    got = jackknife_interval(values.mean(), left_out(values).mean(1))
    assert got.value == pytest.approx(values.mean())
    assert ends(got) == pytest.approx(ends(seed_interval(values)))


def test_the_jackknife_takes_the_bias_of_a_plug_in_variance_away(rng: np.random.Generator):
    """The variance over n becomes that over n - 1: Efron and Stein's textbook case."""
    values = rng.normal(size=9)
    got = jackknife_interval(values.var(), left_out(values).var(1))
    assert got.value == pytest.approx(values.var(ddof=1))


def test_the_jackknife_covers_a_ratio_of_means(rng: np.random.Generator):
    pairs = rng.normal([3.0, 6.0], 1.0, size=(1000, 12, 2))
    covered = 0
    for top, bottom in pairs.transpose(0, 2, 1):
        replicates = left_out(top).mean(1) / left_out(bottom).mean(1)
        low, high = ends(jackknife_interval(top.mean() / bottom.mean(), replicates))
        covered += low <= 0.5 <= high
    assert covered / 1000 == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize(
    ("value", "replicates", "expected"),
    [(0.4, [0.4], 0.4), (0.4, [0.4, np.nan], 0.4), (np.nan, [0.4, 0.4], None)],
)
def test_a_jackknife_without_replicates_has_no_ends(
    value: float, replicates: list[float], expected: float | None
):
    got = jackknife_interval(value, np.array(replicates))
    assert (got.value, got.low, got.high) == (expected, None, None)
