"""Planes fitted to what a score gains from each patch: slopes to the right and downwards.

value(row, column) = level + slope * column + slope_y * row, by least squares; on a full grid the
two slopes do not depend on each other. A single row of pixels has a line, and no `slope_y`.
"""

from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Float
from scipy.stats import spearmanr

__all__ = ["Grid", "fit_plane", "fit_row", "plane_slopes", "slopes"]

Grid = tuple[int, int]
"""Rows and columns of patches; patch row * columns + column stands there."""
CONSTANT = 1e-6
"""Logits from smallest to largest below which values count as constant."""


def slopes(rows: Float[np.ndarray, "*row pixel"]) -> Float[np.ndarray, "*row"]:
    """Least-squares slope over the pixels; 0 for a constant row, and for a single pixel."""
    x = np.arange(rows.shape[-1]) - (rows.shape[-1] - 1) / 2
    return (rows - rows.mean(-1, keepdims=True)) @ x / max(x @ x, 0.5)


def plane_slopes(rows: Float[np.ndarray, "*row patch"], grid: Grid) -> Float[np.ndarray, "2 *row"]:
    """Least-squares slopes of a plane: per column (to the right), then per row (downwards)."""
    cells = rearrange(rows, "... (row column) -> ... row column", row=grid[0])
    return np.stack([slopes(cells.mean(-2)), slopes(cells.mean(-1))])


def fit_row(row: Float[np.ndarray, "pixel"]) -> dict[str, Any]:
    """`fit_plane` of a single row of pixels."""
    return fit_plane(row, (1, len(row)))


def fit_plane(values: Float[np.ndarray, "patch"], grid: Grid) -> dict[str, Any]:
    """Slope, span, range, R^2 and Spearman rho; slope and span downwards where there are rows.

    Spans are |slope| times the steps from end to end, R^2 is that of the plane, rho that of the
    means of the columns with their number, from left to right. Constant values have slopes of 0
    and no correlation. Slopes in logits a column or row, spans and range in logits.
    """
    rows, columns = grid
    reach = float(np.ptp(values))
    constant = reach < CONSTANT
    x, y = (0.0, 0.0) if constant else plane_slopes(values[None], grid)[:, 0].tolist()
    return {
        "slope": x,
        "span": abs(x) * (columns - 1),
        "range": reach,
        "r2": None if constant else explained(values, (x, y), grid),
        "spearman": None if constant else rank_correlation(values.reshape(grid).mean(0)),
        "slope_y": y if rows > 1 else None,
        "span_y": abs(y) * (rows - 1) if rows > 1 else None,
    }


def explained(values: Float[np.ndarray, "patch"], slopes: tuple[float, float], grid: Grid) -> float:
    """The share of the variance over patches that a plane of these slopes accounts for."""
    row, column = np.indices(grid) - (np.array(grid).reshape(2, 1, 1) - 1) / 2
    plane = slopes[0] * column + slopes[1] * row
    return float((plane**2).sum() / ((values - values.mean()) ** 2).sum())


def rank_correlation(means: Float[np.ndarray, "column"]) -> float | None:
    """Spearman rho of the columns with their number; None where all are alike."""
    if np.ptp(means) < CONSTANT:
        return None
    return float(np.asarray(spearmanr(np.arange(len(means)), means))[0])
