"""Bad rows that were passed over: counted by reason, the first of each named."""

import re
from dataclasses import dataclass, field
from typing import Any

from lrinterp.scenes.natural import BadRow

__all__ = ["BadRows"]

NAMED = 3
"""Rows of each reason that are named."""
KINDS = 30
"""Different reasons that are told apart."""
REST = "other reasons"
LONGEST = 200
"""Characters of a message that tell its reason."""

OWN = re.compile(
    r"""'[^']*'|"[^"]*"|\([^)]*\)|\[[^]]*\]|\S*[/\\]\S*|\S+\.\w{3,4}\b|\d+""", re.VERBOSE
)
"""What is of one row alone: what is quoted or in brackets, files, numbers."""


@dataclass
class Kind:
    """The rows that are bad for one reason."""

    n: int = 0
    first: list[str] = field(default_factory=list)


class BadRows:
    """Counts bad rows; hand its `add` to `read_relations` and itself to `benchmark`."""

    def __init__(self) -> None:
        self.n = 0
        self.kinds: dict[str, Kind] = {}

    def add(self, bad: BadRow) -> None:
        """Count a bad row."""
        reason = reason_of(bad.reason)
        if reason not in self.kinds and len(self.kinds) >= KINDS:
            reason = REST
        kind = self.kinds.setdefault(reason, Kind())
        kind.n += 1
        self.n += 1
        if len(kind.first) < NAMED:
            kind.first.append(str(bad))

    def rows(self) -> list[dict[str, Any]]:
        """A row of the table for each reason."""
        return [
            {"measure": "skipped", "name": reason, "n": kind.n, "note": "; ".join(kind.first)}
            for reason, kind in self.kinds.items()
        ]


def reason_of(message: str) -> str:
    """A message without what is of its row alone.

    >>> reason_of("there is no picture data/images/7.png")
    'there is no picture …'
    """
    return re.sub(r"…( …)+", "…", " ".join(OWN.sub("…", message[:LONGEST]).split()))
