"""Self-checks: what an analysis computes twice, and how far apart both may lie.

For numbers that are right or wrong, such as the error of a sum. Not for findings: those have
intervals, and criteria about them are in `bounds`.
"""

from dataclasses import asdict, dataclass
from typing import Any

from lrinterp.wording import plain_number

__all__ = ["Check"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """An error by name, and the largest that is accepted; not a number never passes.

    >>> str(Check(key="sum", what="parts minus whole", value=0.002, bound=0.01))
    'parts minus whole: 0.002, at most 0.01: passed'
    """

    key: str
    what: str
    """What is held against what, and in which unit."""
    value: float
    bound: float

    @property
    def passes(self) -> bool:
        """Is the error within its bound?"""
        return self.value <= self.bound

    def plain(self) -> dict[str, Any]:
        """The fields as plain data, and whether it passes; None for what is not a number."""
        value = self.value if abs(self.value) < float("inf") else None
        return {**asdict(self), "value": value, "passes": self.passes}

    def __str__(self) -> str:
        said = "passed" if self.passes else "failed"
        value, bound = plain_number(self.value), plain_number(self.bound)
        return f"{self.what}: {value}, at most {bound}: {said}"
