"""Bad rows that were passed over: counted by reason, the first of each named."""

import re
from collections.abc import Iterable
from typing import Any

from lrinterp.scenes.natural import BadRow

__all__ = ["skipped_rows"]

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


def skipped_rows(bad: Iterable[BadRow]) -> list[dict[str, Any]]:
    """A row of the benchmark's table for each reason."""
    kinds: dict[str, list[str]] = {}
    for one in bad:
        reason = reason_of(one.reason)
        known = reason in kinds or len(kinds) < KINDS
        kinds.setdefault(reason if known else REST, []).append(str(one))
    return [
        {"measure": "skipped", "name": reason, "n": len(rows), "note": "; ".join(rows[:NAMED])}
        for reason, rows in kinds.items()
    ]


def reason_of(message: str) -> str:
    """A message without what is of its row alone.

    >>> reason_of("there is no picture data/images/7.png")
    'there is no picture …'
    """
    return re.sub(r"…( …)+", "…", " ".join(OWN.sub("…", message[:LONGEST]).split()))
