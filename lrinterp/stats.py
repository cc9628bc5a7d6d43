"""Intervals that respect who depends on whom.

Images of one label pair are not independent draws (twins with swapped objects are even
anti-correlated), so an interval inside one model resamples whole clusters, never single images.
Across models the seeds are the outer unit: one number a seed, and Student's t.
For quantities that depend on weights alone no interval exists: use a bare value.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

__all__ = [
    "Difference",
    "Interval",
    "Sample",
    "crossed_interval",
    "difference",
    "jackknife_interval",
    "mean_interval",
    "ratio_interval",
    "ratio_intervals",
    "seed_interval",
]

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
    if denominator.size == 0:
        return [Interval(value=None) for _ in numerators]
    sums = _by_cluster(np.vstack([numerators, denominator]), clusters)
    counts = _resamples(sums.shape[1], draws, np.random.default_rng(seed))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = sums[:-1].sum(1) / sums[-1].sum()
        replicates = (sums[:-1] @ counts.T) / (sums[-1] @ counts.T)
    n, n_clusters = denominator.size, sums.shape[1]
    return [_interval(*pair, n, n_clusters) for pair in zip(values, replicates, strict=True)]


def crossed_interval(
    values: Float[np.ndarray, "draw example"],
    clusters: Int[np.ndarray, "example"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean over random draws and examples; the bootstrap resamples draws and clusters alike.

    With one draw this is `mean_interval`; n counts examples, once each.

    Source: Owen, "The pigeonhole bootstrap" (Annals of Applied Statistics 2007).
    """
    n_runs, n = values.shape
    if n == 0:
        return Interval(value=None)
    sums = _by_cluster(np.vstack([values, np.ones(n)]), clusters)
    rng = np.random.default_rng(seed)
    counts = _resamples(sums.shape[1], draws, rng)
    picked = _resamples(n_runs, draws, rng) / n_runs
    replicates = ((picked @ sums[:-1]) * counts).sum(1) / (counts @ sums[-1])
    return _interval(values.mean(), replicates, n, sums.shape[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What a mean, or a ratio of means, is made of: kept so that two of them can be compared."""

    top: Float[np.ndarray, "draw example"]
    """Values of each example in each random draw; one draw where nothing is random."""
    bottom: Float[np.ndarray, "example"]
    """What they are divided by; ones for a mean."""
    clusters: Int[np.ndarray, "example"]

    @classmethod
    def mean(
        cls, values: Float[np.ndarray, "draw example"], clusters: Int[np.ndarray, "example"]
    ) -> "Sample":
        """The sample of a plain mean."""
        return cls(top=values, bottom=np.ones(values.shape[1]), clusters=clusters)

    @property
    def value(self) -> float:
        """Sum of the tops, averaged over draws, by the sum of the bottoms."""
        return float(self.top.mean(0).sum() / self.bottom.sum())

    def replicates(self, rng: np.random.Generator, draws: int) -> Float[np.ndarray, "resample"]:
        """The value in bootstrap resamples of clusters and draws, as in `crossed_interval`."""
        sums = _by_cluster(np.vstack([self.top, self.bottom]), self.clusters)
        counts = _resamples(sums.shape[1], draws, rng)
        picked = _resamples(len(self.top), draws, rng) / len(self.top)
        with np.errstate(divide="ignore", invalid="ignore"):
            return ((picked @ sums[:-1]) * counts).sum(1) / (counts @ sums[-1])


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference with its interval, and how often chance alone would make one as large."""

    interval: Interval
    p: float | None
    """Two-sided; None where there is no interval."""


def difference(
    one: Sample, other: Sample, *, paired: bool, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """`other` minus `one` with a 95 % percentile interval and a two-sided p value.

    Paired: both are measured on the same examples in the same order, and every resample takes the
    same clusters and draws from both. Otherwise each has resamples of its own, so that their
    variances add. p = 2 (1 + k) / (1 + draws), at most 1, where k counts the replicates of the
    difference on the rarer side of 0, zeros on either. n counts examples, and clusters, of both
    samples, once where they are paired. A sample with a single cluster leaves no interval.
    Raises ValueError where a pair does not match.

    Source: Davison and Hinkley, "Bootstrap methods and their application" (1997), chapters 2, 4.

    >>> import numpy as np
    >>> right, wrong = (Sample.mean(np.full((1, 4), v), np.array([0, 0, 1, 1])) for v in (1.0, 0.0))
    >>> difference(wrong, right, paired=True).interval.value
    1.0
    """
    if paired and (
        len(one.top) != len(other.top) or not np.array_equal(one.clusters, other.clusters)
    ):
        raise ValueError("paired: expected the same examples and number of draws in both samples")
    rngs = [np.random.default_rng(seed if paired else (seed, k)) for k in (0, 1)]
    first, second = (s.replicates(r, draws) for s, r in zip((one, other), rngs, strict=True))
    sizes = [(s.bottom.size, np.unique(s.clusters).size) for s in (one, other)]
    n, n_clusters = sizes[0] if paired else np.sum(sizes, 0).tolist()
    fewest = min(clusters for _, clusters in sizes)
    replicates = second - first
    found = _interval(other.value - one.value, replicates, n, fewest)
    p = None
    if found.low is not None:
        rarer = min((replicates <= 0).sum(), (replicates >= 0).sum())
        p = min(1.0, float(2 * (1 + rarer) / (1 + draws)))
    return Difference(interval=replace(found, n_clusters=n_clusters), p=p)


def seed_interval(values: Float[np.ndarray, "seed"]) -> Interval:
    """Mean over seeds with a 95 % Student t interval; n counts seeds.

    Formula: mean ± t(0.975, n - 1) s / sqrt(n), with s the standard deviation over n - 1. No seed
    gives value None, a single one no ends. Seeds are few and their numbers may be skewed (a model
    in eight that never learns): the interval then covers less than it says.

    Source: Student, "The probable error of a mean" (Biometrika 1908).

    >>> import numpy as np
    >>> found = seed_interval(np.array([0.9, 1.0, 0.8, 0.9]))
    >>> print(f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]")  # t is 3.18, s / 2 is 0.041
    0.90 [0.77, 1.03]
    """
    n = values.size
    if n == 0 or not np.isfinite(values).all():
        return Interval(value=None, n=n)
    mean = float(values.mean())
    if n == 1:
        return Interval(value=mean, n=n)
    spread = values.std(ddof=1) if np.ptp(values) else 0.0  # equal numbers have no rounding error
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * spread / np.sqrt(n))
    return Interval(value=mean, low=mean - half, high=mean + half, n=n)


def jackknife_interval(value: float, replicates: Float[np.ndarray, "seed"]) -> Interval:
    """A statistic of all seeds, freed of its first-order bias, with a 95 % t interval over seeds.

    `replicates` holds the statistic with one seed left out, for each seed. Formula: the
    pseudo-value of a seed is n value - (n - 1) replicate; their mean and t interval are those of
    `seed_interval`. For a mean they are the seeds' own numbers; a share of variance may come out
    a little below 0. A single seed gives the plain value without ends, and so does a replicate
    that is not defined.

    Source: Tukey, "Bias and confidence in not-quite large samples" (Ann. Math. Stat. 1958);
    Miller, "The jackknife: a review" (Biometrika 1974).

    >>> import numpy as np
    >>> jackknife_interval(2.0, np.array([2.5, 2.0, 1.5])).value  # pseudo-values 1, 2, 3
    2.0
    """
    n = replicates.size
    if not np.isfinite(value):
        return Interval(value=None, n=n)
    if n < 2 or not np.isfinite(replicates).all():
        return Interval(value=float(value), n=n)
    return seed_interval(n * value - (n - 1) * replicates)


def _by_cluster(
    rows: Float[np.ndarray, "row example"], clusters: Int[np.ndarray, "example"]
) -> Float[np.ndarray, "row cluster"]:
    _, member = np.unique(clusters, return_inverse=True)
    return np.stack([np.bincount(member, weights=row) for row in rows])


def _resamples(size: int, draws: int, rng: np.random.Generator) -> Int[np.ndarray, "draw item"]:
    """How often each of some items is drawn when as many are drawn with replacement."""
    return rng.multinomial(size, np.full(size, 1 / size), size=draws)


def _interval(
    value: float, replicates: Float[np.ndarray, "draw"], n: int, n_clusters: int
) -> Interval:
    """The percentile interval; without ends where one cluster or a zero denominator leaves none."""
    counts = {"n": n, "n_clusters": n_clusters}
    if not np.isfinite(value):
        return Interval(value=None, **counts)
    if n_clusters < 2 or not np.isfinite(replicates).all():
        return Interval(value=float(value), **counts)
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=float(value), low=float(low), high=float(high), **counts)
