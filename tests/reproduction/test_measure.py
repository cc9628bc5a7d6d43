"""Measuring one model as a task: what the analyses say, as plain data."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.analysis import analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.recording import record
from lrinterp.reproduction.measure import ANALYSED, measure

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "no-gradient"

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_checkpoint_is_measured_as_the_analyses_do():
    """Against the analyses themselves, on the same pictures."""
    found = json.loads(
        json.dumps(
            measure({"checkpoint": str(SHIPPED), "plan": None, "threads": 1}), allow_nan=False
        )
    )
    loaded = load_checkpoint(SHIPPED)
    recording = record(loaded.model, loaded.scenes().examples(["unseen_pair"]), progress=False)
    for name in ("accuracy", "order_bias", "procrustes"):
        [result] = analyze(recording, [name], progress=False).values()
        assert found["summaries"][name] == {k: s.plain() for k, s in result.metrics.items()}
        assert len(found["frames"][name]) == len(result.frame())
    assert set(found["summaries"]) | set(found["skipped"]) == set(ANALYSED)
    assert {row["head"] for row in found["rows"]} == {f"L0H{h}" for h in range(4)}


def test_a_fresh_model_is_measured_from_its_plan(planted: Any):
    setting = next(iter(planted.tiny_plan().design.studies["models"].settings()))
    payload = {"checkpoint": None, "plan": setting.plain(300), "threads": 1}
    one, other = measure(payload), measure(payload)
    assert one == other
    order = one["summaries"]["accuracy"]["unseen_pair_order"]
    assert (order["n"], order["n_units"]) == (60, 3)


def test_what_does_not_apply_is_named(planted: Any):
    setting = next(iter(planted.tiny_plan().design.studies["models"].settings()))
    plain = setting.plain(300)
    plain["split"] |= {"n_pair": 2}
    found = measure({"checkpoint": None, "plan": plain, "threads": 1})
    assert "a rotation needs 3 labels or more" in found["skipped"]["procrustes"]
    assert "procrustes" not in found["summaries"]
