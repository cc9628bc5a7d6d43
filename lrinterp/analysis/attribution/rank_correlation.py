"""Spearman's rank correlation over pictures, overall and within groups, and what chance makes.

Pictures of one label pair are no independent draws: intervals resample whole clusters.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from lrinterp.stats import Interval, mean_interval

__all__ = ["rank_interval", "shuffled_high", "within_groups", "within_interval"]

DRAWS = 2000
SHUFFLES = 1000
ENDS = (0.025, 0.975)
ROUNDING = 6
"""Decimals that are ranked; what differs beyond them is rounding and counts as tied."""

Values = Float[np.ndarray, "example"]
Members = Int[np.ndarray, "example"]


def rank_interval(
    x: Values, y: Values, clusters: Members, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Spearman's rho with a 95 % percentile interval from a bootstrap over clusters.

    Each resample is ranked anew; ties get their mean rank. None where x or y is constant; without
    ends where one cluster, or a resample in which one is constant, leaves none.

    Source: Field and Welsh, "Bootstrapping clustered data" (JRSS-B 2007), for the resampling.
    """
    _, member = np.unique(clusters, return_inverse=True)
    n_clusters = int(member.max(initial=-1)) + 1
    counts = {"n": x.size, "n_clusters": n_clusters}
    codes = (codes_of(x), codes_of(y))
    value = weighted_rho(codes, np.ones(x.size)) if x.size else np.nan
    if not np.isfinite(value):
        return Interval(value=None, **counts)
    drawn = np.random.default_rng(seed).multinomial(
        n_clusters, np.full(n_clusters, 1 / n_clusters), size=draws
    )
    replicates = np.array([weighted_rho(codes, draw[member].astype(float)) for draw in drawn])
    if n_clusters < 2 or not np.isfinite(replicates).all():
        return Interval(value=value, **counts)
    low, high = np.quantile(replicates, ENDS)
    return Interval(value=value, low=float(low), high=float(high), **counts)


def within_interval(x: Values, y: Values, groups: Members, clusters: Members) -> Interval:
    """Mean over groups of rho within each; the bootstrap resamples clusters of groups.

    n counts the groups in which rho is defined; a cluster holds whole groups.
    """
    rho = within_groups(x, y, groups)
    _, first = np.unique(groups, return_index=True)
    known = np.isfinite(rho)
    return mean_interval(rho[known], clusters[first][known])


def within_groups(x: Values, y: Values, groups: Members) -> Float[np.ndarray, "group"]:
    """Spearman's rho in each group, in the order of their numbers; nan where one is constant."""
    _, member = np.unique(groups, return_inverse=True)
    return np.bincount(member, weights=unit_ranks(x, member) * unit_ranks(y, member))


def shuffled_high(
    x: Values, y: Values, groups: Members, *, shuffles: int = SHUFFLES, seed: int = 0
) -> float | None:
    """The null: 95 % quantile of |mean over groups of rho| when y changes places in its groups.

    One group permutes all pictures. None where rho is defined in no group.
    """
    _, member = np.unique(groups, return_inverse=True)
    one, other = unit_ranks(x, member), unit_ranks(y, member)
    n_known = np.unique(member[np.isfinite(one * other)]).size
    if not n_known:
        return None
    order = np.argsort(member, kind="stable")
    one, other, member = (values[order] for values in (np.nan_to_num(one), other, member))
    other, rng = np.nan_to_num(other), np.random.default_rng(seed)
    means = [
        one @ other[np.lexsort((rng.random(one.size), member))] / n_known for _ in range(shuffles)
    ]
    return float(np.quantile(np.abs(means), 0.95))


def unit_ranks(values: Values, member: Members) -> Values:
    """Ranks within each group, centred and of length 1; nan where a group is constant."""
    ranks = np.empty(values.size)
    for group in range(int(member.max(initial=-1)) + 1):
        here = member == group
        own = rankdata(np.round(values[here], ROUNDING))
        own -= own.mean()
        size = np.linalg.norm(own)
        ranks[here] = own / size if size else np.nan
    return ranks


def codes_of(values: Values) -> Members:
    """Each value's place among the distinct ones."""
    return np.unique(np.round(values, ROUNDING), return_inverse=True)[1]


def weighted_rho(codes: tuple[Members, Members], weights: Values) -> float:
    """Spearman's rho of examples that count several times each, from the codes of their values."""
    one, other = (mid_ranks(code, weights) for code in codes)
    scale = np.sqrt((weights @ one**2) * (weights @ other**2))
    return float(weights @ (one * other) / scale) if scale > 0 else float("nan")


def mid_ranks(code: Members, weights: Values) -> Values:
    """Mean ranks of weighted examples, centred: half of those below or equal, less half of all."""
    mass = np.bincount(code, weights=weights)
    return (np.cumsum(mass) - mass / 2 - weights.sum() / 2)[code]
