"""Two measurements of the same: their difference with interval and p value, or how far they agree.

Two samples are paired where they hold the same examples in the same order. Labels that pairs share
forbid flipping signs pair by pair (half of all nulls would be rejected): there p comes from the
jackknife. Groups that are independent of each other have a sign-flip test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit
from scipy.stats import rankdata

from lrinterp.stats.intervals import Sample, gap_of
from lrinterp.stats.jackknife import LEVEL, LINEAR, ROUNDING, Interval, LeftOut, Scale

__all__ = ["FEWEST", "Difference", "added", "agreement_of", "difference"]

FEWEST = 3
"""Things below which nothing can be said of an agreement."""
FLIPS = 9999
"""Sign flips that are drawn where there are too many to try them all."""
AT_ONCE = 2**21
"""Flips times units that are held at once."""
EXACT = 13
"""Units up to which all 2^n sign flips are tried."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference with its interval, and how often chance alone would make one as large."""

    interval: Interval
    p: float | None
    """Two-sided; None where there is no interval."""
    least: float | None = None
    """The smallest p that these units could give; None where any is possible."""


def difference(one: Sample, other: Sample, *, paired: bool, seed: int = 0) -> Difference:
    """`other` minus `one` with a 95 % interval and a two-sided p value.

    Paired: both are measured on the same examples in the same order, and a unit is left out of
    both at once. Otherwise the widths of both add in squares, see `added`. p is that of
    a t test on the scale of the interval; where pairs belong to one unit each, that of exchanging
    both samples in whole units (all 2^n ways up to 13 units, 9,999 drawn ones beyond). n counts
    examples, and units, of both samples, once where they are paired. A sample with a single unit
    leaves no interval. Raises ValueError where a pair does not match.

    Source: Arvesen, "Jackknifing U-statistics" (Ann. Math. Stat. 1969); Phipson and Smyth,
    "Permutation p-values should never be zero" (SAGMB 2010).

    >>> import numpy as np
    >>> from lrinterp.stats import Units
    >>> units = Units.of_groups(np.array([0, 0, 1, 1]))
    >>> right, wrong = (Sample.mean(np.full((1, 4), v), units) for v in (1.0, 0.0))
    >>> found = difference(wrong, right, paired=True)
    >>> found.interval.value, found.p, found.least
    (1.0, 0.5, 0.5)
    """
    if not paired:
        return added(one.interval, other.interval, gap_of(one.scale, other.scale))
    if len(one.top) != len(other.top) or not one.units.same(other.units):
        raise ValueError("paired: expected the same examples and number of draws in both samples")
    whole = other.minus(one)
    found = whole.interval()
    if found.low is None:
        return Difference(interval=found, p=None)
    if one.units.member.shape[1] == 1:
        n, p = one.units.n, flipped(one, other, seed)
        return Difference(
            interval=found, p=p, least=2.0 ** (1 - n) if n <= EXACT else 1 / (1 + FLIPS)
        )
    return Difference(interval=found, p=jackknife_p(whole, found))


def jackknife_p(whole: LeftOut, found: Interval) -> float:
    """Two-sided p of a value of 0, by how far 0 lies beyond the end on its side, on the scale."""
    end = found.low if whole.value > 0 else found.high
    places = np.array([0.0, whole.value, end or 0.0])
    zero, value, end = whole.scale.of(places, np.full(3, float(whole.n))).tolist()
    return t_p(abs(value - zero), abs(value - end), whole.variance[1])


def t_p(distance: float, half: float, freedom: float) -> float:
    """Two-sided p at a distance from the value whose 95 % interval has this half width."""
    if half <= ROUNDING:
        return float(distance <= ROUNDING)
    return float(2 * stdtr(freedom, -distance / half * stdtrit(freedom, (1 + LEVEL) / 2)))


def flipped(one: Sample, other: Sample, seed: int) -> float:
    """How often exchanging the two samples in some units makes a difference as large."""
    (a, b), (u, v) = (s.units.sums(np.stack([s.top.mean(0), s.bottom])) for s in (one, other))
    moved = []
    for swap in exchanges(one.units.n, seed):
        tops, bottoms = a.sum() + swap @ (u - a), b.sum() + swap @ (v - b)
        with np.errstate(divide="ignore", invalid="ignore"):
            others = (a.sum() + u.sum() - tops) / (b.sum() + v.sum() - bottoms)
            moved.append(np.abs(others - tops / bottoms))
    found = np.nan_to_num(np.concatenate(moved), nan=np.inf)
    return float(np.mean(found >= abs(other.value - one.value) - ROUNDING))


def exchanges(n_units: int, seed: int) -> Iterator[Float[np.ndarray, "flip unit"]]:
    """1 where a unit is exchanged, some flips at a time; the first flip exchanges none."""
    if n_units <= EXACT:
        yield (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)
        return
    rng, some = np.random.default_rng(seed), max(1, AT_ONCE // n_units)
    yield np.zeros((1, n_units))
    for first in range(0, FLIPS, some):
        yield (rng.random((min(some, FLIPS - first), n_units)) < 0.5).astype(float)


def added(one: Interval, other: Interval, scale: Scale = LINEAR) -> Difference:
    """`other` minus `one` for independent numbers of which only the intervals are known.

    Formula: each end lies as far from the difference as the ends that move it there lie from their
    values, squares added, within the bounds of the scale; p from the end on the side of 0, with the
    fewer degrees of freedom of both.

    Source: Zou and Donner, "Construction of confidence limits about effect measures" (Statistics in
    Medicine 2008).
    """
    counts = {"n": one.n + other.n, "n_units": one.n_units + other.n_units}
    known = np.array([[x.value, x.low, x.high] for x in (one, other)], dtype=float)  # None is nan
    (a, a_low, a_high), (b, b_low, b_high) = known.tolist()
    value = b - a
    if np.isnan(known).any():
        plain = None if np.isnan(value) else value
        return Difference(interval=Interval(value=plain, **counts), p=None)
    down, up = float(np.hypot(b - b_low, a_high - a)), float(np.hypot(b_high - b, a - a_low))
    low, high = max(value - down, scale.low), min(value + up, scale.high)
    freedom = float(max(min(one.n_units, other.n_units) - 1, 1))
    return Difference(
        interval=Interval(value=value, low=low, high=high, **counts),
        p=t_p(abs(value), down if value > 0 else up, freedom),
    )


def agreement_of(
    exact: Float[np.ndarray, "thing"], estimate: Float[np.ndarray, "thing"]
) -> dict[str, Any]:
    """Pearson, Spearman, slope through the origin, n; None where a column is constant.

    >>> import numpy as np
    >>> agreement_of(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 0.5]))["slope"]
    0.5
    """
    squares, enough = float(exact @ exact), len(exact) >= FEWEST
    return {
        "pearson": correlation(exact, estimate),
        "spearman": correlation(rankdata(exact), rankdata(estimate)),
        "slope": float(exact @ estimate) / squares if squares and enough else None,
        "n": len(exact),
    }


def correlation(x: Float[np.ndarray, "thing"], y: Float[np.ndarray, "thing"]) -> float | None:
    """Pearson's r, or None."""
    if len(x) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return None
    return float(np.corrcoef(x, y)[0, 1])
