"""Intervals and p values that respect who depends on whom.

Examples are seldom independent: `Units` says what is. Inside one model `mean_interval` and its
kin leave units out in turn; over models `seed_interval` takes one number a seed. What an interval
promises is simulated in `analyses/coverage`.
"""

from lrinterp.stats.agreement import FEWEST, agreement_of
from lrinterp.stats.differences import Difference, Sample, added, difference
from lrinterp.stats.intervals import (
    LEVEL,
    Interval,
    LeftOut,
    mean_interval,
    ratio_interval,
    ratio_intervals,
    statistic_interval,
)
from lrinterp.stats.scales import CORRELATION, COSINE, GAP, LINEAR, SHARE, WEIGHT, Scale
from lrinterp.stats.seeds import jackknife_interval, seed_interval
from lrinterp.stats.units import Units

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
