"""Statistics of the two grids: diversity of labels and layouts, and scales of the first weights."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from lrinterp.reproduction.criteria import METRICS
from lrinterp.reproduction.statistics import Found, range_over_scales
from lrinterp.result import records
from lrinterp.stats import Interval
from lrinterp.study import LoadedSweep
from lrinterp.study.evaluation import evaluate
from lrinterp.study.statistics import laid_out

__all__ = ["AFTER", "INTACT", "SCALED", "of_diversity", "of_scales", "scale_values"]

LABELS, LAYOUTS = "split.n_pair", "split.layouts_per_pair"
INTACT = "unseen_pair_order"
AFTER = {"range_key_position": "without_key_position_order", "range_EP": "without_EP_order"}
"""Statistics of the scales, and the column whose range they are."""
SCALED = ("encoder.std_W_E", "encoder.std_W_pos")


def of_diversity(loaded: LoadedSweep | None) -> dict[str, Found]:
    """Contrasts and shares of variance of each metric, in the first arm of a sweep."""
    names = [f"{kind}_{m}" for m in METRICS for kind in ("labels", "layouts", "shares")]
    if loaded is None:
        return {name: missing("no sweep of diversity was run") for name in names}
    if lacking := [
        name for name in (LABELS, LAYOUTS) if len(loaded.study.factors.get(name, ())) < 2
    ]:
        return {name: missing(f"the sweep has no two values of {lacking[0]}") for name in names}
    study = replace(loaded.study, verdicts=list(criteria(loaded)))
    rows = records(evaluate(study, loaded.table))
    return {row["id"]: found_of(row) for row in rows if row["arm"] == study.arm_names[0]}


def criteria(loaded: LoadedSweep) -> Any:
    """The statistics as criteria of the study, whose bounds do not matter here."""
    for metric in METRICS:
        common = {"claim": "", "column": f"unseen_pair_{metric}", "at_least": 0.0}
        for name, factor in (("labels", LABELS), ("layouts", LAYOUTS)):
            values = loaded.study.factors[factor]
            ends = {"of": factor, "between": [min(values), max(values)]}
            yield {"id": f"{name}_{metric}", "statistic": "contrast", **ends, **common}
        shares = {"of": LABELS, "minus": LAYOUTS, "statistic": "share_difference"}
        yield {"id": f"shares_{metric}", **shares, **common}


def found_of(row: dict[str, Any]) -> Found:
    """A row of the evaluation as a statistic."""
    interval = Interval(value=row["value"], low=row["low"], high=row["high"], n=row["n"])
    return Found(interval=interval, reason=row["reason"])


def of_scales(loaded: LoadedSweep) -> dict[str, Found]:
    """How far order after an ablation ranges over the scales."""
    values = scale_values(loaded)
    found = {}
    for name, column in AFTER.items():
        interval = range_over_scales(values[INTACT], values[column])
        reason = "" if interval.value is not None else "fewer than two scales have order of 0.9"
        found[name] = Found(interval=interval, reason=reason)
    return found


def scale_values(loaded: LoadedSweep) -> dict[str, Float[np.ndarray, "seed cell"]]:
    """Order intact and after each ablation, of the seeds that are complete in every cell."""
    columns = (INTACT, *AFTER.values())
    study, table = loaded.study, loaded.table
    values = [laid_out(study, table, study.arm_names[0], column) for column in columns]
    flat = np.stack([one.reshape(len(one), -1) for one in values])
    complete = np.isfinite(flat).all((0, 2))
    return dict(zip(columns, flat[:, complete], strict=True))


def missing(reason: str) -> Found:
    """Nothing was measured."""
    return Found(interval=Interval(value=None), reason=reason)
