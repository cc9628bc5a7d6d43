"""Models that know order by one relation word, by either, or by none: every chapter agrees."""

from collections.abc import Mapping

import pytest

import lrinterp as lr
from lrinterp.grades import grade
from lrinterp.result import Result

NAMES = ["accuracy", "activation_patching"]
WORLD = {"n_pixels": 6, "n_labels": 18, "template": "both"}
SPLIT = {"n_pair": 10, "n_val": 8, "layouts_per_pair": 12, "positions_per_label": 4}

Found = Mapping[str, Result]


@pytest.fixture(scope="module")
def right_of_both() -> Found:
    """A model of a small world, trained with one of its two templates alone."""
    plan = lr.Plan.from_plain({"world": WORLD, "split": SPLIT, "fit": {"steps": 600}}, "test")
    captions = plan.scenes._captions_of_items
    plan.scenes.__dict__["_captions_of_items"] = captions[:, [1]]
    [fitted] = lr.fit_many([plan], progress=False)
    recording = lr.record(fitted.model, plan.scenes.examples(["unseen_pair"]), progress=False)
    return lr.analyze(recording, NAMES, progress=False)


def test_a_model_that_knows_by_one_of_two_words_is_not_refused(right_of_both: Found):
    found = right_of_both["accuracy"].metrics
    known, other = (found[f"unseen_pair_order_{word}"] for word in ("right", "left"))
    assert grade(known, 0.5) in ("knows", "in part")
    assert grade(other, 0.5) not in ("knows", "in part")
    patching = right_of_both["activation_patching"]
    assert not patching.reason
    assert patching.template == "right"  # type: ignore[attr-defined]


def test_both_words_and_no_order_is_refused_by_all(no_gradient_results: Found):
    found = no_gradient_results
    for word in ("left", "right"):
        assert grade(found["accuracy"].metrics[f"unseen_pair_order_{word}"], 0.5) == "at chance"
    assert "does not tell" in found["activation_patching"].reason
