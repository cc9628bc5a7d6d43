from typing import Any

import numpy as np
import pytest

from lrinterp.result import NotApplicable
from lrinterp.study.mechanism import mechanism


def test_ablations_are_averaged_over_the_grid_by_arm(models: Any):
    study = models.study()
    table = models.table(study)
    found = mechanism(study, table)
    assert found.table["arm"].tolist() == ["full"] * 6 + ["fixed"] * 6
    assert found.table["measure"].tolist()[:2] == ["order, intact", "order without EP"]
    means = table[table["arm"] == "full"].groupby("seed")["without_key_position_order"].mean()
    without = found.summary["order without key-position, full"]
    assert without.value == pytest.approx(means.mean())
    assert without.low == pytest.approx(means.mean() - 3.18245 * means.std() / 2)


def test_every_model_is_a_point(models: Any):
    study = models.study()
    _, cloud = mechanism(study, models.table(study)).figures()
    points = [len(trace.x) for trace in cloud.plot.data]  # type: ignore[union-attr]
    assert points == [24, 24]
    assert len(cloud.table) == 48
    assert "span of the headline gradient (logits)" in cloud.how_to_read


def test_without_a_span_the_largest_slope_is_drawn(models: Any):
    study = models.study()
    table = models.table(study).assign(headline_span=np.nan)
    found = mechanism(study, table)
    assert found.gradient == "largest_slope"
    assert "largest slope" in found.figures()[1].how_to_read


def test_models_without_a_gradient_have_no_cloud(models: Any):
    study = models.study()
    table = models.table(study).drop(columns=["headline_span", "largest_slope"])
    assert [figure.key for figure in mechanism(study, table).figures()] == ["ablations"]


def test_models_without_ablations_do_not_apply(models: Any):
    study = models.study()
    table = models.table(study)
    dropped = [name for name in table if name.startswith(("without", "headline", "largest"))]
    with pytest.raises(NotApplicable, match="no model has ablations"):
        mechanism(study, table.drop(columns=dropped))
