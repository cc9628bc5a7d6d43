"""Labels, numbers and hover texts; everything that comes from a table is escaped here."""

import html
import math
import re
import textwrap
from collections.abc import Iterable
from typing import Any

import pandas as pd

from lrinterp.charts.table import column, largest
from lrinterp.wording import MOST, decimals, signed

__all__ = ["digits", "hover", "number", "printed", "shown", "text", "wrapped"]

UNIT = re.compile(r"(?P<name>.+?) \((?P<unit>[^()]+)\)")


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


def printed(values: Iterable[Iterable[float]], decimals: int) -> list[list[str]]:
    """The numbers of a map as texts; blank where there is none."""
    return [[number(v, decimals) if math.isfinite(v) else "" for v in row] for row in values]


def digits(frame: pd.DataFrame, name: str) -> int:
    """Decimals for a column: those of its widest interval, or three figures of the largest."""
    if {"low", "high"} <= set(frame):
        half = largest(column(frame, "high") - column(frame, "low"), default=0.0) / 2
        if half:
            return decimals(half)
    return min(MOST, max(0, 2 - math.floor(math.log10(largest(column(frame, name))))))


def hover(frame: pd.DataFrame) -> pd.Series:
    """Each row in words: `head L0H2 · term EP · position 3 · contribution 1.24 logits`."""
    ends = ["low", "high"] if {"low", "high"} <= set(frame) else []
    rows = frame.drop(columns=ends).to_dict("records")
    phrases = [[_phrase(str(name), value) for name, value in row.items()] for row in rows]
    if ends:
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
