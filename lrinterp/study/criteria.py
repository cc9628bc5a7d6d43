"""Criteria, fixed in a study file before the run, and what a table of models says of them.

A criterion compares one statistic, with its 95 % interval over seeds, with one bound. It holds
where the whole interval is on the right side, does not hold where the whole interval is on the
wrong one, and is undecided between.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from lrinterp.stats import Interval
from lrinterp.store import InputError
from lrinterp.study.naming import MEASURED

__all__ = ["Criterion", "judge"]

Statistic = Literal["contrast", "share", "share_difference"]
Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One line of the verdicts of a study file."""

    id: str
    claim: str
    """What holds if the criterion does, in a sentence."""
    column: str
    """The measured column, such as `unseen_pair_order`."""
    statistic: Statistic
    """contrast: the mean at the second value of `of` minus that at the first, over all else.
    share: the share of variance that `of` explains. share_difference: that minus the share of
    `minus`."""
    of: str
    """A factor of the grid, such as `split.n_pair`; for shares also `interaction` or `seed`."""
    between: list[Any] | None = None
    """The two values of a contrast."""
    minus: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("at_least: expected one of at_least and at_most")
        if not math.isfinite(self.limit):
            raise ValueError(f"at_least: expected a finite bound, got {self.limit}")
        if (self.statistic == "contrast") != (self.between is not None):
            raise ValueError("between: expected two values for a contrast, and for nothing else")
        if (self.statistic == "share_difference") != (self.minus is not None):
            raise ValueError("minus: expected a source for share_difference, and for nothing else")

    def check(self, factors: Mapping[str, Sequence[Any]], where: str) -> None:
        """Refuse columns that no sweep measures, and factors and values that a grid lacks."""
        if self.column not in MEASURED:
            near = get_close_matches(self.column, MEASURED, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(
                f"{where}.column: expected a measured column such as unseen_pair_order, "
                f"got {self.column!r}{hint}"
            )
        if self.minus is not None and self.minus == self.of:
            raise InputError(f"{where}.minus: expected another source than of, got {self.minus!r}")
        known = [*factors] if self.statistic == "contrast" else [*factors, "interaction", "seed"]
        for name in ("of", "minus"):
            if (given := getattr(self, name)) is not None and given not in known:
                raise InputError(
                    f"{where}.{name}: expected one of {', '.join(known)}, got {given!r}"
                )
        if self.between is not None:
            values = factors[self.of]
            places = {values.index(value) for value in self.between if value in values}
            if not len(self.between) == len(places) == 2:
                allowed = ", ".join(map(str, values))
                raise InputError(
                    f"{where}.between: expected two of {allowed}, got {self.between!r}"
                )

    @property
    def limit(self) -> float:
        """The bound as a number."""
        return float((self.at_most if self.at_least is None else self.at_least) or 0)

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"{'at most' if self.at_least is None else 'at least'} {self.limit:g}"


def judge(criterion: Criterion, found: Interval) -> Verdict:
    """What an interval says of a criterion; one without ends or width decides nothing."""
    if found.low is None or found.high is None or found.low == found.high:
        return "undecided"
    if criterion.at_least is not None:
        low, high, bound = found.low, found.high, criterion.limit
    else:
        low, high, bound = -found.high, -found.low, -criterion.limit
    if low >= bound:
        return "holds"
    return "does not hold" if high < bound else "undecided"
