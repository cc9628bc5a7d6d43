"""Streaming means and intervals, against those of a bootstrap that has all rows."""

import numpy as np
import pytest

from lrinterp.benchmark import stream
from lrinterp.benchmark.stream import (
    DRAWS,
    Distinct,
    Tally,
    cluster_of,
    macro,
    times_drawn,
    union,
)
from lrinterp.stats import mean_interval


def tallied(values: np.ndarray, clusters: np.ndarray, chance: float = 0.5) -> Tally:
    tally = Tally()
    for value, cluster in zip(values.tolist(), clusters.tolist(), strict=True):
        tally.add(value, chance, cluster_of(f"cluster {cluster}"))
    return tally


def clustered(seed: int, clusters: int = 60, each: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong rows whose clusters are easy or hard; on average 0.6 are right."""
    rng = np.random.default_rng(seed)
    ease = rng.beta(3.0, 2.0, clusters)
    member = np.repeat(np.arange(clusters), each)
    return (rng.random(member.size) < ease[member]).astype(float), member


def test_the_interval_is_close_to_that_of_the_whole_bootstrap():
    values, member = clustered(0)
    ours, theirs = tallied(values, member).interval, mean_interval(values, member)
    assert ours.value == pytest.approx(theirs.value)
    assert (ours.n, ours.n_units) == (theirs.n, theirs.n_units) == (300, 60)
    assert ours.low is not None
    assert ours.high is not None
    assert theirs.low is not None
    assert theirs.high is not None
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)
    unclustered = tallied(values, np.arange(values.size)).interval
    assert unclustered.low is not None
    assert unclustered.low > ours.low + 0.01  # rows taken as independent would be too sure


def test_the_order_of_rows_does_not_matter():
    values, member = clustered(1)
    mixed = np.random.default_rng(0).permutation(values.size)
    one, other = tallied(values, member), tallied(values[mixed], member[mixed])
    np.testing.assert_allclose(one.replicates, other.replicates)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Drawing keys anew in each of 120 samples, 95 % of intervals should hold 0.6."""
    held = 0
    for seed in range(120):
        values, member = clustered(seed, clusters=40)
        found = tallied(values, member + 1000 * seed).interval
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.6 <= found.high
    assert 0.88 <= held / 120 <= 0.99


def test_draws_are_poisson_and_follow_the_key_alone():
    times = times_drawn(cluster_of("cat, dog"))
    assert times.shape == (DRAWS,)
    assert times.mean() == pytest.approx(1, abs=0.1)
    assert times.var() == pytest.approx(1, abs=0.2)
    assert cluster_of("cat, dog") == 16448327724964427038
    assert not np.array_equal(times, times_drawn(cluster_of("cat, cow")))
    together = np.corrcoef(times, times_drawn(cluster_of("cat, cow")))[0, 1]
    assert abs(together) < 0.1


def test_a_single_cluster_has_no_interval():
    found = tallied(np.array([1.0, 0.0, 1.0]), np.zeros(3, int)).interval
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), None, None)
    two = tallied(np.array([1.0, 0.0]), np.arange(2)).interval
    assert (two.low, two.high) == (0.0, 1.0)


def test_the_macro_mean_has_no_weights():
    many, few = tallied(np.ones(90), np.arange(90)), tallied(np.zeros(10), np.arange(85, 95))
    found = macro([many, few])
    assert found.value == 0.5
    assert (found.n, found.n_units) == (100, 95)
    assert (found.low, found.high) == (0.5, 0.5)


def test_the_macro_interval_is_that_of_two_independent_means():
    """Half the root of the summed squares of the parts' half widths."""
    rng = np.random.default_rng(3)
    parts = [(rng.random(100) < p).astype(float) for p in (0.3, 0.7)]
    tallies = [tallied(v, np.arange(100) + 100 * k) for k, v in enumerate(parts)]

    def half(one) -> float:
        return (one.high - one.low) / 2

    one, other = (half(tally.interval) for tally in tallies)
    expected = np.hypot(one, other) / 2
    assert half(macro(tallies)) == pytest.approx(expected, rel=0.1)


def test_a_relation_that_a_resample_misses_is_left_out_of_it():
    """A macro mean of one certain relation and one of a single cluster stays defined."""
    found = macro([tallied(np.ones(50), np.arange(50)), tallied(np.zeros(1), np.array([99]))])
    assert found.value == 0.5
    assert (found.low, found.high) == (0.5, 1.0)  # e^-1 of the resamples lack the second


def test_few_clusters_are_counted_exactly():
    seen = Distinct()
    for k in [*range(100), *range(50)]:
        seen.add(cluster_of(str(k)))
    assert seen.count == 100


def test_many_clusters_are_estimated_in_bounded_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "KEPT", 1000)
    parts = [Distinct(), Distinct()]
    for k in range(20_000):
        parts[k % 3 == 0].add(cluster_of(str(k)))
        parts[1].add(cluster_of("0"))
    assert all(len(part.held) <= 2000 for part in parts)
    assert parts[0].count == pytest.approx(13_333, rel=0.1)  # three times 1 / sqrt(1000)
    assert union(parts).count == pytest.approx(20_000, rel=0.1)
    assert len(union(parts).held) <= 2000
