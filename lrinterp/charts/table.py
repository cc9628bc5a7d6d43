"""What a chart asks of its table: columns, groups and values in their order, ranges."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["column", "groups", "largest", "order", "padded", "value_range"]


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column of a table; a missing or doubled one is an error that lists what there is."""
    values = frame.get(name)
    if not isinstance(values, pd.Series):
        raise ValueError(f"expected one column {name!r}, got columns {list(frame.columns)}")
    return values


def groups(frame: pd.DataFrame, by: str | None) -> list[tuple[Hashable, pd.DataFrame]]:
    """The rows of each distinct value of a column, in the order of the table."""
    return list(frame.groupby(by, sort=False, observed=True)) if by else [(None, frame)]


def order(frame: pd.DataFrame, by: str) -> list[Any]:
    """The distinct values of a column, in the order of the table."""
    return column(frame, by).dropna().unique().tolist()


def largest(values: pd.Series, default: float = 1.0) -> float:
    """The largest magnitude, or the default where all are zero or undefined."""
    top = np.nanmax(np.abs(values.to_numpy(float)), initial=0.0)
    return float(top) if top > 0 else default


def value_range(
    frame: pd.DataFrame, column: str, *, include: tuple[float, ...] = ()
) -> tuple[float, float]:
    """The range of a value and its interval, with room at both ends."""
    names = [name for name in (column, "low", "high") if name in frame]
    values = np.append(frame[names].to_numpy(float).ravel(), include)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    return padded(values.min(), values.max())


def padded(low: float, high: float) -> tuple[float, float]:
    """A range with room at both ends, also where they are one."""
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return float(low - room), float(high + room)
