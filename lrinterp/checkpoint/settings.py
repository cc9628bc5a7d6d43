"""Reading other people's configurations: every key is handled, ignored by name, or refused.

A key that nobody has looked at may change what the model computes, so an unknown one is an error.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from lrinterp.store import InputError, from_plain, shortened, taken

__all__ = ["Rules", "allowed", "read_as"]

T = TypeVar("T")
SETTINGS = Annotated[dict[str, Any], Meta(description="named settings")]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What becomes of keys that are not read."""

    ignored: frozenset[str] = frozenset()
    """Keys that change nothing in how a trained model embeds."""
    only: Mapping[str, tuple[Any, ...]]
    """Keys that may have these values and no others: any other would be another model."""


def allowed(plain: Any, heard: Collection[str], rules: Rules, where: str) -> dict[str, Any]:
    """The settings that are heard; InputError for one that is unknown or of another model."""
    for key, value in taken(plain, SETTINGS, where).items():
        if key in rules.only and value not in rules.only[key]:
            expected = " or ".join(map(shortened, rules.only[key]))
            got = f"expected {expected}, got {shortened(value)}"
            raise InputError(f"{where}: {key}: {got}; other models are not read")
        if key not in heard and key not in rules.only and key not in rules.ignored:
            raise InputError(f"{where}: unknown setting {key!r}, it might change the model")
    return {key: value for key, value in plain.items() if key in heard}


def read_as(kind: type[T], plain: Any, rules: Rules, where: str) -> T:
    """The settings that are fields of a class, as that class."""
    heard = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return from_plain(kind, allowed(plain, heard, rules, where), where)
