"""Pairs and sets: rows that count together, when all of them are right.

Only groups that still lack rows are held. Rows of a group may lie anywhere in the stream.
"""

from dataclasses import dataclass

__all__ = ["SIZES", "Group", "Groups"]

SIZES = {"pair": 2, "set": 4}
"""Rows of a pair (two opposite relations) and of a set (two pairs), as What'sUp defines them."""


@dataclass
class Group:
    """The rows of a group so far."""

    cluster: int
    """The cluster of its first row."""
    n: int = 0
    credit: float = 1.0
    """How probable it is that all are right, if ties are broken by lot: the product of credits."""
    chance: float = 1.0
    """The same for a guess."""


class Groups:
    """Collects rows by key, and hands a group out when its last row comes.

    A row that comes after its group was complete opens another one under the same key.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._open: dict[str, Group] = {}

    def add(self, key: str, credit: float, chance: float, cluster: int) -> Group | None:
        """Add a row; returns its group where this was the last one."""
        group = self._open.setdefault(key, Group(cluster))
        group.n += 1
        group.credit *= credit
        group.chance *= chance
        return self._open.pop(key) if group.n == self.size else None

    @property
    def incomplete(self) -> int:
        """Groups that lack rows: at the end of the stream they are left out."""
        return len(self._open)
