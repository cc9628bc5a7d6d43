from typing import Any

import pandas as pd
import pytest

from lrinterp.experiment.bookkeeping import hours, runs


def test_models_are_counted_by_arm(models: Any):
    study = models.study()
    table = models.table(study).iloc[:40]
    table.loc[[0, 1, 30], "error"] = ["a", "a", "b"]
    found = runs(study, table)
    counts = found.counts()
    columns = ["arm", "planned", "done", "failed", "missing"]
    assert counts[columns].to_numpy().tolist() == [
        ["full", 24, 22, 2, 0], ["fixed", 24, 15, 1, 8],
    ]  # fmt: skip
    assert counts["seconds_a_model"].tolist() == [12.5, 12.5]
    assert found.metrics["models_missing"].value == 8
    assert found.errors().to_dict("records") == [
        {"arm": "full", "error": "a", "n": 2},
        {"arm": "fixed", "error": "b", "n": 1},
    ]
    assert "Failed in arm full, 2 models: a" in found.caveats
    assert "Versions: python 3.12.1, torch 2.9.0. Hosts: one." in found.caveats


def test_wall_clock_runs_from_the_first_start_to_the_last_end(models: Any):
    study = models.study()
    table = models.table(study)
    assert hours(table) == pytest.approx(1 + 47 / 3600)
    assert hours(table.iloc[:0]) is None
    assert "1.01 hours" in runs(study, table).finding


def test_an_empty_table_has_everything_missing(models: Any):
    study = models.study()
    found = runs(study, pd.DataFrame())
    assert found.finding == "Of 48 models 0 were trained, 0 failed and 48 are missing."
    assert found.overview()["Seconds a model"].tolist() == ["–", "–"]
    assert found.caveats[1] == "Versions: none. Hosts: none."
