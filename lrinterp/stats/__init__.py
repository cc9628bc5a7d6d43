"""Intervals and p values that respect who depends on whom.

Examples are seldom independent: `Units` says what is. Inside one model `mean_interval` and its
kin leave units out in turn; over models `seed_interval` takes one number a seed. What an interval
promises is simulated in `analyses/coverage`.
"""

from lrinterp.stats.differences import FEWEST, Difference, added, agreement_of, difference
from lrinterp.stats.intervals import (
    Sample,
    jackknife_interval,
    mean_interval,
    ratio_interval,
    ratio_intervals,
    seed_interval,
    statistic_interval,
)
from lrinterp.stats.jackknife import (
    CORRELATION,
    COSINE,
    GAP,
    LEVEL,
    LINEAR,
    SHARE,
    WEIGHT,
    Interval,
    LeftOut,
    Scale,
    Units,
)

__all__ = [
    "CORRELATION",
    "COSINE",
    "FEWEST",
    "GAP",
    "LEVEL",
    "LINEAR",
    "SHARE",
    "WEIGHT",
    "Difference",
    "Interval",
    "LeftOut",
    "Sample",
    "Scale",
    "Units",
    "added",
    "agreement_of",
    "difference",
    "jackknife_interval",
    "mean_interval",
    "ratio_interval",
    "ratio_intervals",
    "seed_interval",
    "statistic_interval",
]
