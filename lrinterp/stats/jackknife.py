"""A jackknife over units: what was drawn independently, and a number without each of it.

A picture of two held-out labels depends on both: every other picture of either label shares its
luck. So the units of pairs are the labels, not the pairs and not the pictures. Rows that were drawn
in groups have the groups as units, models of a study their seeds. Each unit is left out in turn.
What the number does then, on a scale that keeps its bounds (log odds for a share), says how far
other units would move it. `analyses/coverage` simulates how often such an interval holds the truth.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, stdtrit

__all__ = [
    "CORRELATION",
    "COSINE",
    "GAP",
    "LEVEL",
    "LINEAR",
    "ROUNDING",
    "SHARE",
    "WEIGHT",
    "Interval",
    "LeftOut",
    "Scale",
    "Units",
]

LEVEL = 0.95
AT_MOST = 1.25
"""Standard errors of the delta method that a jackknife on a bounded scale may have."""
CLOSE = 1e-9
"""A bound counts as this far off, so that its log odds are finite."""
ROUNDING = 1e-12
"""Variance that rounding alone makes."""


@dataclass(frozen=True, eq=False)
class Units:
    """Independent units by number, and the one, or the several, that each example belongs to.

    >>> pairs = Units.of_labels(np.array([[4, 7], [7, 4], [7, 9]]))
    >>> pairs.n, pairs.member.tolist()
    (3, [[0, 1], [1, 0], [1, 2]])
    """

    member: Int[np.ndarray, "example role"]
    """Numbers from 0; -1 where an example has no further unit."""

    @classmethod
    def of_labels(cls, labels: Int[np.ndarray, "example role"]) -> Self:
        """Examples that share a unit with every example of one of their labels; -1 is no label."""
        known = np.unique(labels[labels >= 0])
        member = np.where(labels >= 0, np.searchsorted(known, labels), -1)
        return cls(member[:, (member >= 0).any(0)] if member.size else member[:, :1])

    @classmethod
    def of_groups(cls, groups: Int[np.ndarray, "example"]) -> Self:
        """Examples that are independent between groups, and of one unit each."""
        return cls(np.unique(groups, return_inverse=True)[1].reshape(-1, 1))

    def __len__(self) -> int:
        return len(self.member)

    @property
    def n(self) -> int:
        """How many units there are."""
        return int(self.member.max(initial=-1)) + 1

    @cached_property
    def sizes(self) -> Float[np.ndarray, "unit"]:
        """Examples that touch each unit."""
        return self.sums(np.ones((1, len(self))))[0]

    @cached_property
    def effective(self) -> float:
        """How many units of equal size these are worth, as degrees of freedom go.

        Formula: (sum of s²)² / sum of s⁴ with s the share of examples that touch a unit; the number
        of units where all are of one size. A few large units among small ones are worth few, and
        pairs of 15 trained with 5 held-out labels are worth 8.6.

        Source: Kish, "Survey sampling" (1965), for the weights; Carter, Schnepel and Steigerwald,
        "Asymptotic behavior of a t-test robust to cluster heterogeneity" (REStat 2017).
        """
        squares = (self.sizes / max(len(self), 1)) ** 2
        return float(squares.sum() ** 2 / (squares**2).sum()) if squares.sum() else 0.0

    def at(self, index: Int[np.ndarray, "some"]) -> Self:
        """The units of some of the examples, numbered anew."""
        return self.of_labels(self.member[index])

    def sums(self, rows: Float[np.ndarray, "row example"]) -> Float[np.ndarray, "row unit"]:
        """Of each row the sum over the examples that touch a unit."""
        total = np.zeros((len(rows), self.n))
        for member in self.member.T:
            here = member >= 0
            sums = [np.bincount(member[here], row[here], minlength=self.n) for row in rows]
            total += np.reshape(sums, total.shape)
        return total

    def same(self, other: "Units") -> bool:
        """Do the same examples belong to the same units?"""
        return np.array_equal(self.member, other.member)


@dataclass(frozen=True)
class Scale:
    """The log odds of where a number lies between its bounds; the number itself without bounds."""

    low: float = -np.inf
    high: float = np.inf
    counted: bool = False
    """Is it a count of examples? Then half a count is added on either side, so that the bounds
    themselves have finite log odds."""
    margin: float = CLOSE
    """How far from a bound, as a part of its range, other numbers count as being at least."""

    @property
    def bounded(self) -> bool:
        """Are there bounds?"""
        return bool(np.isfinite(self.low))

    def of(
        self, values: Float[np.ndarray, "some"], n: Float[np.ndarray, "some"]
    ) -> Float[np.ndarray, "some"]:
        """Means or ratios over n examples on the scale."""
        if not self.bounded:
            return values
        share = (values - self.low) / (self.high - self.low)
        if self.counted:
            n = np.maximum(n, 1)
            return np.log((share * n + 0.5) / ((1 - share) * n + 0.5))
        share = np.clip(share, self.margin, 1 - self.margin)
        return np.log(share / (1 - share))

    def slope(self, value: float, n: int) -> float:
        """How far the scale moves with the number, at one over n examples."""
        share = (value - self.low) / (self.high - self.low)
        if self.counted:
            share = (share * n + 0.5) / (n + 1)
        share = min(max(share, self.margin), 1 - self.margin)
        return 1 / ((self.high - self.low) * share * (1 - share))

    def back(self, on_scale: Float[np.ndarray, "some"]) -> Float[np.ndarray, "some"]:
        """From the scale to the number."""
        if not self.bounded:
            return on_scale
        return self.low + (self.high - self.low) * expit(on_scale)


LINEAR = Scale()
SHARE = Scale(0.0, 1.0, counted=True)
"""A share of examples, such as an accuracy."""
GAP = Scale(-1.0, 1.0, counted=True)
"""A difference of two shares."""
COSINE = Scale(-1.0, 1.0)
"""A mean of cosines, or a difference of attention weights."""
CORRELATION = Scale(-1.0, 1.0, margin=0.005)
"""A correlation; half of Fisher's z. Beyond 0.99 a few units cannot tell."""
WEIGHT = Scale(0.0, 1.0)
"""A mean of attention weights."""


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
    def centre(self) -> float:
        """The number on the scale, freed of its first-order bias where that is wanted."""
        own = float(self.scale.of(np.array([self.value]), np.array([float(self.n)]))[0])
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
            by_units = min(
                by_units,
                squares(self.replicates) * (AT_MOST * self.scale.slope(self.value, self.n)) ** 2,
            )
        freedom = self.units.effective - 1
        if self.draws is None:
            return by_units, freedom
        d = len(self.draws)
        drawn = self.scale.of(self.draws, np.full(d, float(self.n)))
        return by_units + (d - 1) / d * squares(drawn), min(freedom, float(d - 1))

    def interval(self) -> Interval:
        """Student's t on the scale; without ends for fewer than two units."""
        value = float(self.value) if np.isfinite(self.value) else None
        found = Interval(value=value, n=self.n, n_units=self.units.n)
        alone = self.units.n < 2 or self.units.effective < 2 - ROUNDING
        if value is None or alone or not np.isfinite(self.replicates).all():
            return found
        low, high = self.ends()
        return replace(found, low=low, high=high)

    def ends(self) -> tuple[float, float]:
        """Both ends, which hold the value."""
        parts = [part for part in (self.replicates, self.draws) if part is not None]
        if self.scale.counted and all(np.ptp(part) <= ROUNDING for part in parts):
            return self.ends_without_spread()
        variance, freedom = self.variance
        half = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))
        low, high = self.scale.back(self.centre + half * np.array([-1.0, 1.0])).tolist()
        return max(min(low, self.value), self.scale.low), min(
            max(high, self.value), self.scale.high
        )

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
        if self.units.member.shape[1] > 1:
            return low, high
        alike = ((1 - LEVEL) / 2) ** (1 / self.units.n)
        least = alike * self.value + (1 - alike) * self.scale.low
        return max(low, least), min(high, alike * self.value + (1 - alike) * self.scale.high)

    def with_one_other(self, value: float) -> "LeftOut":
        """The same with one example counted otherwise; without its units it is not seen."""
        sees = ~np.isin(np.arange(self.units.n), self.units.member[0])
        step = (value - self.value) * self.n / np.maximum(self.n_left, 1)
        other = np.clip(self.value + step, self.scale.low, self.scale.high)
        replicates = np.where(sees, other, self.value)
        return replace(self, value=value, replicates=replicates, draws=None, biased=False)


def squares(values: Float[np.ndarray, "some"]) -> float:
    """Sum of squared deviations from the mean."""
    return float(((values - values.mean()) ** 2).sum())
