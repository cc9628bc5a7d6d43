"""What a chart asks of its table: groups, ranges, labels, numbers and hover texts.

Groups and values stand in the order of the table; all text that comes from it is escaped here.
"""

import html
import math
import re
import textwrap
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.wording import MOST, decimals, signed

__all__ = [
    "column",
    "digits",
    "groups",
    "has_interval",
    "hover",
    "largest",
    "number",
    "order",
    "padded",
    "shown",
    "text",
    "value_range",
    "wrapped",
]

UNIT = re.compile(r"(?P<name>.+?) \((?P<unit>[^()]+)\)")
ENDS = ["low", "high"]
"""Columns that hold the ends of an interval."""


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column of a table; a missing or doubled one is an error that lists what there is."""
    values = frame.get(name)
    if not isinstance(values, pd.Series):
        raise ValueError(f"expected one column {name!r}, got columns {list(frame.columns)}")
    return values


def groups(frame: pd.DataFrame, by: str | None) -> list[tuple[Hashable, pd.DataFrame]]:
    """The rows of each distinct value of a column."""
    return list(frame.groupby(by, sort=False, observed=True)) if by else [(None, frame)]


def order(frame: pd.DataFrame, by: str) -> list[Any]:
    """The distinct values of a column."""
    return column(frame, by).dropna().unique().tolist()


def has_interval(frame: pd.DataFrame) -> bool:
    """Are there columns `low` and `high`?"""
    return set(ENDS) <= set(frame)


def largest(values: pd.Series, default: float = 1.0) -> float:
    """The largest magnitude, or the default where all are zero or undefined."""
    top = np.nanmax(np.abs(values.to_numpy(float)), initial=0.0)
    return float(top) if top > 0 else default


def value_range(
    frame: pd.DataFrame, column: str, *, include: tuple[float, ...] = ()
) -> tuple[float, float]:
    """The range of a value and its interval, with room at both ends."""
    names = [name for name in (column, *ENDS) if name in frame]
    values = np.append(frame[names].to_numpy(float).ravel(), include)
    values = values[np.isfinite(values)]
    return padded(values.min(), values.max()) if values.size else (0.0, 1.0)


def padded(low: float, high: float) -> tuple[float, float]:
    """A range with room at both ends, also where they are one."""
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return float(low - room), float(high + room)


def text(value: Any) -> str:
    """Data as plain text for plotly, which would otherwise read tags and entities in it."""
    return "" if value is None else html.escape(str(value), quote=False)


def shown(column: str) -> str:
    """A column name as an axis title."""
    return text(column.replace("_", " "))


def wrapped(value: Any, width: int = 30) -> str:
    """A long label on several lines."""
    return "<br>".join(text(line) for line in textwrap.wrap(str(value), width))


def number(value: Any, decimals: int) -> str:
    """Fixed decimals with a true minus sign; a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return "–"
    return signed(value, decimals)


def digits(frame: pd.DataFrame, name: str) -> int:
    """Decimals for a column: those of its widest interval, or three figures of the largest."""
    if has_interval(frame) and (half := largest(frame["high"] - frame["low"], default=0.0) / 2):
        return decimals(half)
    return min(MOST, max(0, 2 - math.floor(math.log10(largest(column(frame, name))))))


def hover(frame: pd.DataFrame) -> pd.Series:
    """Each row in words: `head L0H2 · term EP · position 3 · contribution 1.24 logits`."""
    known = frame.drop(columns=ENDS) if has_interval(frame) else frame
    phrases = [[_phrase(str(k), v) for k, v in row.items()] for row in known.to_dict("records")]
    if has_interval(frame):
        for phrase, low, high in zip(phrases, frame["low"], frame["high"], strict=True):
            phrase.extend([f"[{_value(low)}, {_value(high)}]"] if pd.notna(low) else [])
    return pd.Series([" · ".join(phrase) for phrase in phrases], index=frame.index, dtype=object)


def _phrase(name: str, value: Any) -> str:
    parts = UNIT.fullmatch(name)
    if parts is None:
        return f"{shown(name)} {_value(value)}"
    return f"{shown(parts['name'])} {_value(value)} {shown(parts['unit'])}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else "–"
    return text(value)
