"""What a run kept, by step, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lrinterp import load_checkpoint
from lrinterp.comparison.kept import kept_steps, models_of
from lrinterp.store import InputError


def test_steps_in_order_and_the_run_itself_last(tiny_run: Path):
    steps = kept_steps(tiny_run)
    assert [step for step, _ in steps] == [5, 10, 12]
    assert steps[-1].folder == tiny_run
    assert steps[0].folder == tiny_run / "steps" / "000005"


def test_models_begin_before_the_first_step(tiny_run: Path):
    models = dict(models_of(tiny_run))
    assert list(models) == [0, 5, 10, 12]
    weights = [model.trainable()["image.embed.W_E"] for model in models.values()]
    last = load_checkpoint(tiny_run).model.trainable()["image.embed.W_E"]
    assert torch.equal(weights[-1], last)
    assert not torch.equal(weights[0], weights[1])
    std = load_checkpoint(tiny_run).model.config.std_W_E  # type: ignore[union-attr]
    assert weights[0].std().item() == pytest.approx(std, rel=0.5)


def test_a_last_step_that_was_kept_is_counted_once(runs: Any, tmp_path: Path):
    folder = runs.tiny_trained(tmp_path / "even", seed=0, steps=10)
    assert [step for step, _ in kept_steps(folder)] == [5, 10]
    assert kept_steps(folder)[-1].folder == folder


def test_other_folders_are_no_steps(tiny_run: Path, tmp_path: Path):
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    (copy / "steps" / "notes").mkdir()
    (copy / "steps" / "000007").mkdir()  # no checkpoint in it
    assert [step for step, _ in kept_steps(copy)] == [5, 10, 12]


def test_a_run_that_kept_nothing_is_refused(tiny_run: Path, tmp_path: Path):
    copy = shutil.copytree(tiny_run, tmp_path / "copy", ignore=lambda *_: ["steps"])
    with pytest.raises(InputError, match="train with --keep-every N"):
        kept_steps(copy)
    with pytest.raises(InputError, match="no such folder"):
        kept_steps(tmp_path / "none")


def test_a_checkpoint_without_a_recipe_is_refused(tiny_run: Path, tmp_path: Path):
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    plain = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**plain, "recipe": None}))
    with pytest.raises(InputError, match="has no recipe"):
        kept_steps(copy)
