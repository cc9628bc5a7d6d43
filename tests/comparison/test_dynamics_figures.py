"""Curves along training: every run drawn, every scalar twice, lags where there are any."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from lrinterp.charts import lines
from lrinterp.charts.draw import draw
from lrinterp.comparison.breaking import aligned
from lrinterp.comparison.dynamics_figures import curves, lags


@pytest.fixture(scope="module")
def found(runs: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    seeds = [row for k in range(10) for row in runs.ramp(f"seed {k}", 300 + 20 * k, 250 + 20 * k)]
    return aligned(pd.DataFrame([*seeds, *runs.flat("flat")]))


def test_every_scalar_is_drawn_against_step_and_breaking(found: tuple[pd.DataFrame, pd.DataFrame]):
    figures = curves(found[0], ["unseen_pair_order", "slope"])
    assert [figure.key for figure in figures] == [
        "unseen_pair_order-step", "unseen_pair_order-aligned", "slope-step", "slope-aligned",
    ]  # fmt: skip
    for figure in figures:
        assert figure.how_to_read.endswith(".")
        assert ". " not in figure.how_to_read
    by_step, since, *_ = figures
    assert by_step.table["run"].nunique() == 11
    assert since.table["run"].nunique() == 10
    traces = [trace for trace in by_step.draw().data if trace.mode]
    assert len(traces) == 11


def test_the_aligned_curves_of_equal_ramps_meet(found: tuple[pd.DataFrame, pd.DataFrame]):
    _, since = curves(found[0], ["unseen_pair_order"])
    table = since.table
    near = table[table["steps since the breaking"].abs() <= 10]["order accuracy"]
    assert near.between(0.72, 0.78).all()


def test_a_scalar_of_ones_own_and_one_without_numbers(found: tuple[pd.DataFrame, pd.DataFrame]):
    table = found[0].assign(**{"mine.x": 1.0, "none": float("nan")})
    figures = curves(table, ["mine.x", "none"])
    assert [figure.key for figure in figures] == ["mine-x-step", "mine-x-aligned"]
    assert "a run in which nothing changes draws a flat line" in figures[0].how_to_read


def test_names_that_were_moved_up_have_room(found: tuple[pd.DataFrame, pd.DataFrame]):
    rows = [{"x": x, "y": float(x), "run": f"run {k}"} for k in range(12) for x in (0, 1)]
    ends = lines(pd.DataFrame(rows), x="x", y="y", by="run")
    before: Any = draw(ends).layout
    after: Any = draw(replace(ends, headroom=True)).layout
    assert after.height - before.height == after.margin.t - before.margin.t > 20
    few = found[0][found[0]["run"].isin(["seed 0", "flat"])]
    (plain, _) = curves(few, ["unseen_pair_order"])
    assert plain.draw().layout.margin.t == 10


def test_lags_run_by_run(found: tuple[pd.DataFrame, pd.DataFrame]):
    (figure,) = lags(found[1])
    assert figure.key == "lags"
    assert len(figure.table) == 11
    assert lags(found[1].assign(lag=float("nan"))) == ()
