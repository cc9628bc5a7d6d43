"""Measuring one model as a task: what the analyses say, as plain data."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.analysis import analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.reproduction.measure import measure
from lrinterp.reproduction.run import asked
from lrinterp.run import record

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "no-gradient"

pytestmark = pytest.mark.usefixtures("one_thread")


def of_plan(planted: Any, **split: int) -> dict[str, Any]:
    setting = next(iter(planted.tiny_plan().design.studies["models"].settings()))
    plain = setting.plain(300)
    plain["split"] |= split
    return {"checkpoint": None, "plan": plain, "numbers": asked(), "threads": 1}


def test_a_checkpoint_is_measured_as_the_analyses_do():
    """Against the analyses themselves, on the same pictures."""
    payload = {"checkpoint": str(SHIPPED), "plan": None, "numbers": asked(), "threads": 1}
    found = json.loads(json.dumps(measure(payload), allow_nan=False))
    loaded = load_checkpoint(SHIPPED)
    recording = record(loaded.model, loaded.scenes().examples(["unseen_pair"]), progress=False)
    names = [name for name in asked() if name.startswith(("accuracy.", "order_bias.", "procr"))]
    results = analyze(recording, ["accuracy", "order_bias", "procrustes"], progress=False)
    for name in names:
        analysis, _, key = name.partition(".")
        assert found["numbers"][name] == results[analysis].number(key).plain()
    assert set(found["numbers"]) == set(asked())
    rows = found["tables"]["positional_gradient"]
    assert {row["head"] for row in rows} == {f"L0H{h}" for h in range(4)}


def test_a_fresh_model_is_measured_from_its_plan(planted: Any):
    one, other = measure(of_plan(planted)), measure(of_plan(planted))
    assert one == other
    order = one["numbers"]["accuracy.unseen_pair_order"]
    assert (order["n"], order["n_units"]) == (60, 3)


def test_what_does_not_apply_is_named(planted: Any):
    found = measure(of_plan(planted, n_pair=2))
    assert "a rotation needs 3 labels or more" in found["skipped"]["procrustes"]
    assert not any(name.startswith("procrustes") for name in found["numbers"])
