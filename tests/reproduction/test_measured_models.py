"""Measuring one model as a task, and the numbers of all models by arm and name."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.analysis import analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.reproduction.measured_models import Measures, in_arm_order, measure_model
from lrinterp.reproduction.running import asked_numbers
from lrinterp.run import record

ALIGNED = "procrustes.W_E_aligned_cosine"
SHIPPED = Path(__file__).parents[2] / "checkpoints" / "no-gradient"


def of_plan(planted: Any, **split: int) -> dict[str, Any]:
    setting = next(iter(planted.tiny_plan().studies["models"].settings()))
    plain = setting.plain(300)
    plain["split"] |= split
    return {"checkpoint": None, "plan": plain, "numbers": asked_numbers(), "threads": 1}


def test_a_checkpoint_is_measured_as_the_analyses_do():
    """Against the analyses themselves, on the same pictures."""
    names = [
        name for name in asked_numbers() if name.startswith(("accuracy.", "order_bias.", "procr"))
    ]
    payload = {"checkpoint": str(SHIPPED), "plan": None, "numbers": names, "threads": 1}
    found = json.loads(json.dumps(measure_model(payload), allow_nan=False))
    loaded = load_checkpoint(SHIPPED)
    recording = record(loaded.model, loaded.scenes().examples(["unseen_pair"]), progress=False)
    results = analyze(recording, ["accuracy", "order_bias", "procrustes"], progress=False)
    for name in names:
        analysis, _, key = name.partition(".")
        assert found["numbers"][name] == results[analysis].number(key).plain()
    assert set(found["numbers"]) == set(names)
    rows = found["tables"]["positional_gradient"]
    assert {row["head"] for row in rows} == {f"L0H{h}" for h in range(4)}


def test_a_fresh_model_is_measured_from_its_plan_and_what_does_not_apply_is_named(planted: Any):
    found = measure_model(of_plan(planted, n_pair=2))
    order = found["numbers"]["accuracy.unseen_pair_order"]
    assert (order["n"], order["n_units"]) == (60, 3)
    assert "a rotation needs 3 labels or more" in found["skipped"]["procrustes"]
    assert not any(name.startswith("procrustes") for name in found["numbers"])


def test_numbers_by_seed(as_claimed: Measures, planted: Any):
    orders = as_claimed.number("few", "accuracy.unseen_pair_order")
    assert orders.index.tolist() == list(planted.SEEDS)
    assert orders.mean() == pytest.approx(0.8, abs=0.01)
    assert as_claimed.number("few", "accuracy.nothing").empty
    assert as_claimed.arms == [*planted.ARMS, planted.UNTRAINED]


def test_a_head_stands_as_text(as_claimed: Measures):
    heads = as_claimed.rows("few", "positional_gradient.headline_head")
    assert set(heads["text"]) == {"L0H1"}
    assert heads["value"].isna().all()


def test_a_model_that_skipped_an_analysis_has_no_rows_of_it(planted: Any):
    one, other = planted.model("standard", 1), planted.model("standard", 2)
    del other["numbers"][ALIGNED], other["tables"]["similarity_attribution"]
    found = planted.gather([("standard", 1, one), ("standard", 2, other)])
    assert found.number("standard", ALIGNED).index.tolist() == [1]
    assert set(found.tables["similarity_attribution"]["seed"]) == {1}
    assert set(found.tables["positional_gradient"]["seed"]) == {1, 2}


def test_arms_in_words_and_in_their_order():
    table = pd.DataFrame({"arm": ["few", "standard", "few", "none"], "k": range(4)})
    assert in_arm_order(table)["k"].tolist() == [1, 0, 2]
    assert in_arm_order(table)["arm"].tolist()[0] == "standard"
    assert in_arm_order(table, ("few",))["k"].tolist() == [0, 2]
