"""Intervals of one number of one model: a jackknife over units, on a scale that keeps its bounds.

Each unit is left out in turn. What the number does then, on the scale (log odds for a share), says
how far other units would move it. `analyses/coverage` simulates how often such an interval holds
the truth. A number that depends on weights alone has no interval: use a bare value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import stdtrit

from lrinterp.stats.scales import LINEAR, SHARE, Scale
from lrinterp.stats.units import Units

__all__ = [
    "LEVEL",
    "Interval",
    "LeftOut",
    "mean_interval",
    "ratio_interval",
    "ratio_intervals",
    "statistic_interval",
]

LEVEL = 0.95
AT_MOST = 1.25
"""Standard errors of the delta method that a jackknife on a bounded scale may have."""
ROUNDING = 1e-12
"""Variance that rounding alone makes."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with the ends of its interval; both ends are None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Examples."""
    n_units: int = 0
    """Units that were drawn independently."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """A number, and the same without each unit: what an interval is made of."""

    value: float
    replicates: Float[np.ndarray, "unit"]
    n: int
    """Examples."""
    n_left: Float[np.ndarray, "unit"]
    """Examples that remain without each unit."""
    units: Units
    scale: Scale
    draws: Float[np.ndarray, "draw"] | None = None
    """The number without each random draw, where there are several."""
    biased: bool = False
    """Is it neither a mean nor a ratio, so that few units bias it?"""

    @property
    def spread(self) -> bool:
        """Does the number depend on the units, or on the draws?"""
        parts = [self.replicates, *([] if self.draws is None else [self.draws])]
        return any(float(np.ptp(part)) > ROUNDING for part in parts)

    @property
    def centre(self) -> float:
        """The number on the scale, freed of its first-order bias where that is wanted."""
        own = self.scale.at(self.value, self.n)
        if not self.biased:
            return own
        without = self.scale.of(self.replicates, self.n_left)
        return own + (self.units.n - 1) * (own - float(without.mean()))

    @property
    def variance(self) -> tuple[float, float]:
        """Variance on the scale and its degrees of freedom.

        Units: the sum of squared deviations of the replicates from their mean. That is the
        jackknife's without its factor (L - 1) / L, with which few units cover too seldom. On a
        bounded scale it is at most 1.25² times that of the delta method: where one unit holds all
        errors, the scale would take its absence for certainty. Draws add theirs; of both degrees of
        freedom the fewer count.
        """
        by_units = squares(self.scale.of(self.replicates, self.n_left))
        if self.scale.bounded:
            slope = self.scale.slope(self.value, self.n)
            by_units = min(by_units, squares(self.replicates) * (AT_MOST * slope) ** 2)
        freedom = self.units.effective - 1
        if self.draws is None:
            return by_units, freedom
        d = len(self.draws)
        drawn = self.scale.of(self.draws, np.full(d, float(self.n)))
        by_draws = float((d - 1) / d * ((drawn - drawn.mean()) ** 2).sum())
        return by_units + by_draws, min(freedom, float(d - 1))

    def interval(self) -> Interval:
        """Student's t on the scale; without ends for fewer than two units."""
        counts = {"n": self.n, "n_units": self.units.n}
        if not np.isfinite(self.value):
            return Interval(value=None, **counts)
        if (
            self.units.n < 2
            or self.units.effective < 2 - ROUNDING
            or not np.isfinite(self.replicates).all()
        ):
            return Interval(value=float(self.value), **counts)
        low, high = self.ends()
        return Interval(value=float(self.value), low=low, high=high, **counts)

    def ends(self) -> tuple[float, float]:
        """Both ends, which hold the value."""
        if self.scale.counted and not self.spread:
            return self.ends_without_spread()
        variance, freedom = self.variance
        centre = self.centre
        half = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))
        low, high = self.scale.back(np.array([centre - half, centre + half])).tolist()
        low, high = min(low, self.value), max(high, self.value)
        return max(low, self.scale.low), min(high, self.scale.high)

    def ends_without_spread(self) -> tuple[float, float]:
        """Where no unit differs from another: the ends if one example more had come out otherwise.

        Units that agree exactly (all right, or one of each two mirror images) are no proof that the
        next one will. So the interval is the one that a single example counted the other way would
        give, in either direction; it ends at a bound where the value lies on it. Of n independent
        groups a share q has this value with q >= 0.025^(1/n), whatever the others have: where that
        says more, it counts.
        """
        step, low, high = 1 / self.n, self.value, self.value
        for moved in (self.value - step, self.value + step):
            if self.scale.low <= moved <= self.scale.high:
                ends = self.with_one_other(moved).ends()
                low, high = min(low, ends[0]), max(high, ends[1])
        if self.units.roles > 1:
            return low, high
        alike = ((1 - LEVEL) / 2) ** (1 / self.units.n)
        least = alike * self.value + (1 - alike) * self.scale.low
        return max(low, least), min(high, alike * self.value + (1 - alike) * self.scale.high)

    def with_one_other(self, value: float) -> "LeftOut":
        """The same with one example counted otherwise; without its units it is not seen."""
        sees = np.ones(self.units.n, dtype=bool)
        sees[self.units.member[0][self.units.member[0] >= 0]] = False
        step = (value - self.value) * self.n / np.maximum(self.n_left, 1)
        other = np.clip(self.value + step, self.scale.low, self.scale.high)
        replicates = np.where(sees, other, self.value)
        kept = {"n": self.n, "n_left": self.n_left, "units": self.units, "scale": self.scale}
        return LeftOut(value=value, replicates=replicates, **kept)


