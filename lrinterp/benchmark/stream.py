"""Means of numbers that stream by: of each independent group of rows their number and their sum.

That is all an interval needs (`lrinterp.stats`): rows themselves are not held, so memory grows with
the number of groups and not with that of rows.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lrinterp.stats import SHARE, Interval, LeftOut, Units, mean_interval

__all__ = ["Tally", "macro"]


class Tally:
    """The mean of some rows with its interval over groups, and what chance would make of it."""

    def __init__(self) -> None:
        self.total_chance = 0.0
        self.sums: dict[str, list[float]] = {}
        """By group: rows, and the sum of their values."""

    def add(self, value: float, chance: float, group: str) -> None:
        """Count a row: its value, what chance gives it, and the group it is of."""
        own = self.sums.setdefault(group, [0, 0.0])
        own[0] += 1
        own[1] += value
        self.total_chance += chance

    @property
    def n(self) -> int:
        """Rows."""
        return int(sum(n for n, _ in self.sums.values()))

    @property
    def chance(self) -> float:
        """The mean chance; there must be a row."""
        return self.total_chance / self.n

    @property
    def interval(self) -> Interval:
        """The mean with its interval; without ends for a single group."""
        return mean_interval(*spread([self]), scale=SHARE)


def macro(tallies: Iterable[Tally]) -> Interval:
    """The unweighted mean of several means, with an interval over the groups of them all.

    A mean of which one group holds every row is left out where that group is.
    """
    tallies = list(tallies)
    values, units = spread(tallies)
    edges = np.cumsum([0, *(tally.n for tally in tallies)])
    of = np.zeros((len(tallies), len(values)))
    for k, (start, end) in enumerate(pairwise(edges.tolist())):
        of[k, start:end] = 1
    tops, bottoms = units.sums(of * values), units.sums(of)
    rest = of.sum(1, keepdims=True) - bottoms
    with np.errstate(divide="ignore", invalid="ignore"):
        means = ((of * values).sum(1, keepdims=True) - tops) / np.where(rest > 0, rest, np.nan)
    known = np.isfinite(means)
    return LeftOut(
        value=float(np.mean([values[a:b].mean() for a, b in pairwise(edges.tolist())])),
        replicates=np.where(known, means, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan),
        n=len(values),
        n_left=len(values) - units.sizes,
        units=units,
        scale=SHARE,
    ).interval()


def spread(tallies: list[Tally]) -> tuple[Float[np.ndarray, "row"], Units]:
    """As many rows as were counted, each with the mean of its group in its tally."""
    groups = [(key, n, total) for one in tallies for key, (n, total) in one.sums.items()]
    number = {key: i for i, key in enumerate(dict.fromkeys(key for key, _, _ in groups))}
    n = [int(n) for _, n, _ in groups]
    values = np.repeat([total / n for _, n, total in groups], n)
    return values, Units.of_groups(np.repeat([number[key] for key, _, _ in groups], n))
