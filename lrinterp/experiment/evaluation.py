"""What a table of models says of each criterion, in each arm."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from lrinterp.bounds import judge
from lrinterp.experiment.contrasts import complete, contrast, laid_out, share_interval, sources
from lrinterp.experiment.criteria import Criterion
from lrinterp.experiment.design import Study
from lrinterp.experiment.naming import factor_words, level, scale_of
from lrinterp.stats import Interval

__all__ = ["COLUMNS", "evaluate"]

COLUMNS = [
    "id", "claim", "arm", "column", "statistic", "of", "value", "low", "high", "n", "n_models",
    "bound", "limit", "verdict", "reason",
]  # fmt: skip
NEVER = "no model has this column"


def evaluate(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """One row for each criterion and arm: the statistic with its interval, bound and verdict.

    `n` counts the seeds that are complete in every cell the statistic looks at, `n_models` their
    models; `limit` is the bound as a number; `reason` says why a value or an interval is missing.
    """
    rows = [_row(study, table, c, arm) for c in study.criteria() for arm in study.arm_names]
    numbers = dict.fromkeys(("value", "low", "high", "limit"), float)
    return pd.DataFrame(rows, columns=COLUMNS).astype(numbers)


def _row(study: Study, table: pd.DataFrame, criterion: Criterion, arm: str) -> dict[str, Any]:
    values = laid_out(study, table, arm, criterion.key)
    values = _looked_at(study, criterion, values)
    kept = complete(values)
    found = _measured(study, criterion, kept)
    measured = criterion.key in table
    return {
        "id": criterion.id,
        "claim": criterion.claim,
        "arm": arm,
        "column": criterion.key,
        "statistic": criterion.statistic.replace("_", " "),
        "of": of_words(criterion),
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(kept),
        "n_models": kept.size,
        "bound": str(criterion.bound),
        "limit": criterion.at_most if criterion.at_least is None else criterion.at_least,
        "verdict": judge(criterion.bound, found),
        "reason": _reason(values, kept, found) if measured else NEVER,
    }


def _looked_at(
    study: Study, criterion: Criterion, values: Float[np.ndarray, "seed *level"]
) -> Float[np.ndarray, "seed *part"]:
    """All cells, or those at the two values of a contrast."""
    if criterion.between is None:
        return values
    levels = study.factors[criterion.of]
    places = [levels.index(value) for value in criterion.between]
    return np.take(values, places, axis=1 + list(study.factors).index(criterion.of))


def _measured(
    study: Study, criterion: Criterion, kept: Float[np.ndarray, "seed *level"]
) -> Interval:
    if criterion.statistic == "contrast":
        axis = 1 + list(study.factors).index(criterion.of)
        return contrast(kept, axis, scale_of(criterion.key))
    names = np.array(sources(study))
    weights = 1.0 * (names == criterion.of) - (names == criterion.minus)
    return share_interval(kept, weights)


def _reason(values: np.ndarray, kept: np.ndarray, found: Interval) -> str:
    """Why there is no value or no interval; empty where there are both."""
    if not len(kept):
        missing = int((~np.isfinite(values)).sum())
        return f"no seed is complete: {missing} of {values.size} models have no number"
    if found.value is None:
        return "all models have the same number"
    if found.low is None:
        return "too few seeds for an interval"
    return "all seeds have the same number" if found.low == found.high else ""


def of_words(criterion: Criterion) -> str:
    """What a statistic is of: `labels in pairs, 15 minus 3`."""
    name = factor_words(criterion.of)
    if criterion.between:
        first, second = map(level, criterion.between)
        return f"{name}, {second} minus {first}"
    return f"{name} minus {factor_words(criterion.minus)}" if criterion.minus else name
