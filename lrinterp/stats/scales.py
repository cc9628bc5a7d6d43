"""Scales on which a number's spread is measured, so that its interval stays within its bounds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

__all__ = ["CORRELATION", "COSINE", "GAP", "LINEAR", "SHARE", "WEIGHT", "Scale"]


CLOSE = 1e-9
"""A bound counts as this far off, so that its log odds are finite."""


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

    def at(self, value: float, n: int) -> float:
        """One number over n examples on the scale."""
        return float(self.of(np.array([value]), np.array([float(n)]))[0])

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
