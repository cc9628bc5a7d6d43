"""The unweighted mean over strata and its interval, against plain loops over all rows."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import t as student

from lrinterp.benchmark.macro import Macro
from lrinterp.stats import SHARE, Interval, Sample, Units, difference, mean_interval

Part = tuple[np.ndarray, np.ndarray]
"""Values and groups of a stratum."""


def macro(*parts: Part) -> Macro:
    values, groups = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    stratum = np.repeat(np.arange(len(parts)), [len(part) for part, _ in parts])
    return Macro.of(values, stratum, Units.of_groups(groups))


def ends(found: Interval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_the_mean_has_no_weights():
    found = macro((np.ones(90), np.arange(90)), (np.zeros(10), np.arange(85, 95))).interval
    assert (found.value, found.n, found.n_units) == (0.5, 100, 95)


def test_of_one_stratum_it_is_its_mean():
    rng = np.random.default_rng(2)
    groups = rng.integers(30, size=150)
    values = (rng.random(150) < 0.6).astype(float)
    plain = mean_interval(values, Units.of_groups(groups))
    found = macro((values, groups)).interval
    assert found.value == pytest.approx(plain.value)
    assert ends(found) == pytest.approx(ends(plain))


def test_a_single_group_has_no_interval():
    found = macro((np.array([1.0, 0.0, 1.0]), np.zeros(3, int))).interval
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), None, None)


def without_each(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """The mean without each group, and the rows that remain; an empty stratum is left out."""
    means, sizes = [], []
    for group in sorted({g for _, groups in parts for g in groups.tolist()}):
        kept = [values[groups != group] for values, groups in parts]
        means.append(np.mean([part.mean() for part in kept if part.size]))
        sizes.append(sum(part.size for part in kept))
    return np.array(means), np.array(sizes)


def by_hand(parts: Sequence[Part]) -> tuple[float, float]:
    """The interval from means without each group."""

    def log_odds(value: float, n: int) -> float:
        return math.log((value * n + 0.5) / ((1 - value) * n + 0.5))

    n = sum(values.size for values, _ in parts)
    value = float(np.mean([values.mean() for values, _ in parts]))
    means, n_left = without_each(parts)
    odds = [log_odds(*pair) for pair in zip(means, n_left, strict=True)]
    share = (value * n + 0.5) / (n + 1)
    most = np.var(means) * len(means) * (1.25 / share / (1 - share)) ** 2
    error = math.sqrt(min(np.var(odds) * len(odds), most))
    sizes = n - n_left
    freedom = (sizes**2).sum() ** 2 / (sizes**4).sum() - 1
    half = student.ppf(0.975, freedom) * error
    low, high = (1 / (1 + math.exp(-log_odds(value, n) - x)) for x in (-half, half))
    return min(low, value), max(high, value)


def shared_groups(seed: int, singles: int = 0) -> list[Part]:
    """Two strata that share groups; all rows of so many further ones are of one group."""
    rng = np.random.default_rng(seed)
    parts = [
        ((rng.random(n) < p).astype(float), rng.integers(12, size=n))
        for n, p in ((60, 0.4), (25, 0.8))
    ]
    return parts + singles * [(np.array([1.0, 0.0]), np.array([5, 5]))]


@pytest.mark.parametrize("singles", [0, 1])
def test_the_interval_leaves_a_group_out_of_every_stratum(singles: int):
    parts = shared_groups(3, singles)
    found = macro(*parts)
    assert found.replicates == pytest.approx(without_each(parts)[0])
    assert ends(found.interval) == pytest.approx(by_hand(parts))


def test_the_interval_is_that_of_two_independent_means():
    """Half the root of the summed squares of the parts' half widths."""
    rng = np.random.default_rng(3)
    parts = [
        ((rng.random(100) < p).astype(float), np.arange(100) + k) for p, k in ((0.3, 0), (0.7, 100))
    ]

    def half(one: Sample) -> float:
        low, high = ends(one.interval)
        return (high - low) / 2

    one, other = (half(macro(part)) for part in parts)
    assert half(macro(*parts)) == pytest.approx(np.hypot(one, other) / 2, rel=0.1)


def test_p_exchanges_two_models_in_every_subset_of_groups():
    """Against all 2^12 exchanges, one by one, of the rows themselves."""
    one, other = shared_groups(4), shared_groups(5)
    other = [(values, groups) for (values, _), (_, groups) in zip(other, one, strict=True)]
    own = macro(*one).value - macro(*other).value
    as_large = 0
    for flips in range(2**12):
        swapped = [flips >> groups & 1 == 1 for _, groups in one]
        means = [
            np.mean(np.where(swap, b, a) - np.where(swap, a, b))
            for swap, (a, _), (b, _) in zip(swapped, one, other, strict=True)
        ]
        as_large += abs(np.mean(means)) >= abs(own) - 1e-12
    found = difference(macro(*other), macro(*one), paired=True)
    assert found.interval.value == pytest.approx(own)
    assert found.p == pytest.approx(as_large / 2**12)
    assert 0 < as_large < 2**12


def test_it_says_its_value_to_whoever_reads_it_as_a_plain_sample():
    found = macro(*shared_groups(6, 1))
    plain = Sample(top=found.top, bottom=found.bottom, units=found.units, scale=SHARE)
    assert plain.value == pytest.approx(found.value)
