"""Rows: what is measured of a model in a sweep is what the analyses measure of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lrinterp.analysis import analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.recording import record
from lrinterp.study import rows
from lrinterp.study.design import Study
from lrinterp.study.naming import ABLATED, MEASURED
from lrinterp.study.packing import members
from lrinterp.study.rows import ABLATIONS, measure, run_stack
from lrinterp.study.run import plain

pytestmark = pytest.mark.usefixtures("one_thread")
SHIPPED = Path(__file__).parents[2] / "checkpoints" / "left-right"


def payload(tiny: dict[str, Any], numbers: range = range(2), **changes: Any) -> dict[str, Any]:
    everyone = list(members(Study.from_plain(tiny, "tiny")))
    models = [plain(everyone[n]) for n in numbers]
    fixed = {"stack": 5, "models": models, "threads": 1, "device": "cpu", "checkpoints": None}
    return fixed | changes


@pytest.mark.slow
def test_the_shipped_model_has_the_figures_of_its_report():
    """With the analyses as the independent second computation."""
    checkpoint = load_checkpoint(SHIPPED)
    found = measure(checkpoint.model, checkpoint.scenes())
    recording = record(checkpoint.model, checkpoint.scenes().examples())
    results = analyze(recording, ["accuracy", "positional_gradient", "term_ablation"])
    accuracy, gradient, ablation = (result.metrics for result in results.values())
    for key in ("unseen_pair_order", "mixed_pair_order", "unseen_pair_retrieval_open"):
        assert found[key] == pytest.approx(accuracy[key].value)
    for key in ("headline_head", "headline_slope", "headline_span", "headline_spearman"):
        assert found[key] == pytest.approx(gradient[key].value)
    assert found["without_key_position_order"] == pytest.approx(
        ablation["order_without_key_position"].value
    )
    table = results["term_ablation"].frame()
    for term in ("EP", "PP", "bP"):
        row = table[
            (table["model"] == "trained")
            & (table["encoder"] == "image")
            & (table["terms"] == term)
            & (table["kind"] == "zero")
            & (table["set"] == "unseen_pair")
            & (table["metric"] == "label_set")
            & (table["candidates"] == "closed")
        ]
        assert found[f"without_{term}_label_set_closed"] == pytest.approx(row["value"].item())
    assert found["without_key_position_order"] < 0.6 < 0.9 < found["unseen_pair_order"]


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
    assert set(MEASURED) <= set(first)
    assert set(ABLATIONS) == set(ABLATED)
    accuracies = [k for k in first if k.startswith("unseen_pair_")]
    assert len(accuracies) == 5
    assert all(0 <= first[key] <= 1 for key in accuracies)
    assert "single_order" not in first


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
    assert "unseen_pair_order" in good
    assert bad["error"] == "the loss is not finite at step 20"
    assert bad["loss"] is None
    assert "unseen_pair_order" not in bad


def test_training_that_raises_is_an_error_of_each_model(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory\nmore")

    monkeypatch.setattr(rows, "fit_many", fails)
    assert [r["error"] for r in run_stack(payload(tiny))] == ["RuntimeError: out of memory"] * 2


def test_a_measure_that_raises_is_an_error_of_its_model(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    calls: list[int] = []

    def fails_first(*_: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("odd")
        return {"unseen_pair_order": 0.5}

    monkeypatch.setattr(rows, "measure", fails_first)
    first, second = run_stack(payload(tiny))
    assert first["error"] == "ValueError: odd"
    assert second["error"] is None


def test_without_held_out_pairs_there_is_no_mechanism(tiny: dict[str, Any]):
    tiny["base"]["split"]["n_val"] = 0
    row = run_stack(payload(tiny))[0]
    assert row["unseen_pair_order"] is None
    assert row["seen_pair_order"] is not None
    assert not any(key.startswith(("without_", "headline_")) for key in row)


def test_checkpoints_are_kept_where_they_are_asked_for(tiny: dict[str, Any], tmp_path: Path):
    row = run_stack(payload(tiny, checkpoints=str(tmp_path)))[1]
    checkpoint = load_checkpoint(tmp_path / "00001")
    assert (
        measure(checkpoint.model, checkpoint.scenes())["unseen_pair_order"]
        == (row["unseen_pair_order"])
    )


def test_checkpoints_along_the_way_are_kept_with_them(tiny: dict[str, Any], tmp_path: Path):
    tiny["base"]["fit"]["keep_every"] = 8
    run_stack(payload(tiny, checkpoints=str(tmp_path)))
    found = sorted(p.parent.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("model.json"))
    assert found == [f"0000{m}{s}" for m in (0, 1) for s in ("", "/steps/000008", "/steps/000016")]
    kept = load_checkpoint(tmp_path / "00001" / "steps" / "000016")
    assert kept.metadata.split == load_checkpoint(tmp_path / "00001").metadata.split


def test_threads_are_set_and_put_back(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    monkeypatch.setattr(rows, "fit_many", lambda *_, **__: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    with pytest.raises(TypeError):
        run_stack(payload(tiny, threads=2))  # the stub returns nothing to go on with
    assert seen == [2]
    assert torch.get_num_threads() == before
