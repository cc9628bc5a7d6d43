"""Statistics of the two grids: diversity of labels and layouts, and scales of the first weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from lrinterp.experiment import LoadedSweep
from lrinterp.experiment.contrasts import laid_out
from lrinterp.experiment.evaluation import evaluate
from lrinterp.experiment.numbers import ORDER, without
from lrinterp.reproduction.criteria import CLAIMS, Part
from lrinterp.reproduction.statistics import Found, by_seed
from lrinterp.result import records
from lrinterp.stats import GAP, SHARE, Interval

__all__ = [
    "AFTER",
    "CHANCE",
    "INTACT",
    "KNOWS",
    "SCALED",
    "of_diversity",
    "of_scales",
    "scale_values",
]

INTACT = ORDER
AFTER = {"key_position": without("key_position"), "EP": without("EP")}
"""What is taken away, and the number of order without it."""
KNOWS, CHANCE = 0.75, (0.45, 0.55)
"""Intact order from which a model knows order, and what counts as chance without key-position."""
SCALED = ("encoder.std_W_E", "encoder.std_W_pos")


def of_diversity(loaded: LoadedSweep | None) -> dict[str, Found]:
    """Contrasts and shares of variance that claims ask for, in the first arm of a sweep."""
    parts = [p for claim in CLAIMS for p in claim.parts if p.source == "diversity"]
    if loaded is None:
        return {p.statistic: missing("no sweep of diversity was run") for p in parts}
    factors = loaded.study.factors
    for name in dict.fromkeys(p.contrast for p in parts if p.contrast):
        if len(factors.get(name, ())) < 2:
            reason = f"the sweep has no two values of {name}"
            return {p.statistic: missing(reason) for p in parts}
    study = replace(loaded.study, verdicts=[criterion(part, factors) for part in parts])
    rows = records(evaluate(study, loaded.table))
    return {row["id"]: found_of(row) for row in rows if row["arm"] == study.arm_names[0]}


def criterion(part: Part, factors: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A statistic as a criterion of the study, whose bound does not matter here."""
    common = {"id": part.statistic, "claim": "", "column": part.number, "at_least": 0.0}
    if part.contrast:
        values = factors[part.contrast]
        ends = {"of": part.contrast, "between": [min(values), max(values)]}
        return {**common, "statistic": "contrast", **ends}
    shares = {"of": part.share, "minus": part.minus_share}
    return {**common, "statistic": "share_difference", **shares}


def found_of(row: dict[str, Any]) -> Found:
    """A row of the evaluation as a statistic."""
    interval = Interval(value=row["value"], low=row["low"], high=row["high"], n=row["n"])
    return Found(interval=interval, reason=row["reason"])


def of_scales(loaded: LoadedSweep) -> dict[str, Found]:
    """How far order lies from chance without key-position, and how it hangs on EP, over scales.

    The first two are of the models whose intact order is at least KNOWS: each seed gives its mean
    |order - 0.5| over them, and the share of them outside CHANCE. Deviations do not cancel there,
    as they do in a mean of orders. The third is the mean order over the grid at the smallest scale
    of token embeddings minus that at the largest.
    """
    values = scale_values(loaded)
    seeds = [int(seed) for seed in loaded.study.all_seeds()]
    known = values[INTACT] >= KNOWS
    after = np.where(known, values[AFTER["key_position"]], np.nan)
    away = np.abs(after - 0.5)
    outside = np.where(known, (after < CHANCE[0]) | (after > CHANCE[1]), np.nan)
    small, large = (over_cells(values[AFTER["EP"]][:, k], seeds) for k in (0, -1))
    n = int(known.sum())
    reason = "" if n else f"no model of the grid has order of {KNOWS}"
    common = {"scale": SHARE, "reason": reason}
    return {
        "deviation_key_position": by_seed(over_cells(away, seeds), **common),
        "outside_key_position": by_seed(over_cells(outside, seeds), **common),
        "contrast_EP": by_seed(small - large, scale=GAP),
    }


def over_cells(values: Float[np.ndarray, "seed *scale"], seeds: Sequence[int]) -> pd.Series:
    """The mean of each seed over the cells that have a number."""
    return pd.DataFrame(values.reshape(len(values), -1), index=list(seeds)).mean(axis=1)


def scale_values(loaded: LoadedSweep) -> dict[str, Float[np.ndarray, "seed W_E W_pos"]]:
    """Order intact and after each ablation, by seed and scales; nan where a model is missing."""
    study, table = loaded.study, loaded.table
    columns = (INTACT, *AFTER.values())
    return {name: laid_out(study, table, study.arm_names[0], name) for name in columns}


def missing(reason: str) -> Found:
    """Nothing was measured."""
    return Found(interval=Interval(value=None), reason=reason)
