"""The unweighted mean of the means of several strata, as a sample that two models can share."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int

from lrinterp.stats import SHARE, Sample, Units

__all__ = ["Macro"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Macro(Sample):
    """A mean over strata, each the mean of its examples; all have a weight of 1.

    A stratum of which one unit holds every example is left out where that unit is.
    """

    stratum: Int[np.ndarray, "example"]
    """Numbers from 0."""

    @classmethod
    def of(
        cls, values: Float[np.ndarray, "example"], stratum: Int[np.ndarray, "example"], units: Units
    ) -> Self:
        """The mean over strata of shares; each example belongs to one unit."""
        weights = 1 / np.bincount(stratum)[stratum]
        top = (values * weights)[None]
        return cls(top=top, bottom=weights, units=units, scale=SHARE, stratum=stratum)

    @property
    def value(self) -> float:
        """The mean of the strata's means."""
        tops, bottoms = (np.bincount(self.stratum, part) for part in (self.top[0], self.bottom))
        return float((tops / bottoms).mean())

    @property
    def replicates(self) -> Float[np.ndarray, "unit"]:
        """The value without each unit; nan where no stratum remains."""
        rest, tops, bottoms = (
            self._without(part) for part in (np.ones(len(self.bottom)), self.top[0], self.bottom)
        )
        known = rest > 0
        means = np.where(known, tops / np.where(known, bottoms, 1), 0)
        n = known.sum(0)
        return np.where(n > 0, means.sum(0) / np.maximum(n, 1), np.nan)

    def _without(self, part: Float[np.ndarray, "example"]) -> Float[np.ndarray, "stratum unit"]:
        """Of each stratum the sum over the examples that are not of a unit."""
        sums = np.zeros((self.stratum.max() + 1, self.units.n))
        np.add.at(sums, (self.stratum, self.units.member[:, 0]), part)
        return sums.sum(1, keepdims=True) - sums
