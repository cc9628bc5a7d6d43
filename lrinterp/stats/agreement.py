"""How far an estimate agrees with what was measured exactly, over some things that have both."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

__all__ = ["FEWEST", "agreement_of"]

FEWEST = 3
"""Things below which nothing can be said."""


def agreement_of(
    exact: Float[np.ndarray, "thing"], estimate: Float[np.ndarray, "thing"]
) -> dict[str, Any]:
    """Pearson, Spearman, slope through the origin, n; None where a column is constant.

    >>> import numpy as np
    >>> agreement_of(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 0.5]))["slope"]
    0.5
    """
    ranks = rankdata(exact), rankdata(estimate)
    squares = float(exact @ exact)
    slope = float(exact @ estimate) / squares if squares else None
    return {
        "pearson": correlation(exact, estimate),
        "spearman": correlation(*ranks),
        "slope": slope if len(exact) >= FEWEST else None,
        "n": len(exact),
    }


def correlation(x: Float[np.ndarray, "thing"], y: Float[np.ndarray, "thing"]) -> float | None:
    """Pearson's r, or None."""
    if len(x) < FEWEST or not np.ptp(x) or not np.ptp(y):
        return None
    return float(np.corrcoef(x, y)[0, 1])
