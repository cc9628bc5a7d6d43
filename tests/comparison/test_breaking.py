"""Crossing times: planted ones come back exactly, and what never crosses has none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.comparison.breaking import aligned, breaking_of, crossing

STEPS = [0, 100, 200, 300]


@pytest.mark.parametrize("at", [112.5, 333.0, 600.0, 790.0])
def test_a_planted_crossing_is_found_exactly(at: float):
    steps = np.arange(0, 1001, 10)
    curve = np.clip((steps - at) / 200 + 0.5, 0, 1)
    assert crossing(steps.tolist(), curve.tolist(), 0.5) == pytest.approx(at)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.5, 0.5, 0.5], None),
        ([0.5, 0.9, 0.5, 0.5], None),  # a single peak does not stay
        ([0.5, 0.9, 0.5, 1.0], 250.0),  # nor does it hide a later rise, which counts at the end
        ([0.5, 0.7, 0.8, 0.9], 150.0),
        ([0.5, 1.0, 1.0, 0.5], 50.0),
        ([0.8, 0.9, 0.9, 0.9], 0.0),
        ([0.8, 0.5, 0.5, 0.5], None),
        ([0.5, 0.75, 0.9, 0.9], 100.0),
        ([0.5, np.nan, 1.0, 1.0], 100.0),
        ([np.nan] * 4, None),
    ],
)
def test_a_crossing_is_the_first_that_stays(values: list[float], expected: float | None):
    assert crossing(STEPS, values, 0.75) == expected


def test_nothing_crosses_nothing():
    assert crossing([], [], 0.5) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_planted_times_and_their_lag(runs: Any, sign: int):
    found = breaking_of(pd.DataFrame(runs.ramp("a", 480, 365, sign=sign)))
    assert found["order_step"] == pytest.approx(480)
    assert found["slope_step"] == pytest.approx(365)
    assert found["lag"] == pytest.approx(115)
    # the span, 9 |slope|, is 0.1 where the slope is 0.0111: it rises from 0 at step 265, and
    # between 250 (0) and 300 (0.175) the curve is a straight line
    assert found["gradient_step"] == pytest.approx(250 + 50 * (0.1 / 9) / 0.175)
    assert (found["threshold"], found["every"]) == (0.75, 50)
    assert found["final_slope"] == sign


def test_chance_moves_the_threshold(runs: Any):
    rows = pd.DataFrame(runs.ramp("a", 500, 500)).assign(chance=1 / 6)
    found = breaking_of(rows)
    assert found["threshold"] == pytest.approx(7 / 12)
    assert found["order_step"] == pytest.approx(500 - 200 * (0.75 - 7 / 12) / 0.5)


def test_a_flat_run_has_no_times(runs: Any):
    found = breaking_of(pd.DataFrame(runs.flat("a")))
    assert found["order_step"] is found["slope_step"] is None
    assert found["lag"] is found["gradient_step"] is None


def test_a_run_without_a_head_has_order_alone(runs: Any):
    bare = [{**row, "slope": None, "span": None, "head": None} for row in runs.ramp("a", 480, 300)]
    found = breaking_of(pd.DataFrame(bare))
    assert found["order_step"] == pytest.approx(480)
    assert found["slope_step"] is found["lag"] is None


def test_steps_are_counted_from_the_breaking_of_their_own_run(runs: Any):
    rows = [*runs.ramp("a", 480, 365)[::-1], *runs.ramp("b", 300, 300), *runs.flat("c")]
    table, events = aligned(pd.DataFrame(rows))
    assert events["run"].tolist() == ["a", "b", "c"]
    assert events["order_step"].tolist()[:2] == pytest.approx([480, 300])
    assert events["order_step"].isna().tolist() == [False, False, True]
    one, flat = (table[table["run"] == name] for name in "ac")
    assert (one["step"] - one["aligned_step"]).tolist() == pytest.approx([480] * len(one))
    assert flat["aligned_step"].isna().all()
    assert table.groupby("run")["step"].is_monotonic_increasing.all()
