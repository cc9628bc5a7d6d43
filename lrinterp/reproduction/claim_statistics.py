"""The claims as data, and from one number a seed to the statistics that they are held by.

`claims.toml` has a sentence, its statistics, and where each must lie. Numbers are those of
`lrinterp analyze`, on the pictures of held-out pairs; a page takes the means of its tables and maps
here too.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, ttest_1samp

from lrinterp.bounds import Bound
from lrinterp.experiment.numbers import scale_of
from lrinterp.reproduction.measured_models import Measures
from lrinterp.result import Metric
from lrinterp.stats import GAP, LINEAR, SHARE, Interval, Scale, seed_interval
from lrinterp.store import from_plain

__all__ = [
    "CLAIMS",
    "METRICS",
    "PARTS",
    "Claim",
    "ClaimPart",
    "Found",
    "blanked",
    "by_seed",
    "found_of",
    "of_arms",
    "over_seeds",
    "told_apart",
]

METRICS = {
    "order": "order",
    "retrieval_closed": "closed retrieval",
    "retrieval_open": "open retrieval",
}
"""What generalises, in claims of diversity."""


@dataclass(frozen=True, kw_only=True)
class ClaimPart:
    """One statistic of a claim, and where it must lie; fields as `claims.toml` explains them."""

    statistic: str
    words: str
    source: Literal["arms", "diversity", "scales", "emergence"] = "arms"
    number: str = ""
    """As `analysis.key`."""
    arm: str = "standard"
    minus: str = ""
    minus_arm: str = ""
    absolute: bool = False
    contrast: str = ""
    """A factor of the grid of diversity, its largest value minus its smallest."""
    share: str = ""
    """A factor whose share of the variance is meant, less that of `minus_share`."""
    minus_share: str = ""
    at_least: float | None = None
    at_most: float | None = None
    premise: bool = False

    def __post_init__(self) -> None:
        if self.source in ("arms", "diversity") and not self.number:
            raise ValueError(f"number: expected analysis.key for statistic {self.statistic}")
        _ = self.bound  # refuses what is not finite

    @property
    def bound(self) -> Bound | None:
        """None where there is nothing to hold it against."""
        if self.at_least is None and self.at_most is None:
            return None
        return Bound(at_least=self.at_least, at_most=self.at_most)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that may be wrong."""

    id: str
    sentence: str
    paper: str
    """The figure of the paper, or who claims it."""
    parts: tuple[ClaimPart, ...] = ()


def read_claims(path: Traversable) -> tuple[Claim, ...]:
    """The claims of a TOML file, in the order in which they are shown."""
    claims = []
    for plain in tomllib.loads(path.read_text(encoding="utf-8"))["claims"]:
        parts = tuple(from_plain(ClaimPart, one, plain["id"]) for one in plain["parts"])
        claims.append(Claim(**{**plain, "parts": parts}))
    return tuple(claims)


CLAIMS = read_claims(files("lrinterp.reproduction") / "claims.toml")

PARTS: Mapping[str, ClaimPart] = {
    part.statistic: part for claim in CLAIMS for part in claim.parts if part.source == "arms"
}
"""The statistics of the arms, by name."""
LEVEL = 0.05
"""Share of false discoveries among the cells of a map that are shown."""


NOTHING = Interval(value=None)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A statistic: its interval over seeds, and the number of each seed."""

    interval: Interval = NOTHING
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
    known = values.dropna().astype(float)
    if known.empty:
        return Found(reason=reason or "not measured")
    lacking = len(values) - len(known)
    return Found(
        interval=seed_interval(known.to_numpy(), scale),
        seeds={int(str(seed)): value for seed, value in known.items()},
        n_examples=None if n_examples is None else int(n_examples),
        reason=f"{lacking} of {len(values)} models have no such number" if lacking else "",
    )


def found_of(part: ClaimPart, measures: Measures) -> Found:
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


def over_seeds(
    table: pd.DataFrame, by: Sequence[str], value: str = "value", scale: Scale = LINEAR
) -> pd.DataFrame:
    """Mean of a column over the rows of each group, one row a seed, with its interval; n seeds."""
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        found = seed_interval(group[value].dropna().to_numpy(float), scale)
        place = key if isinstance(key, tuple) else (key,)
        rows.append((*place, found.value, found.low, found.high, found.n))
    return pd.DataFrame(rows, columns=[*by, value, "low", "high", "n"])


def told_apart(table: pd.DataFrame, by: Sequence[str], value: str = "value") -> pd.DataFrame:
    """Means as `over_seeds`, with `q`: the share of false discoveries if a cell as sure is shown.

    Student's t over seeds against 0 in every cell, then the procedure of Benjamini and Hochberg
    over all cells. Cells in which all seeds agree have q = 0, or 1 where they are 0; cells of a
    single seed have 1.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate" (JRSS-B 1995).
    """
    means = over_seeds(table, by, value)
    groups = [g[value].dropna().to_numpy(float) for _, g in table.groupby(list(by), sort=False)]
    p = np.array([p_value(values) for values in groups])
    return means.assign(q=false_discovery_control(p) if len(p) else p)


def p_value(values: np.ndarray) -> float:
    """Two-sided p of a mean of 0."""
    if len(values) < 2:
        return 1.0
    if np.ptp(values) == 0:
        return float(values[0] == 0)
    test: Any = ttest_1samp(values, 0.0)
    return float(test.pvalue)


def blanked(means: pd.DataFrame, value: str = "value") -> tuple[pd.DataFrame, str]:
    """Means of `told_apart` without the cells that are not told from 0, and the words for it.

    Where none is, as with few seeds, all stay and the words say so.
    """
    sure = means["q"] < LEVEL
    rate = f"at a false discovery rate of {LEVEL:g} over all cells"
    if not sure.any():
        return means, f"no cell is told from 0 {rate}, and all are shown"
    words = f"blank where a mean is not told from 0 {rate}"
    return means.assign(**{value: means[value].where(sure)}), words
