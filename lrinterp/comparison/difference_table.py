"""Numbers of several checkpoints, their differences from the first, and which are told apart."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from lrinterp.comparison.measured import Measured
from lrinterp.comparison.naming import quantity_words
from lrinterp.metric import Gap

__all__ = ["DIFFERS", "difference_table"]

RATE = 0.05
"""False discoveries among those that are said to differ."""
DIFFERS, ALIKE, EQUAL, EXACT = "differs", "not told apart", "equal", "exact"
DESCRIBED = "not tested"
"""A difference with an interval and p of its own, that is no test of the table."""
LAST = ("answer", "mechanism")
COLUMNS = [
    "analysis", "quantity", "checkpoint", "value", "low", "high", "n", "n_units", "name", "key",
    "primary",
]  # fmt: skip
DIFFERENCE = [
    "difference", "difference_low", "difference_high", "difference_n", "difference_n_units",
    "paired", "p", "least_p", "q",
]  # fmt: skip


def difference_table(measured: Sequence[Measured], asked: Sequence[str]) -> pd.DataFrame:
    """One row a quantity and checkpoint; differences are from the first checkpoint.

    Columns: analysis, quantity, checkpoint, value, low, high, n, n_units, `name` where the
    number is one of a head, `key` of the summary; difference with interval and counts, `paired`
    (yes, no, or empty where it is exact), p, the least p that these units allow, verdict. `primary`
    marks the one number of each analysis that is tested; q corrects for those. A number that
    several analyses report stands once, under the analysis that measures it.

    Source of q: Benjamini and Hochberg, "Controlling the false discovery rate" (JRSS-B 1995).
    """
    rows = [row for place in quantities(measured, asked) for row in compared(measured, *place)]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *DIFFERENCE, "verdict"])
    floats = (
        "value", "low", "high", "difference", "difference_low", "difference_high", "p", "least_p",
    )  # fmt: skip
    counts = ("n", "n_units", "difference_n", "difference_n_units")
    kinds = {**dict.fromkeys(floats, "float64"), **dict.fromkeys(counts, "Int64")}
    return corrected(table.astype(kinds))


def quantities(measured: Sequence[Measured], asked: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Analysis and key of each number, once; what gathers others, or one picture, comes last."""
    seen: set[str] = set()
    for analysis in sorted(asked, key=lambda name: name in LAST):
        for key in dict.fromkeys(k for one in measured for k in one.results[analysis].metrics):
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
        primary = one.results[analysis].primary == key
        names = {"name": scalar.value if named else "", "key": key, "primary": primary}
        row = {**place, **own, **names}
        found = None if one is first else between(first, one, analysis, key)
        yield {**row, **(difference_row(found) if found else {"paired": "", "verdict": ""})}


def difference_row(found: Gap) -> dict[str, Any]:
    """The columns of a difference; its verdict where it has no test."""
    plain = found.plain()
    names = ("low", "high", "n", "n_units") if plain["n"] else ()
    columns = {f"difference_{name}": plain[name] for name in names}
    columns |= {"difference": plain["value"], "p": found.p, "least_p": found.least_p}
    columns["paired"] = {True: "yes", False: "no", None: ""}[found.paired]
    return {**columns, "verdict": EXACT if plain["value"] else EQUAL}


def between(first: Measured, other: Measured, analysis: str, key: str) -> Gap | None:
    """How far one number is from that of the first; None for names and what is not measured.

    A number that one model gives twice, and that has no sample, differs by exactly 0.
    """
    one, two = (measured.scalar(analysis, key) for measured in (first, other))
    if not (one.is_number and two.is_number):
        return None
    if first.weights == other.weights and one == two and one.sample is None:
        return Gap(value=0.0, estimator="difference")
    return two - one


def corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with q for the primary number of each analysis, and every verdict."""
    p = table["p"].to_numpy(float)
    tested = np.isfinite(p) & table["primary"].to_numpy(bool)
    q = np.full(len(p), np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    described = np.where(np.isfinite(p), DESCRIBED, table["verdict"])
    said = np.where(tested, np.where(q < RATE, DIFFERS, ALIKE), described)
    return table.assign(q=q, verdict=said)
