"""The mechanism of many models: ablations over the grid, and gradients model by model."""

from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.mechanism_by_arm import APART, REMOVED, mechanism_by_arm
from lrinterp.stats import SHARE, seed_interval


def test_ablations_are_averaged_over_the_grid_by_arm(models: Any):
    study, table = models.swept()
    found = mechanism_by_arm(study, table)
    assert found.frame().groupby("arm", sort=False).size().to_dict() == {"full": 8, "fixed": 8}
    assert found.frame()["measure"].tolist()[:2] == ["order, intact", "order without EP"]
    means = table[table["arm"] == "full"].groupby("seed")[REMOVED].mean()
    without = found.metrics["order without key-position, full"]
    assert without.value == pytest.approx(means.mean())
    expected = seed_interval(means.to_numpy(), SHARE)
    assert (without.low, without.high) == pytest.approx((expected.low, expected.high))


def test_deviations_from_chance_do_not_cancel(models: Any):
    """In every seed one cell lies 0.2 above chance, one 0.2 below, and four at it."""
    study, table = models.swept(arms=("full",))
    after = np.full(len(table), 0.5)
    cell = table[models.LABELS].astype(str) + table[models.LAYOUTS].astype(str)
    after[cell == "32"] += 0.2
    after[cell == "1230"] -= 0.2
    found = mechanism_by_arm(study, table.assign(**{REMOVED: after}))
    by_measure = found.frame().set_index("measure")["value"]
    assert by_measure["order without key-position"] == pytest.approx(0.5)
    away, outside = (found.metrics[f"{words}, full"] for words in APART.values())
    assert away.value == pytest.approx(0.4 / 6)
    assert outside.value == pytest.approx(2 / 6)
    level = mechanism_by_arm(study, table.assign(**{REMOVED: 0.5}))
    assert [level.metrics[f"{words}, full"].value for words in APART.values()] == [0, 0]


def test_every_model_is_a_point(models: Any):
    study = models.study()
    _, cloud = mechanism_by_arm(study, models.table(study)).figures()
    points = [len(trace.x) for trace in cloud.draw().data]
    assert points == [24, 24]
    assert len(cloud.table) == 48


def test_models_without_ablations_do_not_apply(models: Any):
    study, table = models.swept()
    dropped = [name for name in table if name.startswith(("term_ablation", "positional_gradient"))]
    found = mechanism_by_arm(study, table.drop(columns=dropped))
    assert found.reason == "no model has ablations or gradients"
