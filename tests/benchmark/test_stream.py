"""Means and intervals of sums by group, against plain loops over all rows."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import t as student

from lrinterp.benchmark.stream import Tally, macro
from lrinterp.stats import Interval, Units, mean_interval


def tallied(values: np.ndarray, groups: np.ndarray, chance: float = 0.5) -> Tally:
    tally = Tally()
    for value, group in zip(values.tolist(), groups.tolist(), strict=True):
        tally.add(value, chance, f"group {group}")
    return tally


def clustered(seed: int, groups: int = 60, each: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong rows whose groups are easy or hard; on average 0.6 are right."""
    rng = np.random.default_rng(seed)
    ease = rng.beta(3.0, 2.0, groups)
    member = np.repeat(np.arange(groups), each)
    return (rng.random(member.size) < ease[member]).astype(float), member


def ends(found: Interval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_the_interval_is_that_of_all_rows():
    values, member = clustered(0)
    tally = tallied(values, member)
    ours, theirs = tally.interval, mean_interval(values, Units.of_groups(member))
    assert (ours.n, ours.n_units) == (tally.n, len(tally.sums)) == (300, 60)
    assert (ours.value, *ends(ours)) == pytest.approx((theirs.value, *ends(theirs)))
    alone = tallied(values, np.arange(values.size)).interval
    assert ends(alone)[0] > ends(ours)[0] + 0.01  # rows taken as independent would be too sure


def test_the_order_of_rows_does_not_matter():
    values, member = clustered(1)
    mixed = np.random.default_rng(0).permutation(values.size)
    one, other = tallied(values, member), tallied(values[mixed], member[mixed])
    assert ends(one.interval) == pytest.approx(ends(other.interval))


def test_chance_is_the_mean_over_rows():
    tally = Tally()
    for chance in (0.5, 0.5, 0.25):
        tally.add(1.0, chance, "a")
    assert tally.chance == pytest.approx(1.25 / 3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """In each of 120 samples of other groups, 95 % of intervals should hold 0.6."""
    held, alone = 0, 0
    for seed in range(120):
        values, member = clustered(seed, groups=40)
        low, high = ends(tallied(values, member).interval)
        held += low <= 0.6 <= high
        low, high = ends(tallied(values, np.arange(values.size)).interval)
        alone += low <= 0.6 <= high
    assert 0.9 <= held / 120 <= 0.99
    assert alone < held


def test_a_single_group_has_no_interval():
    found = tallied(np.array([1.0, 0.0, 1.0]), np.zeros(3, int)).interval
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), None, None)
    assert macro([tallied(np.ones(3), np.zeros(3, int))]).low is None


def test_the_macro_mean_has_no_weights():
    many, few = tallied(np.ones(90), np.arange(90)), tallied(np.zeros(10), np.arange(85, 95))
    found = macro([many, few])
    assert found.value == 0.5
    assert (found.n, found.n_units) == (100, 95)


def test_a_macro_mean_of_one_is_its_mean():
    tally = tallied(*clustered(2))
    assert ends(macro([tally])) == pytest.approx(ends(tally.interval))


def by_hand(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The macro interval from means without each group; an empty part is left out."""

    def mean_of(kept: Sequence[np.ndarray]) -> float:
        return float(np.mean([part.mean() for part in kept if part.size]))

    def log_odds(value: float, n: int) -> float:
        return math.log((value * n + 0.5) / ((1 - value) * n + 0.5))

    n = sum(values.size for values, _ in parts)
    value, means, odds, sizes = mean_of([values for values, _ in parts]), [], [], []
    for group in sorted({g for _, groups in parts for g in groups.tolist()}):
        kept = [values[groups != group] for values, groups in parts]
        n_left = sum(part.size for part in kept)
        means.append(mean_of(kept))
        odds.append(log_odds(means[-1], n_left))
        sizes.append(n - n_left)
    share = (value * n + 0.5) / (n + 1)
    most = np.var(means) * len(means) * (1.25 / share / (1 - share)) ** 2
    error = math.sqrt(min(np.var(odds) * len(odds), most))
    freedom = sum(s**2 for s in sizes) ** 2 / sum(s**4 for s in sizes) - 1
    half = student.ppf(0.975, freedom) * error
    low, high = (1 / (1 + math.exp(-log_odds(value, n) - x)) for x in (-half, half))
    return min(low, value), max(high, value)


@pytest.mark.parametrize("singles", [0, 1])
def test_the_macro_interval_leaves_a_group_out_of_every_relation(singles: int):
    """Relations share groups; all rows of so many further ones are of one group."""
    rng = np.random.default_rng(3)
    parts = [
        ((rng.random(n) < p).astype(float), rng.integers(12, size=n))
        for n, p in ((60, 0.4), (25, 0.8))
    ]
    parts += singles * [(np.array([1.0, 0.0]), np.array([5, 5]))]
    found = macro([tallied(*part) for part in parts])
    assert ends(found) == pytest.approx(by_hand(parts))


def test_the_macro_interval_is_that_of_two_independent_means():
    """Half the root of the summed squares of the parts' half widths."""
    rng = np.random.default_rng(3)
    parts = [(rng.random(100) < p).astype(float) for p in (0.3, 0.7)]
    tallies = [tallied(v, np.arange(100) + 100 * k) for k, v in enumerate(parts)]

    def half(one: Interval) -> float:
        low, high = ends(one)
        return (high - low) / 2

    one, other = (half(tally.interval) for tally in tallies)
    assert half(macro(tallies)) == pytest.approx(np.hypot(one, other) / 2, rel=0.1)