def mean_interval(
    values: Float[np.ndarray, "example"], units: Units, *, scale: Scale = SHARE
) -> Interval:
    """Mean with a 95 % interval from a jackknife over units.

    Formula, on the scale g (for a share g = log((S + ½) / (n - S + ½)) with S the sum of n values):
    g ± t(0.975, L - 1) sqrt(sum over units of (g without the unit - their mean)²), brought back by
    the inverse of g; L is `Units.effective`. The root is at most 1.25 times what the delta method
    makes of the number itself, see `LeftOut.variance`. An empty sample gives value
    None with n = 0, a single unit the mean without ends. Where no unit differs from another, see
    `LeftOut.ends_without_spread`. Simulated coverage: `analyses/coverage`.

    Source: Miller, "The jackknife: a review" (Biometrika 1974), for the logit; Arvesen,
    "Jackknifing U-statistics" (Ann. Math. Stat. 1969), for pairs of labels.

    >>> pairs = Units.of_labels(np.array([[0, 1], [0, 2], [1, 2]]))
    >>> found = mean_interval(np.array([1.0, 1.0, 0.0]), pairs)
    >>> round(found.value, 2), found.n, found.n_units
    (0.67, 3, 3)
    """
    return ratio_intervals(values[None], np.ones_like(values), units, scale=scale)[0]


def ratio_interval(
    numerator: Float[np.ndarray, "example"],
    denominator: Float[np.ndarray, "example"],
    units: Units,
    *,
    scale: Scale = LINEAR,
) -> Interval:
    """Ratio of means, sum(numerator) / sum(denominator), with the interval of `mean_interval`."""
    return ratio_intervals(numerator[None], denominator, units, scale=scale)[0]


def ratio_intervals(
    numerators: Float[np.ndarray, "row example"],
    denominator: Float[np.ndarray, "example"],
    units: Units,
    *,
    scale: Scale = LINEAR,
) -> list[Interval]:
    """`ratio_interval` of many numerators over one denominator."""
    if denominator.size == 0:
        return [Interval(value=None) for _ in numerators]
    values, replicates = left_out(numerators, denominator, units)
    n = denominator.size
    counts = {"n": n, "n_left": n - units.sizes, "units": units, "scale": scale}
    return [
        LeftOut(value=value, replicates=row, **counts).interval()
        for value, row in zip(values.tolist(), replicates, strict=True)
    ]


def statistic_interval(
    statistic: Callable[[Bool[np.ndarray, "example"]], float], units: Units, *, scale: Scale
) -> Interval:
    """Any statistic of the examples that a mask keeps, with an interval from the same jackknife.

    For what is neither a mean nor a ratio of means, such as a rank correlation: the interval lies
    around the number less its first-order bias. Where a statistic is not defined without some unit
    there are no ends.

    Source: Tukey, "Bias and confidence in not-quite large samples" (Ann. Math. Stat. 1958).
    """
    n = len(units)
    if n == 0:
        return Interval(value=None)
    kept = (~(units.member == unit).any(1) for unit in range(units.n))
    return LeftOut(
        value=statistic(np.ones(n, dtype=bool)),
        replicates=np.array([statistic(mask) if mask.any() else np.nan for mask in kept]),
        n=n,
        n_left=n - units.sizes,
        units=units,
        scale=scale,
        biased=True,
    ).interval()


def squares(values: Float[np.ndarray, "some"]) -> float:
    """Sum of squared deviations from the mean."""
    return float(((values - values.mean()) ** 2).sum())


def left_out(
    numerators: Float[np.ndarray, "row example"],
    denominator: Float[np.ndarray, "example"],
    units: Units,
) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row unit"]]:
    """Ratios of sums, and the same without each unit; nan where nothing remains to divide by."""
    tops, bottom = units.sums(numerators), units.sums(denominator[None])[0]
    top, whole = numerators.sum(1), denominator.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return top / whole, (top[:, None] - tops) / np.where(
            np.isclose(whole, bottom), np.nan, whole - bottom
        )
