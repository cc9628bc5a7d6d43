"""The claims, read from `claims.toml`: a sentence, its statistics, and where each must lie."""

from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Literal

from lrinterp.bounds import Bound
from lrinterp.store import InputError, from_plain, read_toml

__all__ = ["CLAIMS", "METRICS", "Claim", "Part", "read_claims"]

METRICS = {
    "order": "order",
    "retrieval_closed": "closed retrieval",
    "retrieval_open": "open retrieval",
}
"""What generalises, in claims of diversity."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One statistic of a claim, and where it must lie; fields as `claims.toml` explains them."""

    statistic: str
    words: str
    source: Literal["arms", "diversity", "scales", "emergence"] = "arms"
    number: str = ""
    """As `analysis.key`."""
    arm: str = "standard"
    minus: str = ""
    minus_arm: str = ""
    absolute: bool = False
    contrast: str = ""
    """A factor of the grid of diversity, its largest value minus its smallest."""
    share: str = ""
    """A factor whose share of the variance is meant, less that of `minus_share`."""
    minus_share: str = ""
    at_least: float | None = None
    at_most: float | None = None
    premise: bool = False

    def __post_init__(self) -> None:
        if self.source in ("arms", "diversity") and not self.number:
            raise ValueError(f"number: expected analysis.key for statistic {self.statistic}")
        _ = self.bound  # refuses what is not finite

    @property
    def bound(self) -> Bound | None:
        """None where there is nothing to hold it against."""
        if self.at_least is None and self.at_most is None:
            return None
        return Bound(at_least=self.at_least, at_most=self.at_most)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that may be wrong."""

    id: str
    sentence: str
    paper: str
    """The figure of the paper, or who claims it."""
    parts: tuple[Part, ...] = ()


def read_claims(path: Any) -> tuple[Claim, ...]:
    """The claims of a TOML file, in the order in which they are shown. Raises InputError."""
    plain = read_toml(path)
    if set(plain) != {"claims"} or not isinstance(plain["claims"], list):
        raise InputError(f"{path}: expected a list of claims")
    places = enumerate(plain["claims"], start=1)
    return tuple(read_claim(one, f"{path}: claims[{k}]") for k, one in places)


def read_claim(plain: dict[str, Any], where: str) -> Claim:
    """A claim with its parts; InputError names the field that is wrong."""
    own = {name: value for name, value in plain.items() if name != "parts"}
    places = enumerate(plain.get("parts", ()), start=1)
    parts = tuple(from_plain(Part, one, f"{where}: parts[{k}]") for k, one in places)
    return replace(from_plain(Claim, own, where), parts=parts)


CLAIMS = read_claims(files("lrinterp.reproduction") / "claims.toml")
