"""Runs along training: planted times come back, a run that learns nothing has none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.experiment import Dynamics, dynamics, dynamics_of, measure_run
from lrinterp.experiment.checkpoints.dynamics import curves
from lrinterp.result import records
from lrinterp.stats import seed_interval
from lrinterp.store import InputError

TIMES = {"a": (480, 365), "b": (300, 220), "c": (620, 515)}


@pytest.fixture(scope="module")
def planted(runs: Any) -> Dynamics:
    rows = [row for name, times in TIMES.items() for row in runs.ramp(name, *times)]
    return dynamics_of([*rows, *runs.flat("flat")])


def test_planted_times_come_back_and_means_are_over_the_runs_that_broke(planted: Dynamics):
    events = {row["run"]: row for row in records(planted.events)}
    for name, (order, slope) in TIMES.items():
        assert events[name]["order_step"] == pytest.approx(order)
        assert events[name]["slope_step"] == pytest.approx(slope)
    times = ("order_step", "slope_step", "lag", "gradient_step")
    assert {events["flat"][name] for name in times} == {None}
    expected = seed_interval(np.array([115.0, 80.0, 105.0]))
    lag = planted.metrics["lag"]
    assert lag.value == pytest.approx(100)
    assert (lag.low, lag.high) == pytest.approx((expected.low, expected.high))
    numbers = [planted.metrics[name].value for name in ("runs", "runs_broken")]
    assert [*numbers, lag.n] == [4, 3, 3]
    assert planted.tiles()[0].scalar.value == 3


def test_nothing_breaks_in_flat_runs(runs: Any):
    found = dynamics_of([*runs.flat("a"), *runs.flat("b")])
    assert [found.metrics[key].value for key in ("runs_broken", "lag")] == [0, None]


def test_the_open_table_has_a_row_a_run(planted: Dynamics):
    shown = planted.overview()
    assert shown["Run"].tolist() == [*TIMES, "flat"]
    assert shown["Lag"].tolist() == ["115", "80", "105", "–"]
    assert shown["Final order"].tolist() == ["1", "1", "1", "0.5"]
    assert shown[["Seed", "Head"]].to_numpy().tolist() == [["7", "L0H2"]] * 4


def test_every_scalar_is_drawn_against_step_and_onset(planted: Dynamics):
    table = planted.table.assign(**{"mine.x": 1.0, "none": np.nan})
    figures = [f for n in ("unseen_pair_order", "mine.x", "none") for f in curves(table, n)]
    assert [figure.key for figure in figures] == [
        "unseen_pair_order-step", "unseen_pair_order-aligned", "mine-x-step", "mine-x-aligned",
    ]  # fmt: skip
    by_step, since, *_ = figures
    assert by_step.table["run"].nunique() == len([t for t in by_step.draw().data if t.mode]) == 4
    assert since.table["run"].nunique() == 3
    near = since.table[since.table["steps since the onset"].abs() <= 25]
    assert near["swap accuracy"].between(0.68, 0.82).all()
    assert len(near) == 3
    assert planted.figures()[-1].key == "lags"


def test_runs_of_one_name_are_told_apart(tiny_run: Path, other_run: Path):
    found = dynamics([tiny_run, other_run], progress=False)
    names = [f"{run.parent.name}/tiny" for run in (tiny_run, other_run)]
    assert found.events[["run", "seed"]].to_numpy().tolist() == [[names[0], 0], [names[1], 1]]
    assert found.table["run"].value_counts().tolist() == [4, 4]


def test_named_runs_and_further_scalars(tiny_run: Path):
    found = dynamics({"mine": tiny_run}, ["accuracy.mixed_pair_order"], progress=False)
    assert found.scalars[-1] == "accuracy.mixed_pair_order"
    assert "accuracy-mixed_pair_order-step" in [figure.key for figure in found.figures()]
    again = dynamics_of(measure_run({"run": tiny_run, "name": "mine"})).table
    pd.testing.assert_frame_equal(found.table.drop(columns=found.scalars[-1]), again)


def test_no_run_is_refused():
    with pytest.raises(InputError, match="at least one run to follow, got none"):
        dynamics([])
