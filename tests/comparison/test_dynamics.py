"""Runs along training: planted times come back, a run that learns nothing has none."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.comparison import Dynamics, dynamics, dynamics_of, measure_run
from lrinterp.result import records
from lrinterp.stats import seed_interval
from lrinterp.store import InputError

TIMES = {"a": (480, 365), "b": (300, 220), "c": (620, 515)}


@pytest.fixture(scope="module")
def planted(runs: Any) -> Dynamics:
    rows = [row for name, times in TIMES.items() for row in runs.ramp(name, *times)]
    return dynamics_of([*rows, *runs.flat("flat")])


def test_planted_times_come_back(planted: Dynamics):
    events = {row["run"]: row for row in records(planted.events)}
    for name, (order, slope) in TIMES.items():
        assert events[name]["order_step"] == pytest.approx(order)
        assert events[name]["slope_step"] == pytest.approx(slope)
    times = ("order_step", "slope_step", "lag", "gradient_step")
    assert {events["flat"][name] for name in times} == {None}


def test_means_are_over_the_runs_that_broke(planted: Dynamics):
    lags = pd.Series([115.0, 80.0, 105.0])
    expected = seed_interval(lags.to_numpy())
    lag = planted.metrics["lag"]
    assert lag.value == pytest.approx(100)
    assert (lag.low, lag.high) == pytest.approx((expected.low, expected.high))
    assert lag.n == 3
    assert planted.metrics["runs"].value == 4
    assert planted.metrics["runs_broken"].value == 3


def test_the_finding_tells_which_came_first(planted: Dynamics, runs: Any):
    assert "In 3 of 4 runs order on held-out pairs passes 0.75, on average at step 467" in (
        planted.finding
    )
    assert "100 steps before order does (lag 100 [" in planted.finding
    assert "before order in 3 of 3" in planted.finding
    late = dynamics_of([*runs.ramp("a", 300, 500), *runs.ramp("b", 310, 520)])
    assert "205 steps after order does" in late.finding
    mixed = dynamics_of([*runs.ramp("a", 300, 500), *runs.ramp("b", 500, 320)])
    assert "before or after order, which these runs do not decide" in mixed.finding


def test_nothing_breaks_in_flat_runs(runs: Any):
    found = dynamics_of([*runs.flat("a"), *runs.flat("b")])
    assert found.finding == "In 0 of 2 runs order on held-out pairs passes 0.75: nothing breaks."
    assert found.metrics["lag"].value is None
    keys = [figure.key for figure in found.figures()]
    assert keys == ["unseen_pair_order-step", "slope-step", "largest_slope-step", "loss-step"]
    assert found.tiles()[0].scalar.value == 0


def test_order_without_a_gradient_is_said(runs: Any):
    rows = [{**row, "slope": 0.0, "span": 0.0} for row in runs.ramp("a", 300, 300)]
    assert "No run has a gradient whose coming could be timed." in dynamics_of(rows).finding


def test_the_open_table_has_a_row_a_run(planted: Dynamics):
    shown = planted.overview()
    assert shown["Run"].tolist() == [*TIMES, "flat"]
    assert shown["Lag"].tolist() == ["115", "80", "105", "–"]
    assert shown["Head"].unique().tolist() == ["L0H2"]


@pytest.mark.usefixtures("one_thread")
def test_runs_of_one_name_are_told_apart(tiny_run: Path, other_run: Path):
    found = dynamics([tiny_run, other_run], progress=False)
    names = found.events["run"].tolist()
    assert len(set(names)) == 2
    assert all(name.endswith("/tiny") for name in names)
    assert found.events["seed"].tolist() == [0, 1]
    assert found.table.groupby("run").size().tolist() == [4, 4]
    assert found.metrics["runs"].value == 2


@pytest.mark.usefixtures("one_thread")
def test_named_runs_and_further_scalars(tiny_run: Path):
    found = dynamics({"mine": tiny_run}, ["accuracy.mixed_pair_order"], progress=False)
    assert found.events["run"].tolist() == ["mine"]
    assert found.scalars[-1] == "accuracy.mixed_pair_order"
    assert "accuracy-mixed_pair_order-step" in [figure.key for figure in found.figures()]
    rows = measure_run({"run": tiny_run, "name": "mine"})
    again = dynamics_of(rows).table
    pd.testing.assert_frame_equal(found.table.drop(columns=found.scalars[-1]), again)


def test_bad_input_is_refused_before_anything_is_measured(tiny_run: Path, tmp_path: Path):
    with pytest.raises(InputError, match="at least one run"):
        dynamics([])
    with pytest.raises(InputError, match="at least one run"):
        dynamics_of([])
    with pytest.raises(InputError, match="no such folder"):
        dynamics([tiny_run, tmp_path / "none"])
    with pytest.raises(InputError, match=r"expected analysis\.key"):
        dynamics([tiny_run], ["order"])
