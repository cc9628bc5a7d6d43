"""From one number a seed to means with intervals, and which cells of a map differ from zero."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, ttest_1samp

from lrinterp.stats import LINEAR, Scale, seed_interval

__all__ = ["ARM_WORDS", "blanked", "named", "over_seeds", "told_apart"]

LEVEL = 0.05
"""Share of false discoveries among the cells of a map that are shown."""
ARM_WORDS = {
    "standard": "standard",
    "few": "few labels, few layouts",
    "both_1": "both templates, 1 text layer",
    "both_2": "both templates, 2 text layers",
    "shuffled": "captions shuffled",
    "untrained": "untrained",
}
"""The arms as figures name them, in the order in which they are shown."""


def named(table: pd.DataFrame, arms: Sequence[str] = tuple(ARM_WORDS)) -> pd.DataFrame:
    """The rows of some arms, in this order, with the arm in words."""
    chosen = table[table["arm"].isin(list(arms))]
    order = chosen["arm"].map(list(arms).index)
    return chosen.iloc[np.argsort(order, kind="stable")].assign(
        arm=lambda rows: rows["arm"].map(ARM_WORDS)
    )


def over_seeds(
    table: pd.DataFrame, by: Sequence[str], value: str = "value", scale: Scale = LINEAR
) -> pd.DataFrame:
    """Mean of a column over the rows of each group, one row a seed, with its interval; n seeds."""
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        found = seed_interval(group[value].dropna().to_numpy(float), scale)
        place = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        numbers = {value: found.value, "low": found.low, "high": found.high}
        rows.append({**place, **numbers, "n": found.n})
    return pd.DataFrame(rows, columns=[*by, value, "low", "high", "n"])


def told_apart(table: pd.DataFrame, by: Sequence[str], value: str = "value") -> pd.DataFrame:
    """Means as `over_seeds`, with `q`: the share of false discoveries if a cell as sure is shown.

    Student's t over seeds against 0 in every cell, then the procedure of Benjamini and Hochberg
    over all cells. Cells in which all seeds agree have q = 0, or 1 where they are 0; cells of a
    single seed have 1.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate" (JRSS-B 1995).
    """
    means = over_seeds(table, by, value)
    groups = [g[value].dropna().to_numpy(float) for _, g in table.groupby(list(by), sort=False)]
    p = np.array([p_value(values) for values in groups])
    return means.assign(q=false_discovery_control(p) if len(p) else p)


def blanked(means: pd.DataFrame, value: str = "value") -> tuple[pd.DataFrame, str]:
    """Means of `told_apart` without the cells that are not told from 0, and the words for it.

    Where none is, as with few seeds, all stay and the words say so.
    """
    sure = means["q"] < LEVEL
    rate = f"at a false discovery rate of {LEVEL:g} over all cells"
    if not sure.any():
        return means, f"no cell is told from 0 {rate}, and all are shown"
    words = f"blank where a mean is not told from 0 {rate}"
    return means.assign(**{value: means[value].where(sure)}), words


def p_value(values: np.ndarray) -> float:
    """Two-sided p of a mean of 0."""
    if len(values) < 2:
        return 1.0
    if np.ptp(values) == 0:
        return float(values[0] == 0)
    test: Any = ttest_1samp(values, 0.0)
    return float(test.pvalue)
