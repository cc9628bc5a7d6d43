"""Units: what was drawn independently, and which of it each example belongs to.

A picture of two held-out labels depends on both: every other picture of either label shares its
luck. So the units of pairs are the labels, not the pairs and not the pictures. Rows that were
drawn in groups have the groups as units, models of a study their seeds.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Units"]


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

    @property
    def roles(self) -> int:
        """To how many units an example belongs."""
        return self.member.shape[1]

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

    def at(self, index: Int[np.ndarray, "some"]) -> "Units":
        """The units of some of the examples, numbered anew."""
        return Units.of_labels(self.member[index])

    def sums(self, rows: Float[np.ndarray, "row example"]) -> Float[np.ndarray, "row unit"]:
        """Of each row the sum over the examples that touch a unit."""
        total = np.zeros((len(rows), self.n))
        for member in self.member.T:
            here = member >= 0
            total += (
                np.stack([np.bincount(member[here], row[here], minlength=self.n) for row in rows])
                if len(rows)
                else 0.0
            )
        return total

    def same(self, other: "Units") -> bool:
        """Do the same examples belong to the same units?"""
        return np.array_equal(self.member, other.member)
