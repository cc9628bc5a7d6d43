"""Runs on disk: exactly what was asked for, whole or not at all, and for its own model alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp.encoders import DualEncoder
from lrinterp.run import Run, fingerprint, load_recording, record
from lrinterp.run.folder import match_hooks
from lrinterp.store import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

PATTERN, RESID = "blocks.0.attn.hook_pattern", "blocks.1.hook_resid_post"
NAMES = ["blocks.*.attn.hook_pattern", "image.hook_embed", RESID, "text.blocks.0.mlp.hook_post"]


@pytest.fixture(scope="module")
def run(made) -> Run:
    return made(2, "full", sets=("single", "unseen_pair"))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def recorded(run: Run, folder: Path, names: Sequence[str] = NAMES) -> Run:
    return record(run.model, run.examples, names, folder=folder, progress=False)


def assert_equal(one: Run, other: Run) -> None:
    for tower in one.towers:
        assert torch.equal(one.embeddings[tower], other.embeddings[tower])
        for name in match_hooks(one.towers, NAMES, tower):
            torch.testing.assert_close(one.site(tower, name), other.site(tower, name))


@pytest.mark.parametrize(
    ("names", "image", "text"),
    [
        (["blocks.*.attn.hook_pattern"], [0, 1], [0, 1]),
        (["image.blocks.*.attn.hook_pattern"], [0, 1], []),
        (["text.blocks.*.attn.hook_pattern"], [], [0, 1]),
        (["blocks.1.attn.hook_pattern"], [1], [1]),
        (["image.blocks.1.attn.hook_pattern", "blocks.[01].attn.hook_pattern"], [1, 0], [0, 1]),
        (["blocks.?.attn.hook_patter?", "blocks.0.attn.hook_pattern"], [0, 1], [0, 1]),
        ([], [], []),
    ],
)
def test_wildcards_and_towers(run, names, image, text):
    for tower, layers in (("image", image), ("text", text)):
        expected = [f"blocks.{layer}.attn.hook_pattern" for layer in layers]
        assert match_hooks(run.towers, names, tower) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "blocks.0.attn.hook_patern",
            "hook 'blocks.0.attn.hook_patern' matches nothing; "
            "did you mean blocks.0.attn.hook_pattern?",
        ),
        (
            "image.blocks.0.attn.hook_patern",
            "hook 'image.blocks.0.attn.hook_patern' matches nothing; "
            "did you mean image.blocks.0.attn.hook_pattern?",
        ),
        ("blocks.7.attn.hook_pattern", "hook 'blocks.7.attn.hook_pattern' matches nothing; did"),
        ("text.blocks.2.attn.hook_pattern", "hook 'text.blocks.2.attn.hook_pattern' matches noth"),
        ("audio.hook_embed", "hook 'audio.hook_embed' matches nothing"),
        ("?", "hook '?' matches nothing; names are TransformerLens's"),
    ],
)
def test_an_unknown_hook_is_named(run, name, message):
    with pytest.raises(InputError) as caught:
        record(run.model, run.examples, [PATTERN, name])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_saved_and_streamed_runs_come_back(run, tmp_path, monkeypatch):
    run.save(tmp_path / "saved", NAMES)
    monkeypatch.setattr("lrinterp.run.tower.TowerRun.batch_size", 16)
    streamed = recorded(run, tmp_path / "deep" / "streamed")
    assert_equal(streamed, run)
    for folder in (tmp_path / "saved", tmp_path / "deep" / "streamed"):
        assert_equal(load_recording(folder, run.model, run.examples), run)
    assert files(tmp_path / "saved") == files(tmp_path / "deep" / "streamed")
    assert {"image.hook_embed.npy", "text.blocks.0.mlp.hook_post.npy"} <= set(
        files(tmp_path / "saved")
    )
    assert "text.hook_embed.npy" not in files(tmp_path / "saved")
    assert files(tmp_path) == ["deep", "saved"]


def test_a_loaded_run_reads_its_files_and_computes_the_rest(run, tmp_path, passes):
    """Mapped, not read; a pass runs when something else is asked for."""
    recorded(run, tmp_path / "a")
    passes.clear()
    loaded = load_recording(tmp_path / "a", run.model, run.examples)
    torch.testing.assert_close(loaded.scores, run.scores)
    assert loaded.site("image", PATTERN).shape == (len(run.examples), 2, 5, 5)
    assert loaded.cache["image"]["resid_post", 1].shape == (len(run.examples), 5, 8)
    part = loaded.of("unseen_pair").site("image", PATTERN)
    assert torch.equal(part, loaded.site("image", PATTERN)[run.examples.where("unseen_pair")])
    assert passes == []
    torch.testing.assert_close(
        loaded.site("image", "blocks.1.attn.hook_z"), run.cache["image"]["z", 1]
    )
    assert passes == [len(run.examples)]


def test_what_is_changed_in_memory_stays_out_of_the_files(run, tmp_path):
    first = recorded(run, tmp_path / "a")
    before = first.site("image", PATTERN).clone()
    first.site("image", PATTERN).zero_()
    again = load_recording(tmp_path / "a", run.model, run.examples)
    assert again.site("image", PATTERN).equal(before)


def test_a_folder_that_exists_is_left_alone(run, tmp_path):
    recorded(run, tmp_path / "a", [PATTERN])
    before = files(tmp_path / "a")
    for again in (run.save, lambda folder: recorded(run, folder)):
        with pytest.raises(InputError, match="a: already exists; choose another folder"):
            again(tmp_path / "a")
    assert files(tmp_path / "a") == before


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["hook_typo"], "matches nothing"),
        (
            ["blocks.0.attn.hook_result"],
            "hook 'blocks.0.attn.hook_result' of the image tower never",
        ),
        (["text.blocks.0.attn.hook_result"], "of the text tower never fires in this model"),
    ],
)
def test_a_run_that_cannot_be_saved_leaves_no_folder(run, tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        recorded(run, tmp_path / "a", names)
    assert files(tmp_path) == []


def test_an_interrupted_run_is_none(run, tmp_path, monkeypatch):
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lrinterp.run.folder.save_sites", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.save(tmp_path / "a")
    assert files(tmp_path) == []
    (tmp_path / ".tmp-a").mkdir()
    (tmp_path / ".tmp-a" / "left.npy").touch()
    run.save(tmp_path / "a")
    assert "left.npy" not in files(tmp_path / "a")
    assert files(tmp_path) == ["a"]


def test_a_folder_that_is_no_recording_is_named(run, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"not a recording \(no recording.json\)"):
            load_recording(folder, run.model, run.examples)


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(b"short"), lambda p: p.unlink()])
def test_a_damaged_recording_is_named(run, tmp_path, damage):
    recorded(run, tmp_path / "a")
    damage(tmp_path / "a" / f"image.{PATTERN}.npy")
    with pytest.raises(
        InputError, match=rf"image.{PATTERN}.npy: missing or damaged .*record again"
    ):
        load_recording(tmp_path / "a", run.model, run.examples)


def test_another_model_and_other_examples_are_refused(run, tmp_path):
    recorded(run, tmp_path / "a", [])
    assert run.model.config is not None
    other = DualEncoder.build(run.model.config, run.model.sizes, 1)
    assert fingerprint(other) != fingerprint(run.model)
    with pytest.raises(InputError, match="recorded from another model than the one given"):
        load_recording(tmp_path / "a", other, run.examples)
    order = np.arange(len(run.examples))
    for examples in (run.examples.of("unseen_pair"), run.examples.at(order[::-1].copy())):
        with pytest.raises(InputError, match="recorded from other image examples than those given"):
            load_recording(tmp_path / "a", run.model, examples)
    assert load_recording(tmp_path / "a", run.model, run.examples.at(order)).scores.isfinite().all()
