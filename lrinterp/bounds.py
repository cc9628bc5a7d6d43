"""Bounds, and what an interval says of them.

For criteria that are written before a run: a verdict speaks of the bound, not of whether there is
an effect. Not a test of a hypothesis, and nothing is corrected for the number of bounds.
"""

import math
from dataclasses import dataclass
from typing import Literal

from lrinterp.stats import Interval

__all__ = ["Bound", "Verdict", "judge"]

Verdict = Literal["holds", "does not hold", "undecided"]

ROUNDING = 1e-12
"""Width of an interval that rounding alone makes of equal samples."""
AGREEING = 6
"""Equal samples that decide without the width of an interval: the median of what they are drawn
from lies on their side of a bound with 95 % confidence (2 x 2^-6 < 0.05), but not with five."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Where a statistic must lie: above, below, or between.

    >>> str(Bound(at_least=0.05, at_most=0.3))
    '0.05 to 0.3'
    """

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        given = [end for end in (self.at_least, self.at_most) if end is not None]
        if not given:
            raise ValueError("at_least: expected at_least, at_most or both")
        if not all(map(math.isfinite, given)):
            raise ValueError(f"at_least: expected a finite bound, got {given[0]}")
        if given != sorted(given):
            raise ValueError(f"at_most: expected at least {given[0]:g}, got {given[1]:g}")

    def __str__(self) -> str:
        if self.at_least is None:
            return f"at most {self.at_most:g}"
        if self.at_most is None:
            return f"at least {self.at_least:g}"
        return f"{self.at_least:g} to {self.at_most:g}"

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends, infinite where there is none."""
        low = -math.inf if self.at_least is None else self.at_least
        return low, math.inf if self.at_most is None else self.at_most


def judge(bound: Bound, found: Interval) -> Verdict:
    """What an interval says of a bound.

    It holds where the whole interval lies inside, does not hold where the whole interval lies
    outside, and is undecided otherwise. An interval without ends decides nothing, nor does one of
    no width, unless at least six samples agree.
    """
    if found.low is None or found.high is None:
        return "undecided"
    if found.high - found.low <= ROUNDING and found.n < AGREEING:
        return "undecided"
    low, high = bound.ends
    if low <= found.low and found.high <= high:
        return "holds"
    return "does not hold" if found.high < low or found.low > high else "undecided"
