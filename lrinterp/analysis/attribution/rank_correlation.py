"""Spearman's rank correlation over pictures, overall and within groups, and what chance makes.

Pictures that share a label are no independent draws: intervals leave out whole labels.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata, spearmanr

from lrinterp.stats import CORRELATION, COSINE, Interval, Units, mean_interval, statistic_interval

__all__ = ["rank_interval", "shuffled_high", "within_groups", "within_interval"]

SHUFFLES = 1000
ROUNDING = 6
"""Decimals that are ranked; what differs beyond them is rounding and counts as tied."""

Values = Float[np.ndarray, "example"]
Members = Int[np.ndarray, "example"]


def rank_interval(x: Values, y: Values, units: Units) -> Interval:
    """Spearman's rho with a 95 % interval from a jackknife over units.

    Ranks are made anew without each unit; ties get their mean rank. None where x or y is constant;
    without ends where a single unit, or a rest in which one is constant, leaves none.
    """
    x, y = np.round(x, ROUNDING), np.round(y, ROUNDING)
    return statistic_interval(lambda kept: rho_of(x[kept], y[kept]), units, scale=CORRELATION)


def rho_of(x: Values, y: Values) -> float:
    """Spearman's rho; nan where one of both is constant."""
    if not np.ptp(x) or not np.ptp(y):
        return float("nan")
    return float(spearmanr(x, y).statistic)  # type: ignore[union-attr]


def within_interval(x: Values, y: Values, groups: Members, units: Units) -> Interval:
    """Mean over groups of rho within each, over units that each hold whole groups, or share them.

    n counts the groups in which rho is defined.
    """
    rho = within_groups(x, y, groups)
    _, first = np.unique(groups, return_index=True)
    known = np.isfinite(rho)
    return mean_interval(rho[known], units.at(first[known]), scale=COSINE)


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
