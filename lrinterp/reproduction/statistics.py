"""How each statistic of the arms is computed: one number a seed, then their mean with an interval.

Numbers are those of `lrinterp analyze`, on the pictures of held-out pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.experiment.naming import scale_of
from lrinterp.reproduction.criteria import CLAIMS, Part
from lrinterp.reproduction.measures import Measures
from lrinterp.result import Metric
from lrinterp.stats import GAP, LINEAR, SHARE, Interval, Scale, seed_interval

__all__ = ["PARTS", "Found", "by_seed", "found_of", "numbers_of", "of_arms"]

PARTS: Mapping[str, Part] = {
    part.statistic: part for claim in CLAIMS for part in claim.parts if part.source == "arms"
}
"""The statistics of the arms, by name."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A statistic: its interval over seeds, and the number of each seed."""

    interval: Interval
    seeds: Mapping[int, float] = field(default_factory=dict)
    """Empty where the statistic is not a mean over seeds."""
    n_examples: int | None = None
    """Pictures or captions that the number of a seed rests on."""
    reason: str = ""
    """Why there is no value."""

    @property
    def metric(self) -> Metric:
        """The statistic as a number of a summary."""
        one = self.interval
        return Metric(value=one.value, low=one.low, high=one.high, n=one.n)


def by_seed(
    values: pd.Series, n_examples: Any = None, reason: str = "", *, scale: Scale = LINEAR
) -> Found:
    """The mean of one number a seed; without any, nothing but the reason."""
    known = values.dropna()
    seeds = {int(str(seed)): float(value) for seed, value in known.items()}
    n = None if n_examples is None else int(n_examples)
    if not seeds:
        return Found(interval=Interval(value=None), reason=reason or "not measured")
    interval = seed_interval(np.array(list(seeds.values())), scale)
    lacking = len(values) - len(seeds)
    why = f"{lacking} of {len(values)} models have no such number" if lacking else ""
    return Found(interval=interval, seeds=seeds, n_examples=n, reason=why)


def found_of(part: Part, measures: Measures) -> Found:
    """The statistic of a part of a claim, of the models of its arm."""
    rows = measures.rows(part.arm, part.number)
    values, scale = rows["value"].astype(float), scale_of(part.number)
    if part.minus or part.minus_arm:
        other = measures.rows(part.minus_arm or part.arm, part.minus or part.number)
        values = (values - other["value"].astype(float)).dropna()
        scale = GAP if scale == SHARE else LINEAR
    known = rows["n"].dropna()
    n = known.max() if len(known) else None
    return by_seed(values.abs() if part.absolute else values, n, scale=scale)


def of_arms(measures: Measures) -> dict[str, Found]:
    """Every statistic of the arms by name."""
    return {name: found_of(part, measures) for name, part in PARTS.items()}


def numbers_of(parts: Mapping[str, Part] = PARTS) -> list[str]:
    """The numbers that statistics are made of."""
    return list(dict.fromkeys(n for p in parts.values() for n in (p.number, p.minus) if n))
