"""Intervals over models: a seed is a unit, and gives one number."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from lrinterp.stats.intervals import LEVEL, Interval, LeftOut
from lrinterp.stats.scales import LINEAR, Scale
from lrinterp.stats.units import Units

__all__ = ["jackknife_interval", "seed_interval"]


EXAMPLES = 1000
"""Examples that the number of a seed is taken to rest on where nobody says."""


def seed_interval(
    values: Float[np.ndarray, "seed"], scale: Scale = LINEAR, *, n_examples: int = EXAMPLES
) -> Interval:
    """Mean over seeds with a 95 % interval; n counts seeds.

    Formula: mean ± t(0.975, n - 1) s / sqrt(n), with s the standard deviation over n - 1. On a
    bounded scale the jackknife of `mean_interval` over seeds, each a mean of `n_examples`, so that
    an accuracy near 1 has no end beyond 1. No seed gives value None, a single one no ends. Where
    one model in eight fails, no interval over a few seeds covers: show the seeds.

    Source: Student, "The probable error of a mean" (Biometrika 1908).

    >>> import numpy as np
    >>> found = seed_interval(np.array([0.9, 1.0, 0.8, 0.9]))
    >>> print(f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]")  # t is 3.18, s / 2 is 0.041
    0.90 [0.77, 1.03]
    """
    n = values.size
    if n == 0 or not np.isfinite(values).all():
        return Interval(value=None, n=n, n_units=n)
    if scale.bounded:
        return _bounded(values, scale, n_examples)
    mean = float(values.mean())
    if n == 1:
        return Interval(value=mean, n=n, n_units=n)
    spread = values.std(ddof=1) if np.ptp(values) else 0.0  # equal numbers have no rounding error
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * spread / np.sqrt(n))
    return Interval(value=mean, low=mean - half, high=mean + half, n=n, n_units=n)


def _bounded(values: Float[np.ndarray, "seed"], scale: Scale, n_examples: int) -> Interval:
    n = values.size
    found = LeftOut(
        value=float(values.mean()),
        replicates=(values.sum() - values) / max(n - 1, 1),
        n=n * n_examples,
        n_left=np.full(n, (n - 1.0) * n_examples),
        units=Units.of_groups(np.arange(n)),
        scale=scale,
    ).interval()
    return replace(found, n=n)


def jackknife_interval(
    value: float, replicates: Float[np.ndarray, "seed"], scale: Scale = LINEAR
) -> Interval:
    """A statistic of all seeds, freed of its first-order bias, with a 95 % t interval over seeds.

    `replicates` holds the statistic with one seed left out, for each seed. Formula: the
    pseudo-value of a seed is n value - (n - 1) replicate; their mean and t interval are those of
    `seed_interval`, cut at the bounds of the scale. For a mean pseudo-values are the seeds' own
    numbers. A single seed gives the plain value without ends, and so does a replicate that is not
    defined.

    Source: Tukey, "Bias and confidence in not-quite large samples" (Ann. Math. Stat. 1958);
    Miller, "The jackknife: a review" (Biometrika 1974).

    >>> import numpy as np
    >>> jackknife_interval(2.0, np.array([2.5, 2.0, 1.5])).value  # pseudo-values 1, 2, 3
    2.0
    """
    n = replicates.size
    if not np.isfinite(value):
        return Interval(value=None, n=n, n_units=n)
    if n < 2 or not np.isfinite(replicates).all():
        return Interval(value=float(value), n=n, n_units=n)
    found = seed_interval(n * value - (n - 1) * replicates)
    cut = (
        None if end is None else float(np.clip(end, scale.low, scale.high))
        for end in (found.value, found.low, found.high)
    )
    return Interval(**dict(zip(("value", "low", "high"), cut, strict=True)), n=n, n_units=n)
