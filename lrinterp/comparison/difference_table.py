"""Numbers of several checkpoints, their differences from the first, and which are told apart."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from scipy.stats import false_discovery_control

from lrinterp.comparison.measured import Measured
from lrinterp.comparison.naming import quantity_words
from lrinterp.result import Scalar
from lrinterp.stats import LEVEL, Difference, Interval, difference

__all__ = ["DIFFERS", "difference_table"]

RATE = 0.05
"""False discoveries among those that are said to differ."""
DIFFERS, ALIKE, EQUAL, EXACT = "differs", "not told apart", "equal", "not tested"
LAST = ("answer", "mechanism")
COLUMNS = [
    "analysis", "quantity", "checkpoint", "value", "low", "high", "n", "n_units", "name", "key",
]  # fmt: skip
DIFFERENCE = [
    "difference", "difference_low", "difference_high", "difference_n", "difference_n_units",
    "paired", "p", "q",
]  # fmt: skip


def difference_table(measured: Sequence[Measured], asked: Sequence[str]) -> pd.DataFrame:
    """One row a quantity and checkpoint; differences are from the first checkpoint.

    Columns: analysis, quantity, checkpoint, value, low, high, n, n_units, `name` where the
    number is one of a head, `key` of the summary; difference with interval and counts, `paired`
    (yes, no, or empty where it is exact), p, q over all tests of the table, verdict. A number that
    several analyses report stands once, under the analysis that measures it.

    Source of q: Benjamini and Hochberg, "Controlling the false discovery rate" (JRSS-B 1995).
    """
    rows = [row for place in quantities(measured, asked) for row in compared(measured, *place)]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *DIFFERENCE, "verdict"])
    floats = ("value", "low", "high", "difference", "difference_low", "difference_high", "p")
    counts = ("n", "n_units", "difference_n", "difference_n_units")
    kinds = {**dict.fromkeys(floats, "float64"), **dict.fromkeys(counts, "Int64")}
    return corrected(table.astype(kinds))


def quantities(measured: Sequence[Measured], asked: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Analysis and key of each number, once; what gathers others, or one picture, comes last."""
    seen: set[str] = set()
    for analysis in sorted(asked, key=lambda name: name in LAST):
        for key in dict.fromkeys(k for one in measured for k in one.summaries[analysis]):
            if key not in seen:
                seen.add(key)
                yield analysis, key


def compared(measured: Sequence[Measured], analysis: str, key: str) -> Iterator[dict[str, Any]]:
    """One number of each checkpoint, with its difference from the first."""
    first = measured[0]
    for one in measured:
        scalar = one.scalar(analysis, key)
        named = isinstance(scalar.value, str)
        own = {**scalar.plain(), "value": None} if named else scalar.plain()
        place = {"analysis": analysis, "quantity": quantity_words(key), "checkpoint": one.name}
        row = {**place, **own, "name": scalar.value if named else "", "key": key}
        found = None if one is first else between(first, one, analysis, key)
        yield {**row, **(difference_row(*found) if found else {"paired": "", "verdict": ""})}


def difference_row(found: Difference, paired: str) -> dict[str, Any]:
    """The columns of a difference; its verdict where it has no test."""
    plain = vars(found.interval)
    names = ("low", "high", "n", "n_units") if plain["n"] else ()
    columns = {f"difference_{name}": plain[name] for name in names}
    columns |= {"difference": plain["value"], "paired": paired, "p": found.p}
    return {**columns, "verdict": EXACT if plain["value"] else EQUAL}


def between(
    first: Measured, other: Measured, analysis: str, key: str
) -> tuple[Difference, str] | None:
    """A difference and whether it is paired (`yes`, `no`, or empty where it is exact)."""
    one, two = (measured.scalar(analysis, key) for measured in (first, other))
    if not (is_number(one.value) and is_number(two.value)):
        return None
    if key in first.samples and key in other.samples:
        a, b = first.samples[key], other.samples[key]
        paired = a.pairs_with(b)
        return difference(a.sample, b.sample, paired=paired), "yes" if paired else "no"
    same = first.weights == other.weights and one == two
    if same or one.low is None or two.low is None:
        value = float(two.value) - float(one.value)  # type: ignore[arg-type]
        return Difference(interval=Interval(value=value), p=None), ""
    return added(one, two), "no"


def is_number(value: object) -> bool:
    """Is it a number, not a name or nothing?"""
    return isinstance(value, int | float)


def added(one: Scalar, two: Scalar) -> Difference:
    """A difference of two independent numbers of which only the intervals are known.

    Formula: half widths are 1.96 standard errors each, whose squares add; a normal p value.
    """
    z = float(ndtri((1 + LEVEL) / 2))
    errors = [(s.high - s.low) / (2 * z) for s in (one, two)]  # type: ignore[operator]
    error = math.hypot(*errors)
    value = float(two.value) - float(one.value)  # type: ignore[arg-type]
    p = 2 * float(ndtr(-abs(value) / error)) if error else float(value == 0)
    counts = {name: _sum(getattr(one, name), getattr(two, name)) for name in ("n", "n_units")}
    found = Interval(value=value, low=value - z * error, high=value + z * error, **counts)
    return Difference(interval=found, p=p)


def _sum(one: int | None, two: int | None) -> int:
    return (one or 0) + (two or 0)


def corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with q for every test, and its verdict."""
    p = table["p"].to_numpy(float)
    tested, q = np.isfinite(p), np.full(len(p), np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    said = np.where(tested, np.where(q < RATE, DIFFERS, ALIKE), table["verdict"])
    return table.assign(q=q, verdict=said)
