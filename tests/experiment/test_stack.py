"""Stacks: each model in one with its like; rows are what the analyses measure of a model."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lrinterp.checkpoint import load_checkpoint
from lrinterp.experiment import stack
from lrinterp.experiment.numbers import NUMBERS, ORDER
from lrinterp.experiment.stack import measured_numbers, memory_of, pack, run_stack
from lrinterp.experiment.study import Study
from lrinterp.training.fit_many import shared


def payload(tiny: dict[str, Any], numbers: range = range(2), **changes: Any) -> dict[str, Any]:
    everyone = list(Study.from_plain(tiny, "tiny").members())
    models = [one | {"plan": setting.plain(one["seed"])} for one, setting in everyone]
    models = [models[n] for n in numbers]
    fixed = {"stack": 5, "models": models, "threads": 1, "device": "cpu"}
    fixed |= {"checkpoints": None, "numbers": list(NUMBERS)}
    return fixed | changes


def test_every_model_stands_in_one_stack_with_its_like(tiny: dict[str, Any]):
    """Arms keep their order, and the longest work comes first."""
    study = Study.from_plain(tiny, "tiny")
    everyone = {one["model"]: setting for one, setting in study.members()}
    stacks = pack(study)
    assert sorted(n for one in stacks for n in one) == list(range(16))
    assert set(map(len, stacks)) == {2}  # four alike, at most three together
    for own in stacks:
        assert len({everyone[n].arm for n in own}) == 1
        assert len({shared(everyone[n].plan(0)) for n in own}) == 1
    order = [(everyone[s[0]].arm, everyone[s[0]].values["split.n_pair"]) for s in stacks]
    assert order[:4] == [("plain", 3)] * 2 + [("plain", 2)] * 2
    assert order[4:] == [("drawn", 2)] * 2 + [("drawn", 3)] * 2  # one batch size: equal work


def test_a_stack_takes_no_more_memory_than_it_may(tiny, monkeypatch):
    study = Study.from_plain(tiny, "tiny")
    (plan, *_) = (setting.plan(0) for setting in study.settings())  # two labels in pairs
    monkeypatch.setattr(stack, "MEMORY", memory_of(plan) + 1)
    assert set(map(len, pack(study))) == {1}
    monkeypatch.setattr(stack, "MEMORY", 1)
    assert set(map(len, pack(study))) == {1}


def test_larger_batches_and_deeper_towers_take_more(tiny: dict[str, Any]):
    def memory(**sections: dict[str, Any]) -> int:
        base = {name: fields | sections.get(name, {}) for name, fields in tiny["base"].items()}
        study = Study.from_plain({**tiny, "base": base, "arms": {}}, "tiny")
        return memory_of(next(iter(study.settings())).plan(0))

    plain = memory()
    assert memory(fit={"batch_size": 4}) < plain
    assert memory(encoder={"preset": "full"}) > plain
    assert memory(encoder={"image_layers": 3}) > plain


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


def test_training_that_raises_is_an_error_of_each_model(tiny, monkeypatch):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory\nmore")

    monkeypatch.setattr(stack, "fit_many", fails)
    assert [r["error"] for r in run_stack(payload(tiny))] == ["RuntimeError: out of memory"] * 2


def test_a_measure_that_raises_is_an_error_of_its_model(tiny, monkeypatch):
    calls: list[int] = []

    def fails_first(*_: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("odd")
        return {ORDER: {"value": 0.5}}

    monkeypatch.setattr(stack, "measured_numbers", fails_first)
    first, second = run_stack(payload(tiny))
    assert first["error"] == "ValueError: odd"
    assert second["error"] is None


def test_checkpoints_are_kept_with_those_along_the_way(tiny: dict[str, Any], tmp_path: Path):
    tiny["base"]["fit"]["keep_every"] = 8
    row = run_stack(payload(tiny, checkpoints=str(tmp_path)))[1]
    checkpoint = load_checkpoint(tmp_path / "00001")
    assert measured_numbers(checkpoint.model, checkpoint.scenes(), NUMBERS) == row["numbers"]
    found = sorted(p.parent.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("model.json"))
    assert found == [f"0000{m}{s}" for m in (0, 1) for s in ("", "/steps/000008", "/steps/000016")]
    kept = load_checkpoint(tmp_path / "00001" / "steps" / "000016")
    assert kept.metadata.split == checkpoint.metadata.split
