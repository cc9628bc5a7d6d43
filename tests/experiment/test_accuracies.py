"""Accuracies: the cells of a set as maps and lines, and shares of variance by source."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.experiment.accuracies import chance_of, set_accuracy, set_lines, set_map, variance
from lrinterp.experiment.contrasts import complete, laid_out, shares
from lrinterp.result import Result

LABELS, LAYOUTS = "split.n_pair", "split.layouts_per_pair"


@pytest.fixture
def held_out(models: Any) -> Result:
    study = models.study()
    return set_accuracy(study, models.table(study), "unseen_pair")


def test_a_map_and_lines_for_each_arm(held_out: Result):
    figures = held_out.figures()
    assert [figure.key for figure in figures] == ["map-0", "lines-0", "map-1", "lines-1"]
    layout: Any = figures[0].draw().layout
    assert (layout.coloraxis.cmin, layout.coloraxis.cmax) == (0.0, 1.0)


def test_single_objects_have_no_order(models: Any):
    study = models.study()
    found = set_accuracy(study, models.table(study), "single")
    assert "order" not in set(found.frame()["measure"])


def test_chance_depends_on_the_number_of_objects():
    assert chance_of(pd.DataFrame({"world.n_objects": [2, 2]})) == 0.5
    assert chance_of(pd.DataFrame({"world.n_objects": [3]})) == pytest.approx(1 / 6)
    assert chance_of(pd.DataFrame({"world.n_objects": [2, 3]})) is None
    assert chance_of(pd.DataFrame()) == 0.5


@pytest.fixture
def cells() -> pd.DataFrame:
    rows = [
        ("main", measure, labels, layouts, 0.01 * labels + 0.001 * layouts, 4 + (layouts == 30))
        for measure in ("order", "retrieval (open)")
        for labels in (3, 6, 12)
        for layouts in (2, 30)
    ]
    cells = pd.DataFrame(rows, columns=["arm", "measure", LABELS, LAYOUTS, "value", "n"])
    return cells.assign(low=cells["value"] - 0.1, high=cells["value"] + 0.1)


def drawn(figure: Any) -> list[Any]:
    return list(figure.draw().data)


def test_a_map_has_the_first_factor_down_and_the_second_across(cells: pd.DataFrame):
    figure = set_map(cells, [LABELS, LAYOUTS], 2, "Null.")
    first, second = drawn(figure)
    assert list(first.y) == ["3", "6", "12"]
    assert list(first.x) == ["2", "30"]
    assert first.z.tolist() == second.z.tolist()
    assert first.z[2].tolist() == pytest.approx([0.122, 0.15])
    assert figure.key == "map-2"


def test_lines_run_along_the_first_factor_one_for_each_value_of_the_second(cells: pd.DataFrame):
    figure = set_lines(cells, [LABELS, LAYOUTS], 0, "Null.")
    lines = [trace for trace in drawn(figure) if trace.hoverinfo == "text"]
    assert len(lines) == 2 * 2
    assert list(lines[0].x) == [3, 6, 12]
    assert lines[1].y.tolist() == pytest.approx([0.06, 0.09, 0.15])
    assert lines[1].line.width > lines[0].line.width


def test_shares_of_every_metric_and_arm(models: Any):
    study, table = models.swept()
    found = variance(study, table)
    assert len(found.frame()) == 2 * 5 * 4
    totals = found.frame().groupby(["arm", "measure"])["plain_share"].sum()
    assert totals.tolist() == pytest.approx([1.0] * 10)
    plain = shares(complete(laid_out(study, table, "full", "accuracy.unseen_pair_order")))
    assert found.frame()["plain_share"].tolist()[:4] == pytest.approx(plain)
    assert found.frame()["share"].between(0, 1).all()
    labels = found.metrics["order by labels in pairs, full"]
    assert labels.low is not None
    assert labels.low > 0.8


def test_what_does_not_vary_is_not_drawn_and_said(models: Any):
    study = models.study(arms=("main",))
    table = models.table(study).assign(**{"accuracy.unseen_pair_order": 0.9})
    found = variance(study, table)
    assert found.metrics["order by labels in pairs, main"].value is None
    assert len(found.figures()) == 4


def test_one_factor_has_no_interaction(models: Any):
    study = models.study({models.LABELS: [3, 6, 12]}, arms=("main",))
    found = variance(study, models.table(study))
    assert set(found.frame()["source"]) == {models.LABELS, "seed"}


def test_seeds_that_are_incomplete_are_left_out_and_counted(models: Any):
    study, table = models.swept(arms=("main",))
    table.loc[0, "accuracy.unseen_pair_order"] = np.nan
    found = variance(study, table)
    by_measure = found.frame().groupby("measure", sort=False)["n"].first()
    assert by_measure.tolist() == [3, 4, 4, 4, 4]
