from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.evaluation import COLUMNS, evaluate


def verdicts(models: Any, **settings: Any) -> list[str]:
    study = models.study(verdicts=models.VERDICTS)
    return evaluate(study, models.table(study, **settings))["verdict"].tolist()


def test_a_row_for_each_criterion_and_arm(models: Any):
    study = models.study(verdicts=models.VERDICTS)
    found = evaluate(study, models.table(study))
    assert list(found) == COLUMNS
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
    assert verdicts(models, noise=0.01) == ["holds"] * 6
    assert verdicts(models, effect=0.0, noise=0.01)[:4] == ["does not hold"] * 2 + ["holds"] * 2
    assert verdicts(models, noise=1.0)[:4] == ["undecided"] * 4


def test_the_contrast_is_the_planted_one(models: Any):
    study = models.study(verdicts=models.VERDICTS)
    found = evaluate(study, models.table(study, noise=0.01)).iloc[0]
    assert found["value"] == pytest.approx(0.2, abs=0.01)
    assert found["low"] < found["value"] < found["high"]


def test_complete_seeds_alone_are_used_and_counted(models: Any):
    study = models.study(verdicts=models.VERDICTS)
    table = models.table(study)
    middle = table.query("arm == 'full' and seed == 11 and `split.n_pair` == 6").index
    found = evaluate(study, table.drop(index=middle))
    assert found["n"].tolist() == [4, 4, 3, 4, 3, 4]
    assert found["n_models"].tolist() == [16, 16, 18, 24, 18, 24]


def test_without_a_complete_seed_nothing_is_decided_and_it_says_why(models: Any):
    study = models.study(verdicts=models.VERDICTS)
    table = models.table(study)
    table.loc[
        (table["arm"] == "full") & (table["split.n_pair"] == 3), "accuracy.unseen_pair_order"
    ] = np.nan
    first = evaluate(study, table).iloc[0]
    assert (first["verdict"], first["n"]) == ("undecided", 0)
    assert np.isnan(first["value"])
    assert first["reason"] == "no seed is complete: 8 of 16 models have no number"


def test_one_seed_and_equal_numbers_decide_nothing(models: Any):
    study = models.study(seeds=1, verdicts=models.VERDICTS)
    found = evaluate(study, models.table(study))
    assert set(found["verdict"]) == {"undecided"}
    assert set(found["reason"]) == {"too few seeds for an interval"}
    study = models.study(verdicts=models.VERDICTS[2:])
    equal = evaluate(study, models.table(study, effect=0.0, noise=0.0))
    assert set(equal["reason"]) == {"all models have the same number"}


def test_a_share_and_the_share_of_the_seed(models: Any):
    plain = {
        "column": "accuracy.unseen_pair_order",
        "statistic": "share",
        "claim": "c",
        "at_least": 0.5,
    }
    criteria = [{**plain, "id": of, "of": of} for of in (models.LABELS, "seed")]
    study = models.study(verdicts=tuple(criteria))
    found = evaluate(study, models.table(study, noise=0.01))
    assert found["verdict"].tolist() == ["holds", "holds", "does not hold", "does not hold"]


def test_a_column_that_was_not_measured_decides_nothing(models: Any):
    """As where every model failed, or none has a tower that the ablations know."""
    study = models.study(verdicts=models.VERDICTS[:1])
    found = evaluate(study, models.table(study).drop(columns="accuracy.unseen_pair_order")).iloc[0]
    assert (found["verdict"], found["reason"]) == ("undecided", "no model has this column")
