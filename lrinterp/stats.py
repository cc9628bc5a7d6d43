"""Intervals that respect who depends on whom.

Images of one label pair are not independent draws (twins with swapped objects are even
anti-correlated), so an interval inside one model resamples whole clusters, never single images.
For quantities that depend on weights alone no interval exists: use a bare value.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Interval", "mean_interval", "ratio_interval", "ratio_intervals"]

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with the ends of its interval; both ends are None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_clusters: int = 0


def mean_interval(
    values: Float[np.ndarray, "example"],
    clusters: Int[np.ndarray, "example"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean with a 95 % percentile interval from a bootstrap over clusters.

    Formula: draw as many clusters as there are, with replacement; the replicate is
    sum of their values / number of their examples. An empty sample gives value None with n = 0;
    a single cluster gives the mean without ends.

    Source: Field and Welsh, "Bootstrapping clustered data" (JRSS-B 2007).

    >>> import numpy as np
    >>> mean_interval(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])).value
    0.5
    """
    return ratio_interval(values, np.ones_like(values), clusters, draws=draws, seed=seed)


def ratio_interval(
    numerator: Float[np.ndarray, "example"],
    denominator: Float[np.ndarray, "example"],
    clusters: Int[np.ndarray, "example"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Ratio of means, sum(numerator) / sum(denominator), with the interval of `mean_interval`."""
    return ratio_intervals(numerator[None], denominator, clusters, draws=draws, seed=seed)[0]


def ratio_intervals(
    numerators: Float[np.ndarray, "row example"],
    denominator: Float[np.ndarray, "example"],
    clusters: Int[np.ndarray, "example"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Interval]:
    """`ratio_interval` of many numerators over one denominator, on the same resamples.

    Cost: one product [row, cluster] x [cluster, draw] after summing inside clusters.
    """
    n = denominator.size
    names, member = np.unique(clusters, return_inverse=True)
    n_clusters = names.size
    if n == 0:
        return [Interval(value=None) for _ in numerators]
    totals = np.zeros((len(numerators), n_clusters))
    for total, row in zip(totals, numerators, strict=True):
        total += np.bincount(member, weights=row, minlength=n_clusters)
    weights = np.bincount(member, weights=denominator, minlength=n_clusters)
    values = totals.sum(1) / weights.sum()
    if n_clusters < 2:
        return [Interval(value=float(v), n=n, n_clusters=n_clusters) for v in values]
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = (totals @ counts.T) / (weights @ counts.T)
    if not np.isfinite(replicates).all():
        return [Interval(value=float(v), n=n, n_clusters=n_clusters) for v in values]
    tail = (1 - LEVEL) / 2
    lows, highs = np.quantile(replicates, [tail, 1 - tail], axis=1)
    return [
        Interval(value=float(v), low=float(lo), high=float(hi), n=n, n_clusters=n_clusters)
        for v, lo, hi in zip(values, lows, highs, strict=True)
    ]
