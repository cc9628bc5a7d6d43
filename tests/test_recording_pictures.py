"""Recordings of a tower that reads pixels: in batches, on disk, and refused where they must be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lrinterp import recording
from lrinterp.axes import Pixels
from lrinterp.encoders import ClipSpec, DualEncoder, TowerSpec, batch_that_fits, build_clip
from lrinterp.recording import load_recording, record
from lrinterp.scenes import Examples, Scenes, Split, World
from lrinterp.store import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

TOWER = TowerSpec(layers=2, width=8, heads=2, mlp=12, activation="quick_gelu", eps=1e-5)
SPEC = ClipSpec(
    image=TOWER, text=TOWER, embed=7, picture=(3, 8, 12), patch=(4, 4), context=12, vocabulary=40,
    end=None,
)  # fmt: skip
NAMES = ["blocks.*.attn.hook_pattern", "hook_embed", "image.hook_pre_norm"]


@pytest.fixture(scope="module")
def model() -> DualEncoder:
    model, generator = build_clip(SPEC), torch.Generator().manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = 0.4 * torch.randn(weight.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def examples() -> Examples:
    """The captions of a small world beside random pictures."""
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=1)
    scenes = Scenes(World(n_pixels=3, n_labels=4), split).examples()
    return replace(scenes, image=pixels(len(scenes)))


def pixels(n: int, seed: int = 1) -> Pixels:
    values = torch.randn(n, 3, 8, 12, generator=torch.Generator().manual_seed(seed))
    return Pixels(values, torch.zeros(n, dtype=torch.long))


def test_pictures_are_recorded_as_the_tower_reads_them(model: DualEncoder, examples: Examples):
    found = record(model, examples, NAMES, progress=False)
    _, cache = model.image.run_with_cache(examples.image.values)
    for name in ("pattern", "blocks.1.attn.hook_pattern"):
        key: Any = (name, 0) if name == "pattern" else name
        assert (found.caches["image"][key] - cache[key]).abs().max() < 1e-6
    assert found.caches["image"]["hook_pre_norm"].shape == (len(examples), 7, 8)
    embedded = model.embed_all("image", examples.image)
    assert (found.embeddings["image"] - embedded).abs().max() < 1e-6
    assert (found.scores - model.score(model.prepare(examples))).abs().max() < 1e-6


def test_batches_give_the_same_as_one(model: DualEncoder, examples: Examples):
    whole = record(model, examples, NAMES, progress=False)
    parts = record(model, examples, NAMES, progress=False, batch_size=3)
    for tower, cache in whole.caches.items():
        for name, value in cache.cache_dict.items():
            assert (parts.caches[tower][name] - value).abs().max() < 1e-6
    one_by_one = model.embed_all("image", examples.image, batch_size=1)
    assert (whole.embeddings["image"] - one_by_one).abs().max() < 1e-6


def test_a_batch_of_pictures_fits(
    model: DualEncoder, examples: Examples, monkeypatch: pytest.MonkeyPatch
):
    """A batch is as large as the tower allows, not as many as there are pictures."""
    sizes: list[int] = []
    read = recording.run

    def counted(model: DualEncoder, tower: str, inputs: Any, names: list[str]) -> Any:
        if tower == "image":
            sizes.append(len(inputs))
        return read(model, tower, inputs, names)

    monkeypatch.setattr(recording, "run", counted)
    monkeypatch.setattr("lrinterp.encoders.patches.WIDEST_ACTIVATION", 7 * 14 * 3)
    assert batch_that_fits(model.image, examples.image) == 3
    record(model, examples, NAMES, progress=False)
    assert max(sizes) == 3
    assert sum(sizes) == len(examples)


def test_a_saved_recording_comes_back(model: DualEncoder, examples: Examples, tmp_path: Path):
    whole = record(model, examples, NAMES, progress=False)
    whole.save(tmp_path / "saved")
    record(model, examples, NAMES, progress=False, folder=tmp_path / "streamed")
    others = replace(examples, image=pixels(len(examples), seed=2))
    for folder in ("saved", "streamed"):
        found = load_recording(tmp_path / folder, model, examples)
        assert found.embeddings["image"].equal(whole.embeddings["image"])
        assert found.caches["image"][NAMES[1]].equal(whole.caches["image"][NAMES[1]])
        with pytest.raises(InputError, match="recorded from other image examples"):
            load_recording(tmp_path / folder, model, others)


def test_the_words_of_pictures_are_not_counted(model: DualEncoder, examples: Examples):
    """A tower of patches has one embedding, however many words the examples name."""
    assert len(examples.words["image"]) > model.sizes["image"][0]
    assert len(record(model, examples, NAMES, progress=False).scores) == len(examples)


def test_pictures_of_another_size_are_named(model: DualEncoder, examples: Examples):
    n = len(examples)
    large = Pixels(torch.zeros(n, 3, 16, 24), torch.zeros(n, dtype=torch.long))
    with pytest.raises(InputError, match=r"pixels: expected \[batch, 3, 8, 12\], got"):
        record(model, replace(examples, image=large), NAMES, progress=False)


def test_pixels_and_tokens_are_not_mixed_up(
    model: DualEncoder, examples: Examples, micro: DualEncoder, micro_examples: Examples
):
    with pytest.raises(InputError, match="the image tower reads tokens; the examples hold pixels"):
        record(micro, examples, progress=False)
    with pytest.raises(InputError, match="the image tower reads pixels; the examples hold tokens"):
        record(model, micro_examples, progress=False)


def test_words_of_captions_are_still_counted(model: DualEncoder, examples: Examples):
    words = {**examples.words, "text": ("word",) * 41}
    with pytest.raises(InputError, match="the text tower reads 40 words and 12 positions"):
        record(model, replace(examples, words=words), NAMES, progress=False)


@pytest.mark.gpu
def test_pictures_are_read_on_another_device(model: DualEncoder, examples: Examples):
    expected = model.score(model.prepare(examples))
    moved = build_clip(SPEC).to("cuda")
    moved.load_state_dict(model.state_dict())
    got = moved.score(moved.prepare(examples))
    assert (got.cpu() - expected).abs().max() < 1e-5
    assert record(moved, examples, NAMES, progress=False).scores.device.type == "cuda"
