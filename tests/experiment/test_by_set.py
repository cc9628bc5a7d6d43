from typing import Any

import pandas as pd
import pytest

from lrinterp.experiment.by_set import SetAccuracy, chance_of, set_accuracy


@pytest.fixture
def held_out(models: Any) -> SetAccuracy:
    study = models.study()
    return set_accuracy(study, models.table(study), "unseen_pair")


def test_a_map_and_lines_for_each_arm(held_out: SetAccuracy):
    figures = held_out.figures()
    assert [figure.key for figure in figures] == ["map-0", "lines-0", "map-1", "lines-1"]
    layout: Any = figures[0].draw().layout
    assert (layout.coloraxis.cmin, layout.coloraxis.cmax) == (0.0, 1.0)
    panels: Any = figures[0].draw().data
    assert len(panels) == 5
    assert list(panels[0].y) == ["3", "6", "12"]
    assert list(panels[0].x) == ["2", "30"]


def test_reading_names_axes_units_seeds_and_chance(held_out: SetAccuracy):
    for figure in held_out.figures():
        for words in ("labels in pairs (split.n_pair)", "4 seeds", "share of pictures", "0.5"):
            assert words in figure.how_to_read


def test_the_finding_names_the_lowest_and_the_highest_cell(held_out: SetAccuracy):
    order = held_out.cells.query("arm == 'full' and measure == 'order'")
    low, high = order["value"].min(), order["value"].max()
    assert f"from {low:.2f} (labels in pairs 3" in held_out.finding
    assert f"to {high:.2f} (labels in pairs 12" in held_out.finding


def test_one_factor_has_lines_alone(models: Any):
    study = models.study({models.LABELS: [3, 6, 12]})
    found = set_accuracy(study, models.table(study), "unseen_pair")
    assert [figure.key for figure in found.figures()] == ["lines-0", "lines-1"]
    assert "one point a value" in found.figures()[0].how_to_read


def test_further_factors_are_averaged_and_it_says_so(models: Any):
    grid = {models.LABELS: [3, 6], models.LAYOUTS: [2, 30], "fit.steps": [5, 9]}
    study = models.study(grid)
    found = set_accuracy(study, models.table(study), "unseen_pair")
    assert len(found.cells) == 2 * 5 * 4
    assert "over training steps (fit.steps)" in found.caveats[1]


def test_single_objects_have_no_order(models: Any):
    study = models.study()
    found = set_accuracy(study, models.table(study), "single")
    assert "order" not in set(found.cells["measure"])
    assert "retrieval (closed) is" in found.finding
    assert "A guess among captions scores one over their number" in found.figures()[0].how_to_read


def test_chance_depends_on_the_number_of_objects():
    assert chance_of(pd.DataFrame({"world.n_objects": [2, 2]})) == 0.5
    assert chance_of(pd.DataFrame({"world.n_objects": [3]})) == pytest.approx(1 / 6)
    assert chance_of(pd.DataFrame({"world.n_objects": [2, 3]})) is None
    assert chance_of(pd.DataFrame()) == 0.5
