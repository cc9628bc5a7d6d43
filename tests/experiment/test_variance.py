from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.contrasts import complete, laid_out, shares
from lrinterp.experiment.variance import variance


def test_shares_of_every_metric_and_arm(models: Any):
    study = models.study()
    table = models.table(study)
    found = variance(study, table)
    assert len(found.table) == 2 * 5 * 4
    totals = found.table.groupby(["arm", "measure"])["plain_share"].sum()
    assert totals.tolist() == pytest.approx([1.0] * 10)
    plain = shares(complete(laid_out(study, table, "full", "accuracy.unseen_pair_order")))
    assert found.table["plain_share"].tolist()[:4] == pytest.approx(plain)
    assert found.table["share"].between(0, 1).all()
    labels = found.metrics["order by labels in pairs, full"]
    assert labels.low is not None
    assert labels.low > 0.8


def test_all_figures_have_one_scale_and_every_metric_its_own(models: Any):
    study = models.study()
    figures = variance(study, models.table(study)).figures()
    assert len(figures) == 5
    ranges = {tuple(f.draw().layout.xaxis2.range) for f in figures}
    assert len(ranges) == 1
    assert "4 seeds" in figures[0].how_to_read


def test_what_does_not_vary_is_not_drawn_and_said(models: Any):
    study = models.study(arms=("main",))
    table = models.table(study).assign(**{"accuracy.unseen_pair_order": 0.9})
    found = variance(study, table)
    assert "order cannot be divided" in found.finding
    assert len(found.figures()) == 4


def test_one_factor_has_no_interaction(models: Any):
    study = models.study({models.LABELS: [3, 6, 12]}, arms=("main",))
    found = variance(study, models.table(study))
    assert set(found.table["source"]) == {models.LABELS, "seed"}


def test_seeds_that_are_incomplete_are_left_out_and_counted(models: Any):
    study = models.study(arms=("main",))
    table = models.table(study)
    table.loc[0, "accuracy.unseen_pair_order"] = np.nan
    found = variance(study, table)
    by_measure = found.table.groupby("measure", sort=False)["n"].first()
    assert by_measure.tolist() == [3, 4, 4, 4, 4]
