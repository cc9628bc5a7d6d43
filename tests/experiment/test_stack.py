"""Rows: what is measured of a model in a sweep is what the analyses measure of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lrinterp.checkpoint import load_checkpoint
from lrinterp.experiment import stack
from lrinterp.experiment.design import Study
from lrinterp.experiment.folder import plain
from lrinterp.experiment.numbers import NUMBERS, ORDER
from lrinterp.experiment.packing import members
from lrinterp.experiment.stack import measure, run_stack

pytestmark = pytest.mark.usefixtures("one_thread")


def payload(tiny: dict[str, Any], numbers: range = range(2), **changes: Any) -> dict[str, Any]:
    everyone = list(members(Study.from_plain(tiny, "tiny")))
    models = [plain(everyone[n]) for n in numbers]
    fixed = {"stack": 5, "models": models, "threads": 1, "device": "cpu"}
    fixed |= {"checkpoints": None, "numbers": list(NUMBERS)}
    return fixed | changes


def test_a_row_says_which_model_it_is_and_how_it_was_made(tiny: dict[str, Any]):
    first, second = run_stack(payload(tiny, range(8, 10)))
    assert (first["model"], first["arm"], first["seed"], first["stack"]) == (8, "drawn", 0, 5)
    assert second["seed"] == second["split.seed"] == second["fit.seed"] == 1
    assert first["split.n_pair"] == 2
    assert first["fit.batch_size"] == 4
    assert first["error"] is None
    assert 0 < first["loss"] < 10
    assert first["started"] <= first["finished"]
    assert first["version.torch"] == torch.__version__
    assert list(first["numbers"]) == list(NUMBERS)
    accuracies = [found for key, found in first["numbers"].items() if "unseen_pair_" in key]
    assert len(accuracies) == 5
    assert all(0 <= found["value"] <= 1 and found["n"] for found in accuracies)


def test_rows_do_not_depend_on_who_shares_the_stack(tiny: dict[str, Any]):
    """Up to rounding, which 20 steps do not let grow."""
    together = run_stack(payload(tiny, range(2)))
    (alone,) = run_stack(payload(tiny, range(1, 2)))
    assert together[1]["loss"] == pytest.approx(alone["loss"], abs=1e-5)
    assert together[1]["split.seed"] == alone["split.seed"]


def test_equal_payloads_give_equal_rows(tiny: dict[str, Any]):
    changing = {"seconds", "started", "finished"}
    one, other = (
        [{k: v for k, v in row.items() if k not in changing} for row in run_stack(payload(tiny))]
        for _ in range(2)
    )
    assert one == other


def test_a_model_that_diverges_is_a_row_with_its_error(tiny: dict[str, Any]):
    tiny["arms"] = {"plain": {}, "wild": {"encoder": {"std_W_E": 1e30}}}
    tiny["grid"] = {"split": {"n_pair": [2, 3]}}
    work = payload(tiny, range(2))
    work["models"][1] = payload(tiny, range(4, 5))["models"][0]
    good, bad = run_stack(work)
    assert good["error"] is None
    assert good["numbers"][ORDER]["value"] is not None
    assert bad["error"] == "the loss is not finite at step 20"
    assert bad["loss"] is None
    assert "numbers" not in bad


def test_training_that_raises_is_an_error_of_each_model(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory\nmore")

    monkeypatch.setattr(stack, "fit_many", fails)
    assert [r["error"] for r in run_stack(payload(tiny))] == ["RuntimeError: out of memory"] * 2


def test_a_measure_that_raises_is_an_error_of_its_model(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    calls: list[int] = []

    def fails_first(*_: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("odd")
        return {ORDER: {"value": 0.5}}

    monkeypatch.setattr(stack, "measure", fails_first)
    first, second = run_stack(payload(tiny))
    assert first["error"] == "ValueError: odd"
    assert second["error"] is None


def test_without_held_out_pairs_nothing_is_said_of_them(tiny: dict[str, Any]):
    tiny["base"]["split"]["n_val"] = 0
    found = run_stack(payload(tiny))[0]["numbers"]
    assert found[ORDER]["value"] is None
    assert found["accuracy.seen_pair_order"]["value"] is not None
    assert all(one["value"] is None for key, one in found.items() if "_without_" in key)


def test_checkpoints_are_kept_where_they_are_asked_for(tiny: dict[str, Any], tmp_path: Path):
    row = run_stack(payload(tiny, checkpoints=str(tmp_path)))[1]
    checkpoint = load_checkpoint(tmp_path / "00001")
    found = measure(checkpoint.model, checkpoint.scenes(), NUMBERS)
    assert found == row["numbers"]


def test_checkpoints_along_the_way_are_kept_with_them(tiny: dict[str, Any], tmp_path: Path):
    tiny["base"]["fit"]["keep_every"] = 8
    run_stack(payload(tiny, checkpoints=str(tmp_path)))
    found = sorted(p.parent.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("model.json"))
    assert found == [f"0000{m}{s}" for m in (0, 1) for s in ("", "/steps/000008", "/steps/000016")]
    kept = load_checkpoint(tmp_path / "00001" / "steps" / "000016")
    assert kept.metadata.split == load_checkpoint(tmp_path / "00001").metadata.split


def test_threads_are_set_and_put_back(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    monkeypatch.setattr(stack, "fit_many", lambda *_, **__: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    with pytest.raises(TypeError):
        run_stack(payload(tiny, threads=2))  # the stub returns nothing to go on with
    assert seen == [2]
    assert torch.get_num_threads() == before
