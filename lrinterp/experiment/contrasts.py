"""Contrasts and shares of variance from a table of models, each with its interval over seeds.

The models of an arm are laid out as an array [seed, level of the first factor, ...], NaN where a
model is missing or failed. Every statistic is balanced: it takes the seeds that are complete in
every cell it looks at. For unbalanced designs use a mixed model from a statistics package.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float

from lrinterp.experiment.numbers import level, scale_of
from lrinterp.experiment.study import Study
from lrinterp.stats import (
    GAP,
    LINEAR,
    SHARE,
    Interval,
    Scale,
    jackknife_interval,
    seed_interval,
)

__all__ = [
    "complete",
    "contrast",
    "grid_means",
    "laid_out",
    "share_interval",
    "shares",
    "sources",
]

ENOUGH = 3
"""Seeds from which shares have an interval: of two, each left alone has no variance by seed."""


def sources(study: Study) -> list[str]:
    """What variance divides into, in the order of `shares`."""
    return [*study.factors, "interaction", "seed"]


def laid_out(
    study: Study, table: pd.DataFrame, arm: str, column: str
) -> Float[np.ndarray, "seed *level"]:
    """One column of one arm by seed and level of every factor; NaN where there is no number.

    Rows are placed by `model`, which counts arms, then combinations, then seeds.
    """
    shape = [*map(len, study.factors.values()), study.seeds]
    values = np.full(math.prod(shape), np.nan)
    rows = table[table["arm"] == arm]
    if column in rows:
        first = study.arm_names.index(arm) * len(values)
        values[rows["model"].to_numpy(int) - first] = rows[column].astype(float)
    return np.ascontiguousarray(np.moveaxis(values.reshape(shape), -1, 0))


def complete(values: Float[np.ndarray, "seed *level"]) -> Float[np.ndarray, "kept *level"]:
    """The seeds that have a number in every cell."""
    return values[np.isfinite(values).reshape(len(values), -1).all(1)]


def contrast(
    values: Float[np.ndarray, "seed *level"], axis: int, scale: Scale = LINEAR
) -> Interval:
    """Mean at the second of the two levels along an axis minus mean at the first.

    Formula: for each seed the difference of the means over all other factors, then the interval of
    `seed_interval`, between -1 and 1 where the numbers are shares. A seed draws the first weights
    alike in every cell of one shape, so cells are paired by seed and what a seed shifts everywhere
    cancels.
    """
    first, second = (np.take(values, place, axis=axis) for place in (0, 1))
    difference = second - first
    by_seed = difference.mean(axis=tuple(range(1, difference.ndim)))
    return seed_interval(by_seed, GAP if scale == SHARE else LINEAR)


def shares(values: Float[np.ndarray, "seed *level"]) -> Float[np.ndarray, "source"]:
    """Share of variance of each factor, of their interaction and of the seed; they sum to 1.

    Formula, of a balanced design: a factor's share is the variance of its level means over the
    variance of all models (SS_factor / SS_total); interaction is the variance of cell means less
    all main effects; the seed has what remains inside cells. NaN where all models are equal.
    Noise alone puts (levels - 1) / (models - 1) of it into each factor: see `share_interval`.

    Source: Fisher, "Statistical Methods for Research Workers" (1925), chapter 7.

    >>> import numpy as np
    >>> both = np.array([[[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]])  # the first alone
    >>> shares(both).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    if not values.size or np.ptp(values) == 0:
        return np.full(values.ndim + 1, np.nan)
    axes = range(values.ndim)
    main = [values.mean(axis=tuple(a for a in axes if a != k)).var() for k in axes[1:]]
    cells = values.mean(0).var()
    return np.array([*main, cells - sum(main), values.var() - cells]) / values.var()


def share_interval(
    values: Float[np.ndarray, "seed *level"], weights: Float[np.ndarray, "source"]
) -> Interval:
    """A weighted sum of shares, freed of the bias by noise, with a jackknife interval over seeds.

    Weights pick one share, or the difference of two; ends stay within 0 and 1, or -1 and 1. With
    fewer than three seeds it is the plain share, without ends.
    """
    n = len(values)
    plain = float(shares(values) @ weights)
    if n < ENOUGH:
        return Interval(value=plain if np.isfinite(plain) else None, n=n)
    replicates = [shares(np.delete(values, k, axis=0)) @ weights for k in range(n)]
    one = weights.min() >= 0
    return jackknife_interval(plain, np.array(replicates), SHARE if one else GAP)


def grid_means(
    study: Study, table: pd.DataFrame, measures: Mapping[str, str], by: Sequence[str]
) -> pd.DataFrame:
    """Means over seeds of columns in every arm and cell of some factors, over the others first.

    One row a cell: arm, the column in words as `measure`, the level of each factor of `by` in the
    order of the grid, and value, low, high, n (seeds that are complete in this cell). Columns that
    no model of the table has a number for are left out.
    """
    others = tuple(k for k, name in enumerate(study.factors, start=1) if name not in by)
    levels = {name: values for name, values in study.factors.items() if name in by}
    known = [name for name in measures if name in table and table[name].notna().any()]
    rows = []
    for arm, column in product(study.arm_names, known):
        means = laid_out(study, table, arm, column).mean(axis=others)
        for place in np.ndindex(*means.shape[1:]):
            cell = means[(slice(None), *place)]
            found = seed_interval(cell[np.isfinite(cell)], scale_of(column))
            at = [level(own[k]) for own, k in zip(levels.values(), place, strict=True)]
            numbers = (found.value, found.low, found.high, found.n)
            rows.append((arm, measures[column], *at, *numbers))
    columns = ["arm", "measure", *levels, "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[-4:-1], float))
