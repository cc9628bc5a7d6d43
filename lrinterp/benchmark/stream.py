"""Means of numbers that stream by, with clustered intervals, in memory that does not grow.

The bootstrap of `lrinterp.stats` resamples clusters when all rows are there. Here each of `DRAWS`
resamples takes each cluster a Poisson(1) number of times, drawn from a generator that the
cluster's own key seeds. So the rows of a cluster may lie anywhere in the stream, all tallies take
the same resamples, and a resample is two running sums. For numbers that fit in memory use
`lrinterp.stats.mean_interval`, which this comes close to.

Source: Chamandy, Muralidharan, Najmi and Naidu, "Estimating uncertainty for massive data streams"
(Google technical report, 2012).
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from lrinterp.stats import Interval

__all__ = ["DRAWS", "Distinct", "Tally", "cluster_of", "macro"]

DRAWS = 2000
"""Resamples, as many as `lrinterp.stats` takes."""
ENDS = (0.025, 0.975)
KEPT = 2**13
"""Clusters that are held at least, once there are more."""
HASHES = 2**64


def cluster_of(key: str) -> int:
    """A cluster's key as a number from 0 to 2^64, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=64)
def times_drawn(cluster: int) -> UInt8[np.ndarray, "draw"]:
    """How often each resample takes a cluster: Poisson(1) numbers that its key alone decides."""
    return np.random.default_rng(cluster).poisson(1.0, DRAWS).astype(np.uint8)


class Distinct:
    """How many different clusters have been seen: exact up to twice `KEPT`, then estimated.

    Beyond, only the clusters below a bound are held, and their number over the share of all hashes
    that lie below it is the estimate. Error about 1 %. Source: Bar-Yossef et al., "Counting
    distinct elements in a data stream" (RANDOM 2002).
    """

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.bound = HASHES

    def add(self, cluster: int) -> None:
        """See a cluster, perhaps again."""
        if cluster >= self.bound:
            return
        self.held.add(cluster)
        if len(self.held) > 2 * KEPT:
            self.bound = sorted(self.held)[KEPT]
            self.held = {one for one in self.held if one < self.bound}

    @property
    def count(self) -> int:
        """How many."""
        return round(len(self.held) * (HASHES / self.bound))


class Tally:
    """The mean of some rows, what chance would make of it, and its resamples."""

    def __init__(self) -> None:
        self.n, self.total, self.total_chance = 0, 0.0, 0.0
        self.tops, self.bottoms = np.zeros(DRAWS), np.zeros(DRAWS)
        self.clusters = Distinct()

    def add(self, value: float, chance: float, cluster: int) -> None:
        """Count a row: its value, what chance gives it, and the cluster it is of."""
        times = times_drawn(cluster)
        self.n += 1
        self.total += value
        self.total_chance += chance
        self.tops += times * value
        self.bottoms += times
        self.clusters.add(cluster)

    @property
    def mean(self) -> float:
        """The mean value; there must be a row."""
        return self.total / self.n

    @property
    def chance(self) -> float:
        """The mean chance; there must be a row."""
        return self.total_chance / self.n

    @property
    def replicates(self) -> Float[np.ndarray, "draw"]:
        """The mean in each resample; nan where a resample took none of the rows."""
        taken = self.bottoms > 0
        return np.where(taken, self.tops / np.where(taken, self.bottoms, 1), np.nan)

    @property
    def interval(self) -> Interval:
        """The mean with its 95 % percentile interval; without ends for a single cluster.

        Resamples that took no row are left out: e^-k of them with k clusters.
        """
        return interval_of(self.mean, self.replicates, self.n, self.clusters.count)


def macro(tallies: Iterable[Tally]) -> Interval:
    """The unweighted mean of several means, with an interval over the clusters of them all.

    A tally of which a resample took no row is left out of that resample.
    """
    tallies = list(tallies)
    clusters = union(tally.clusters for tally in tallies)
    rows = np.stack([tally.replicates for tally in tallies])
    known = np.isfinite(rows)
    counts = known.sum(0)
    sums = np.where(known, rows, 0.0).sum(0)
    replicates = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    value = float(np.mean([tally.mean for tally in tallies]))
    return interval_of(value, replicates, sum(tally.n for tally in tallies), clusters.count)


def union(parts: Iterable[Distinct]) -> Distinct:
    """The clusters of them all."""
    parts = list(parts)
    whole = Distinct()
    whole.bound = min(part.bound for part in parts)
    for cluster in (one for part in parts for one in part.held):
        whole.add(cluster)
    return whole


def interval_of(
    value: float, replicates: Float[np.ndarray, "draw"], n: int, n_clusters: int
) -> Interval:
    """The percentile interval over the resamples that took something."""
    if n_clusters < 2:
        return Interval(value=value, n=n, n_clusters=n_clusters)
    low, high = np.nanquantile(replicates, ENDS).tolist()
    return Interval(value=value, low=low, high=high, n=n, n_clusters=n_clusters)
