"""Pairs and sets: rows that count together, when all of them are right.

Rows of a group may lie anywhere in the stream. Where a suite says how many rows a group has, only
groups that still lack rows are held. In data of one's own any number of rows may share a key, so
each group is held to the end, as a few numbers: memory grows with the number of groups there.
"""

from dataclasses import dataclass

__all__ = ["FEWEST", "OWN", "SIZES", "Group", "Groups"]

SIZES = {"pair": 2, "set": 4}
"""Rows of a pair (two opposite relations) and of a set (two pairs), as What'sUp defines them."""
OWN = ("jsonl", "csv")
"""Suites of one's own, which say not how many rows a group has."""
FEWEST = 2
"""Rows that a group of one's own has at least; a row alone is no group."""


@dataclass(slots=True)
class Group:
    """The rows of a group so far."""

    cluster: str
    """The cluster of its first row."""
    subset: str = ""
    """The subset of its first row."""
    n: int = 0
    credit: float = 1.0
    """How probable it is that all are right, if ties are broken by lot: the product of credits."""
    chance: float = 1.0
    """The same for a guess."""


class Groups:
    """Collects rows by key, and hands a group out when its last row comes.

    A row that comes after its group was complete opens another one under the same key. Groups of
    no known size are complete when the stream ends.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        self._open: dict[str, Group] = {}

    def add(
        self, key: str, credit: float, chance: float, cluster: str, subset: str = ""
    ) -> Group | None:
        """Add a row; returns its group where this was the last one."""
        group = self._open.setdefault(key, Group(cluster, subset))
        group.n += 1
        group.credit *= credit
        group.chance *= chance
        return self._open.pop(key) if group.n == self.size else None

    def close(self) -> list[Group]:
        """End the stream: hands out the groups of no known size that do not lack rows."""
        if self.size is not None:
            return []
        whole = [key for key, group in self._open.items() if not self._lacks(group)]
        return [self._open.pop(key) for key in whole]

    @property
    def incomplete(self) -> int:
        """Groups that lack rows: at the end of the stream they are left out."""
        return sum(map(self._lacks, self._open.values()))

    def _lacks(self, group: Group) -> bool:
        return group.n < (self.size or FEWEST)
