"""Criteria, fixed in a study file before the run.

A criterion compares one statistic, with its 95 % interval over seeds, with one bound; what an
interval says of a bound is said by `lrinterp.bounds`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from lrinterp.analysis import check_numbers
from lrinterp.bounds import Bound
from lrinterp.experiment.numbers import COSTS, full_name
from lrinterp.store import InputError, from_plain, one_of

__all__ = ["Criterion"]

Statistic = Literal["contrast", "share", "share_difference"]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One line of the verdicts of a study file."""

    id: str
    claim: str
    """What holds if the criterion does, in a sentence."""
    column: str
    """A number as `analysis.key`, such as `accuracy.unseen_pair_order`, or its name of before."""
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
        _ = self.bound  # refuses what is not finite
        if (self.statistic == "contrast") != (self.between is not None):
            raise ValueError("between: expected two values for a contrast, and for nothing else")
        if (self.statistic == "share_difference") != (self.minus is not None):
            raise ValueError("minus: expected a source for share_difference, and for nothing else")

    @classmethod
    def from_plain(
        cls, plain: Mapping[str, Any], factors: Mapping[str, Sequence[Any]], where: str
    ) -> Self:
        """Read and check a criterion of a study; InputError names the field that is wrong."""
        own = from_plain(cls, plain, where)
        try:
            own.check(factors)
        except InputError as error:
            raise InputError(f"{where}.{error}") from error
        return own

    def check(self, factors: Mapping[str, Sequence[Any]]) -> None:
        """Refuse columns that no sweep measures, and factors and values that a grid lacks."""
        check_numbers([] if self.key in COSTS else [self.key])
        known = [*factors] if self.statistic == "contrast" else [*factors, "interaction", "seed"]
        one_of(self, "of", known)
        if self.minus is not None:
            one_of(self, "minus", [name for name in known if name != self.of])
        if self.between is not None:
            values = factors[self.of]
            places = {values.index(value) for value in self.between if value in values}
            if not len(self.between) == len(places) == 2:
                allowed = ", ".join(map(str, values))
                raise InputError(f"between: expected two of {allowed}, got {self.between!r}")

    @property
    def key(self) -> str:
        """The column as it is named in a table."""
        return full_name(self.column)

    @property
    def bound(self) -> Bound:
        """Where the statistic must lie."""
        return Bound(at_least=self.at_least, at_most=self.at_most)
