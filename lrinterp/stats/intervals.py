"""Intervals: of one number of one model over its units, and of one number over models.

A number that depends on weights alone has no interval: use a bare value. Over models a seed is a
unit, and gives one number.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import stdtrit

from lrinterp.stats.jackknife import (
    GAP,
    LEVEL,
    LINEAR,
    SHARE,
    Interval,
    LeftOut,
    Scale,
    Units,
)

__all__ = [
    "Sample",
    "gap_of",
    "jackknife_interval",
    "mean_interval",
    "ratio_interval",
    "ratio_intervals",
    "seed_interval",
    "statistic_interval",
]

EXAMPLES = 1000
"""Examples that the number of a seed is taken to rest on where nobody says."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What a mean, or a ratio of means, is made of: kept so that two of them can be compared."""

    top: Float[np.ndarray, "draw example"]
    """Values of each example in each random draw; one draw where nothing is random."""
    bottom: Float[np.ndarray, "example"]
    """What they are divided by; ones for a mean."""
    units: Units
    scale: Scale = LINEAR

    @classmethod
    def mean(
        cls, values: Float[np.ndarray, "draw example"], units: Units, scale: Scale = SHARE
    ) -> "Sample":
        """The sample of a plain mean."""
        return cls(top=values, bottom=np.ones(values.shape[1]), units=units, scale=scale)

    @property
    def value(self) -> float:
        """Sum of the tops, averaged over draws, by the sum of the bottoms."""
        return float(quotient(self.top.mean(0).sum(), self.bottom.sum()))

    @property
    def by_draw(self) -> Float[np.ndarray, "draw"]:
        """The value in each draw."""
        return quotient(self.top.sum(1), self.bottom.sum())

    @property
    def replicates(self) -> Float[np.ndarray, "unit"]:
        """The value without each unit; nan where nothing remains to divide by."""
        top, whole = self.top.mean(0), self.bottom.sum()
        tops, bottoms = self.units.sums(np.stack([top, self.bottom]))
        rest = np.where(np.isclose(whole, bottoms), np.nan, whole - bottoms)
        return quotient(top.sum() - tops, rest)

    @property
    def interval(self) -> Interval:
        """The value with its interval, which covers other draws and other units.

        Draws count as independent of units, and their variances add, on the scale. n counts
        examples, once each. No example gives value None.

        Source: Owen, "The pigeonhole bootstrap" (Annals of Applied Statistics 2007), for both ways.
        """
        if not len(self.bottom):
            return Interval(value=None)
        return self._left_out(self.value, self.replicates, self.by_draw, self.scale).interval()

    def _left_out(
        self,
        value: float,
        replicates: Float[np.ndarray, "unit"],
        by_draw: Float[np.ndarray, "draw"],
        scale: Scale,
    ) -> LeftOut:
        d, n = len(by_draw), len(self.bottom)
        return LeftOut(
            value=value,
            replicates=replicates,
            n=n,
            n_left=n - self.units.sizes,
            units=self.units,
            scale=scale,
            draws=(by_draw.sum() - by_draw) / (d - 1) if d > 1 else None,
        )

    def minus(self, other: "Sample") -> LeftOut:
        """This minus another one of the same examples, with the same left out of both."""
        by_draw = self.by_draw - (other.by_draw if len(other.top) == len(self.top) else other.value)
        value, replicates = self.value - other.value, self.replicates - other.replicates
        return self._left_out(value, replicates, by_draw, gap_of(self.scale, other.scale))


def quotient(top: Any, bottom: Any) -> Any:
    """One number, or some, by another; nan or infinite where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return top / bottom


def gap_of(one: Scale, other: Scale) -> Scale:
    """The scale of a difference of two numbers."""
    return GAP if one.counted and other.counted else LINEAR


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
    return Sample.mean(values[None], units, scale).interval


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
    return [
        Sample(top=row[None], bottom=denominator, units=units, scale=scale).interval
        for row in numerators
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


def seed_interval(
    values: Float[np.ndarray, "seed"], scale: Scale = LINEAR, *, n_examples: int = EXAMPLES
) -> Interval:
    """Mean over seeds with a 95 % interval; n counts seeds.

    Formula: mean ± t(0.975, n - 1) s / sqrt(n), with s the standard deviation over n - 1. On a
    bounded scale the jackknife of `mean_interval` over seeds, each a mean of `n_examples`, so that
    an accuracy near 1 has no end beyond 1. No seed gives value None, a single one no ends. Where
    one model in eight fails, no interval over a few seeds covers: show the seeds.

    Source: Student, "The probable error of a mean" (Biometrika 1908).

    >>> import numpy as np
    >>> found = seed_interval(np.array([0.9, 1.0, 0.8, 0.9]))
    >>> print(f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]")  # t is 3.18, s / 2 is 0.041
    0.90 [0.77, 1.03]
    """
    n = values.size
    nothing = Interval(value=None, n=n, n_units=n)
    if n == 0 or not np.isfinite(values).all():
        return nothing
    if scale.bounded:
        whole = LeftOut(
            value=float(values.mean()),
            replicates=(values.sum() - values) / max(n - 1, 1),
            n=n * n_examples,
            n_left=np.full(n, (n - 1.0) * n_examples),
            units=Units.of_groups(np.arange(n)),
            scale=scale,
        )
        return replace(whole.interval(), n=n)
    mean = float(values.mean())
    if n == 1:
        return replace(nothing, value=mean)
    spread = values.std(ddof=1) if np.ptp(values) else 0.0  # equal numbers have no rounding error
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * spread / np.sqrt(n))
    return Interval(value=mean, low=mean - half, high=mean + half, n=n, n_units=n)


def jackknife_interval(
    value: float, replicates: Float[np.ndarray, "seed"], scale: Scale = LINEAR
) -> Interval:
    """A statistic of all seeds, freed of its first-order bias, with a 95 % t interval over seeds.

    `replicates` holds the statistic with one seed left out, for each seed. Formula: the
    pseudo-value of a seed is n value - (n - 1) replicate; their mean and t interval are those of
    `seed_interval`, cut at the bounds of the scale. For a mean pseudo-values are the seeds' own
    numbers. A single seed gives the plain value without ends, and so does a replicate that is not
    defined.

    Source: Tukey, "Bias and confidence in not-quite large samples" (Ann. Math. Stat. 1958);
    Miller, "The jackknife: a review" (Biometrika 1974).

    >>> import numpy as np
    >>> jackknife_interval(2.0, np.array([2.5, 2.0, 1.5])).value  # pseudo-values 1, 2, 3
    2.0
    """
    n = replicates.size
    known = bool(np.isfinite(value))
    if n < 2 or not known or not np.isfinite(replicates).all():
        return Interval(value=float(value) if known else None, n=n, n_units=n)
    found = seed_interval(n * value - (n - 1) * replicates)
    middle, low, high = (
        None if end is None else float(np.clip(end, scale.low, scale.high))
        for end in (found.value, found.low, found.high)
    )
    return Interval(value=middle, low=low, high=high, n=n, n_units=n)
