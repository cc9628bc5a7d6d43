"""Reading other people's configurations: every key is handled, ignored by name, or refused.

A key that nobody has looked at may change what the model computes, so an unknown one is an error.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from lrinterp.store import InputError, from_plain, shortened

__all__ = ["Rules", "taken"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What becomes of keys that are not fields of the class they are read into."""

    ignored: frozenset[str] = frozenset()
    """Keys that change nothing in how a trained model embeds."""
    only: Mapping[str, tuple[Any, ...]]
    """Keys that may have these values and no others: any other would be another model."""


def taken(kind: type[T], plain: Any, rules: Rules, where: str) -> T:
    """The fields of a class from plain data; InputError for what is unknown or not built."""
    if not isinstance(plain, dict):
        raise InputError(f"{where}: expected named settings, got {shortened(plain)}")
    own: Collection[str] = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    for key, value in plain.items():
        if key in rules.only and value not in rules.only[key]:
            expected = " or ".join(map(shortened, rules.only[key]))
            got = f"expected {expected}, got {shortened(value)}"
            raise InputError(f"{where}: {key}: {got}; other models are not read")
        if key not in own and key not in rules.only and key not in rules.ignored:
            raise InputError(f"{where}: unknown setting {key!r}, it might change the model")
    return from_plain(kind, {key: plain[key] for key in plain if key in own}, where)
