"""The sections of a study's page: for any grid, saved and loaded, and with models missing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.experiment.study_page import hours, runs, study_provenance, study_results
from lrinterp.report import page
from lrinterp.result import Result, Skipped

SECTIONS = [
    "verdicts", "unseen_pair", "mixed_pair", "seen_pair", "single", "variance", "mechanism", "runs",
]  # fmt: skip


@pytest.fixture(scope="module")
def results(models: Any) -> dict[str, Result]:
    study = models.study(verdicts=models.VERDICTS)
    return study_results(study, models.table(study))


def rendered(study: Any, table: pd.DataFrame) -> str:
    provenance = study_provenance(study, table, versions={}, command="lrinterp report x")
    return page(study_results(study, table), provenance)


def test_the_sections_stand_in_their_order(results: dict[str, Result]):
    assert list(results) == SECTIONS
    assert [result.name for result in results.values()] == SECTIONS
    assert not any(result.reason for result in results.values())
    figures = [(name, one.key) for name, result in results.items() for one in result.figures()]
    assert len(set(figures)) == len(figures)


GRIDS = [
    {"split.n_pair": [3, 6, 12]},
    {"split.n_pair": [3, 6], "encoder.std_W_E": [0.07, 1], "world.template": ["left", "both"]},
    {"world.template": ["left", "both"], "fit.novel": [None, 64]},
    {"split.n_pair": [3], "split.layouts_per_pair": [2]},
]


@pytest.mark.parametrize("grid", GRIDS, ids=["one", "three", "words", "a single cell"])
def test_any_grid_makes_a_page(models: Any, grid: dict[str, list[Any]]):
    study = models.study(grid, seeds=1, arms=("main",))
    assert study.title in rendered(study, models.table(study))


def test_an_unfinished_sweep_makes_a_page_that_says_so(models: Any):
    study, table = models.swept(verdicts=models.VERDICTS)
    measured = [name for name in table if name.split("_")[0] in ("unseen", "without", "headline")]
    table.loc[:3, measured] = np.nan
    table.loc[:3, "error"] = "ValueError: <b>loss</b> is not finite"
    html = rendered(study, table.iloc[:30])
    assert "ValueError: &lt;b&gt;loss&lt;/b&gt; is not finite" in html


@pytest.mark.parametrize("keep", [0, 4])
def test_a_sweep_in_which_nothing_came_out_makes_a_page(models: Any, keep: int):
    study = models.study(verdicts=models.VERDICTS)
    table = models.table(study).iloc[:keep]
    bare = ["model", "arm", "seed", "stack", *study.factors, "error", "seconds", "host"]
    table = table[[*bare, "started", "finished"]].assign(error="MemoryError", loss=None)
    results = study_results(study, table)
    assert [name for name, result in results.items() if isinstance(result, Skipped)] == [
        "unseen_pair", "mixed_pair", "seen_pair", "single", "variance", "mechanism",
    ]  # fmt: skip
    assert set(results["verdicts"].frame()["verdict"]) == {"undecided"}
    assert study.title in rendered(study, table)


def test_provenance_tells_the_design_and_the_last_end(models: Any):
    study = models.study()
    provenance = study_provenance(
        study, models.table(study), versions={"torch": "2"}, command="lrinterp report x"
    )
    assert provenance.date == "2026-03-01T11:00:47+00:00"
    assert provenance.settings["grid"] == study.factors
    assert provenance.settings["base_fit"] == {"steps": 5}
    assert "arm_full" not in provenance.settings
    changed = replace(study, arms={"wide": {"about": "why", "encoder": {"std_W_E": 1.0}}})
    provenance = study_provenance(changed, pd.DataFrame(), versions={}, command="")
    assert provenance.settings["arm_wide"] == {"encoder.std_W_E": 1.0}
    bare = study_provenance(study, pd.DataFrame(), versions={}, command="")
    assert bare.date == ""


def test_models_are_counted_by_arm(models: Any):
    study = models.study()
    table = models.table(study).iloc[:40]
    table.loc[[0, 1, 30], "error"] = ["a", "a", "b"]
    found = runs(table, study.planned, ("toy.order",))
    columns = ["Arm", "Models", "Done", "Failed", "Missing", "Seconds a model", "Hosts"]
    assert found.overview()[columns].to_numpy().tolist() == [
        ["full", "24", "22", "2", "0", "12.5", "1"],
        ["fixed", "24", "15", "1", "8", "12.5", "1"],
    ]
    assert found.metrics["models_missing"].value == 8


def test_wall_clock_runs_from_the_first_start_to_the_last_end(models: Any):
    _, table = models.swept()
    assert hours(table) == pytest.approx(1 + 47 / 3600)
    assert hours(table.iloc[:0]) is None


def test_an_empty_table_has_everything_missing(models: Any):
    found = runs(pd.DataFrame(), models.study().planned)
    assert found.metrics["models_missing"].value == 48
    assert found.overview()["Seconds a model"].tolist() == ["–", "–"]
