"""Verdicts: planted effects hold, absent ones do not, and the page says which and why."""

from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.section import Section
from lrinterp.experiment.verdicts import judged_criteria, verdicts


@pytest.fixture
def planted(models: Any) -> Section:
    study = models.study(verdicts=models.VERDICTS)
    found = verdicts(study, models.table(study, noise=0.01))
    assert isinstance(found, Section)
    return found


def judged(models: Any, **settings: Any) -> list[str]:
    study = models.study(verdicts=models.VERDICTS)
    return judged_criteria(study, models.table(study, **settings))["verdict"].tolist()


def test_a_row_for_each_criterion_and_arm(models: Any):
    study = models.study(verdicts=models.VERDICTS)
    found = judged_criteria(study, models.table(study))
    assert found["arm"].tolist() == ["full", "fixed"] * 3
    assert found["n"].tolist() == [4] * 6
    assert found["n_models"].tolist() == [16, 16, 24, 24, 24, 24]
    assert found["bound"].tolist()[::2] == ["at least 0.05", "at most 0.05", "at least 0.2"]
    assert found["of"].tolist()[::2] == [
        "labels in pairs, 12 minus 3",
        "layouts per pair, 30 minus 2",
        "labels in pairs minus layouts per pair",
    ]
    assert (found["reason"] == "").all()


def test_planted_effects_hold_and_their_absence_does_not(models: Any):
    assert judged(models, noise=0.01) == ["holds"] * 6
    assert judged(models, effect=0.0, noise=0.01)[:4] == ["does not hold"] * 2 + ["holds"] * 2
    assert judged(models, noise=1.0)[:4] == ["undecided"] * 4


def test_complete_seeds_alone_are_used_and_counted(models: Any):
    study, table = models.swept(verdicts=models.VERDICTS)
    middle = table.query("arm == 'full' and seed == 11 and `split.n_pair` == 6").index
    found = judged_criteria(study, table.drop(index=middle))
    assert found["n"].tolist() == [4, 4, 3, 4, 3, 4]
    assert found["n_models"].tolist() == [16, 16, 18, 24, 18, 24]


def test_without_a_complete_seed_nothing_is_decided_and_it_says_why(models: Any):
    study, table = models.swept(verdicts=models.VERDICTS)
    table.loc[
        (table["arm"] == "full") & (table["split.n_pair"] == 3), "accuracy.unseen_pair_order"
    ] = np.nan
    first = judged_criteria(study, table).iloc[0]
    assert (first["verdict"], first["n"]) == ("undecided", 0)
    assert np.isnan(first["value"])
    assert first["reason"] == "no seed is complete: 8 of 16 models have no number"
    first = judged_criteria(study, table.drop(columns="accuracy.unseen_pair_order")).iloc[0]
    assert (first["verdict"], first["reason"]) == ("undecided", "no model has this column")


def test_one_seed_and_equal_numbers_decide_nothing(models: Any):
    study = models.study(seeds=1, verdicts=models.VERDICTS)
    found = judged_criteria(study, models.table(study))
    assert set(found["verdict"]) == {"undecided"}
    assert set(found["reason"]) == {"too few seeds for an interval"}
    study = models.study(verdicts=models.VERDICTS[2:])
    equal = judged_criteria(study, models.table(study, effect=0.0, noise=0.0))
    assert set(equal["reason"]) == {"all models have the same number"}


def test_tiles_are_the_first_claims_of_the_first_arm(planted: Section):
    tiles = planted.tiles()
    assert [tile.scalar.value for tile in tiles] == planted.table["value"].tolist()[::2]


def test_the_shade_lies_on_the_side_on_which_a_claim_holds(planted: Section):
    (figure,) = planted.figures()
    layout: Any = figure.draw().layout
    shades = [shape for shape in layout.shapes if shape.type != "line"]
    least, most = layout.xaxis.range
    assert [(shade.x0, shade.x1) for shade in shades[:3]] == [
        (0.05, most),
        (least, 0.05),
        (0.2, most),
    ]


def test_a_study_without_claims_has_no_verdicts(models: Any):
    study = models.study()
    assert verdicts(study, models.table(study)).reason == "the study file states no claims"
