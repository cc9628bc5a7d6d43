"""When order breaks through in a run, and when the gradient does: crossing times and their lag."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.analysis.read import NO_GRADIENT

__all__ = ["aligned", "breaking_of", "crossing"]

COLUMNS = [
    "run", "seed", "head", "threshold", "order_step", "slope_step", "lag", "gradient_step",
    "final_order", "final_slope", "final_span", "every",
]  # fmt: skip

TIMES = ("order_step", "slope_step", "lag", "gradient_step")


def crossing(
    steps: Sequence[int | float], values: Sequence[int | float], threshold: float
) -> float | None:
    """The step at which a curve first reaches a threshold and is still there at the next step.

    Between two steps the curve is a straight line. A rise at the last step counts; a curve that
    begins at or above the threshold, twice in a row, crosses at its first step. None where it never
    does. Undefined values (nan) are left out.

    >>> crossing([0, 100, 200], [0.5, 0.5, 1.0], 0.75)
    150.0
    """
    x, y = np.asarray(steps, float), np.asarray(values, float)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    above = y >= threshold
    for i in np.flatnonzero(above & np.append(above[1:], True)):
        if i == 0:
            return float(x[0])
        if not above[i - 1]:
            part = (threshold - y[i - 1]) / (y[i] - y[i - 1])
            return float(x[i - 1] + part * (x[i] - x[i - 1]))
    return None


def breaking_of(rows: pd.DataFrame) -> dict[str, Any]:
    """The events of one run from its rows in the order of their steps.

    `order_step`: order on held-out pairs passes `threshold`, half way from chance to 1.
    `slope_step`: |slope| of the followed head passes half of its last value; None where the last
    row spans less than NO_GRADIENT logits. `lag` = order_step - slope_step, positive where the
    slope comes first. `gradient_step`: the span of the followed head passes NO_GRADIENT logits.
    `every`: the largest distance between two steps.
    """
    first, last = rows.iloc[0], rows.iloc[-1]
    threshold = (1 + first["chance"]) / 2
    steps = rows["step"].tolist()
    order = crossing(steps, rows["unseen_pair_order"].tolist(), threshold)
    sizes = rows["slope"].astype(float).abs()
    spans = rows["span"].astype(float).tolist()
    grown = pd.notna(last["span"]) and last["span"] >= NO_GRADIENT
    slope = crossing(steps, sizes.tolist(), sizes.iloc[-1] / 2) if grown else None
    lag = None if order is None or slope is None else order - slope
    ends = {f"final_{name}": last[column] for name, column in FINALS.items()}
    place = {name: first[name] for name in ("run", "seed", "head")} | {"threshold": threshold}
    times = {"order_step": order, "slope_step": slope, "lag": lag}
    times["gradient_step"] = crossing(steps, spans, NO_GRADIENT)
    return {**place, **times, **ends, "every": int(max(np.diff(steps), default=0))}


FINALS = {"order": "unseen_pair_order", "slope": "slope", "span": "span"}


def aligned(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with `aligned_step`, the steps since order broke in their run, and one event a run."""
    ordered = rows.sort_values("step", kind="stable")
    runs = [ordered[ordered["run"] == run] for run in rows["run"].drop_duplicates()]
    events = pd.DataFrame([breaking_of(run) for run in runs], columns=COLUMNS)
    kinds = {"seed": "Int64"} | dict.fromkeys(("threshold", *TIMES), "float64")
    kinds |= dict.fromkeys(("final_order", "final_slope", "final_span"), "float64")
    events = events.astype(kinds)
    since = dict(zip(events["run"], events["order_step"], strict=True))
    table = pd.concat(runs, ignore_index=True).astype({"seed": "Int64"})
    place = table["step"] - table["run"].map(since)
    table.insert(table.columns.get_loc("step") + 1, "aligned_step", place)
    return table, events
