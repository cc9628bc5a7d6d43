"""Recordings: exactly the activations asked for, the same in batches, on disk and reloaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp.encoders import DualEncoder, preset
from lrinterp.recording import ATTENTION, Recording, load_recording, record
from lrinterp.scenes import Examples, Scenes, Split, World
from lrinterp.store import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

SCENES = Scenes(
    World(n_pixels=4, n_labels=5),
    Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=4),
)
PATTERN, RESID = "blocks.0.attn.hook_pattern", "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def examples() -> Examples:
    return SCENES.examples()


@pytest.fixture(scope="module")
def model() -> DualEncoder:
    config = preset("full", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=2)
    return DualEncoder.build(config, SCENES.sizes, 0)


def recorded(
    model: DualEncoder, examples: Examples, names: Sequence[str] = ATTENTION, **options: Any
) -> Recording:
    return record(model, examples, names, progress=False, **options)


def assert_equal(one: Recording, other: Recording, tolerance: float = 0) -> None:
    assert list(one.caches) == list(other.caches) == ["image", "text"]
    for tower in one.caches:
        a, b = one.caches[tower].cache_dict, other.caches[tower].cache_dict
        assert set(a) == set(b)
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=tolerance)
        torch.testing.assert_close(
            one.embeddings[tower], other.embeddings[tower], rtol=0, atol=tolerance
        )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What is recorded.


def test_activations_are_those_of_the_full_forward(model: DualEncoder, examples: Examples):
    names = [*ATTENTION, "hook_embed", "blocks.*.hook_resid_post", "blocks.0.mlp.hook_post"]
    recording = recorded(model, examples, names)
    for tower, tokens in model.prepare(examples).items():
        _, everything = model.towers[tower].run_with_cache(tokens.ids)
        for name, value in recording.caches[tower].cache_dict.items():
            torch.testing.assert_close(value, everything[name], rtol=0, atol=1e-6)
    assert len(recording.caches["image"].cache_dict) == 2 * 2 + 1 + 2 + 1
    assert len(recording.caches["text"].cache_dict) == 2 + 1 + 1 + 1


def test_both_forms_of_a_key_work(model: DualEncoder, examples: Examples):
    recording = recorded(model, examples, [*ATTENTION, "blocks.1.hook_resid_post"])
    image = recording.caches["image"]
    assert image["pattern", 0].equal(image[PATTERN])
    assert image["attn_scores", 1].equal(image["blocks.1.attn.hook_attn_scores"])
    assert image["resid_post", 1].equal(image[RESID])
    assert recording.caches["text"]["pattern", 0].shape == (len(examples.text), 2, 9, 9)


def test_only_what_was_asked_for_is_kept(model: DualEncoder, examples: Examples):
    recording = recorded(model, examples, [PATTERN])
    assert {t: list(c.cache_dict) for t, c in recording.caches.items()} == {
        "image": [PATTERN],
        "text": [PATTERN],
    }
    with pytest.raises(KeyError):
        recording.caches["image"]["blocks.0.attn.hook_z"]


def test_nothing_asked_for_gives_embeddings_alone(model: DualEncoder, examples: Examples):
    recording = recorded(model, examples, [])
    assert not any(cache.cache_dict for cache in recording.caches.values())
    assert len(recording.embeddings["image"]) == len(examples)


@pytest.mark.parametrize(
    ("names", "image", "text"),
    [
        (["blocks.*.attn.hook_pattern"], [0, 1], [0]),
        (["image.blocks.*.attn.hook_pattern"], [0, 1], []),
        (["text.blocks.*.attn.hook_pattern"], [], [0]),
        (["blocks.1.attn.hook_pattern"], [1], []),
        (["image.blocks.1.attn.hook_pattern", "blocks.[01].attn.hook_pattern"], [1, 0], [0]),
        (["blocks.?.attn.hook_patter?", "blocks.0.attn.hook_pattern"], [0, 1], [0]),
    ],
)
def test_wildcards_and_towers(
    model: DualEncoder, examples: Examples, names: list[str], image: list[int], text: list[int]
):
    recording = recorded(model, examples, names)
    for tower, layers in (("image", image), ("text", text)):
        got = set(recording.caches[tower].cache_dict)
        assert got == {f"blocks.{layer}.attn.hook_pattern" for layer in layers}


def test_embeddings_are_those_of_the_model(model: DualEncoder, examples: Examples):
    recording = recorded(model, examples)
    inputs = model.prepare(examples)
    for tower, tokens in inputs.items():
        got = recording.embeddings[tower]
        torch.testing.assert_close(got, model.embed(tower, tokens).detach(), rtol=0, atol=1e-6)
        assert recording.inputs[tower].ids.equal(tokens.ids)
    torch.testing.assert_close(recording.scores, model.score(inputs), rtol=0, atol=1e-6)


def test_a_recording_needs_no_gradients_and_leaves_no_hooks(model: DualEncoder, examples: Examples):
    recording = recorded(model, examples)
    for cache in recording.caches.values():
        assert not any(value.requires_grad for value in cache.cache_dict.values())
    for tower in model.towers.values():
        assert not any(hook.fwd_hooks for hook in tower.hook_points())


# Names that match nothing.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "blocks.0.attn.hook_patern",
            "hook 'blocks.0.attn.hook_patern' matches nothing; "
            "did you mean blocks.0.attn.hook_pattern?",
        ),
        ("blocks.7.attn.hook_pattern", "hook 'blocks.7.attn.hook_pattern' matches nothing; did"),
        ("text.blocks.1.attn.hook_pattern", "hook 'text.blocks.1.attn.hook_pattern' matches noth"),
        ("audio.hook_embed", "hook 'audio.hook_embed' matches nothing"),
        ("?", "hook '?' matches nothing; names are TransformerLens's"),
    ],
)
def test_an_unknown_hook_is_named(model: DualEncoder, examples: Examples, name: str, message: str):
    with pytest.raises(InputError) as caught:
        recorded(model, examples, [PATTERN, name])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_hook_that_never_fires_is_named(model: DualEncoder, examples: Examples):
    silent = "blocks.0.attn.hook_result"
    assert silent in model.image.hook_dict
    expected = f"^hook '{silent}' of the text tower never fires in this model$"
    with pytest.raises(InputError, match=expected):
        recorded(model, examples, [PATTERN, f"text.{silent}"])


def test_a_recording_that_fails_leaves_no_folder(
    model: DualEncoder, examples: Examples, tmp_path: Path
):
    with pytest.raises(InputError, match="matches nothing"):
        recorded(model, examples, ["hook_typo"], folder=tmp_path / "a")
    with pytest.raises(InputError, match="never fires"):
        recorded(model, examples, ["blocks.0.attn.hook_result"], folder=tmp_path / "b")
    assert files(tmp_path) == []


# Batches and disk.


@pytest.mark.parametrize("batch_size", [1, 7, 10_000])
def test_batches_give_the_same_as_one(model: DualEncoder, examples: Examples, batch_size: int):
    names = [*ATTENTION, "blocks.*.hook_resid_post"]
    whole = recorded(model, examples, names)
    assert_equal(recorded(model, examples, names, batch_size=batch_size), whole, 1e-6)


def test_streaming_to_disk_gives_the_same_as_memory(
    model: DualEncoder, examples: Examples, tmp_path: Path
):
    memory = recorded(model, examples, batch_size=16)
    streamed = recorded(model, examples, batch_size=16, folder=tmp_path / "deep" / "a")
    assert_equal(streamed, memory)
    assert_equal(load_recording(tmp_path / "deep" / "a", model, examples), memory)
    assert files(tmp_path / "deep") == ["a"]


def test_saving_and_loading(model: DualEncoder, examples: Examples, tmp_path: Path):
    recording = recorded(model, examples, [*ATTENTION, "text.hook_embed"])
    recording.save(tmp_path / "a")
    loaded = load_recording(tmp_path / "a", model, examples)
    assert_equal(loaded, recording)
    assert loaded.scores.equal(recording.scores)
    assert "text.hook_embed.npy" in files(tmp_path / "a")
    assert "image.hook_embed.npy" not in files(tmp_path / "a")
    assert files(tmp_path) == ["a"]


def test_both_ways_to_disk_write_the_same_files(
    model: DualEncoder, examples: Examples, tmp_path: Path
):
    recorded(model, examples).save(tmp_path / "saved")
    recorded(model, examples, folder=tmp_path / "streamed")
    assert files(tmp_path / "saved") == files(tmp_path / "streamed")
    for name in files(tmp_path / "saved"):
        if name.endswith(".npy"):
            one, other = (np.load(tmp_path / f / name) for f in ("saved", "streamed"))
            np.testing.assert_array_equal(one, other, strict=True)


def test_what_is_changed_in_memory_stays_out_of_the_files(
    model: DualEncoder, examples: Examples, tmp_path: Path
):
    first = recorded(model, examples, folder=tmp_path / "a")
    before = first.caches["image"][PATTERN].clone()
    first.caches["image"][PATTERN].zero_()
    again = load_recording(tmp_path / "a", model, examples)
    assert again.caches["image"][PATTERN].equal(before)


def test_other_examples_are_refused(model: DualEncoder, examples: Examples, tmp_path: Path):
    recorded(model, examples, folder=tmp_path / "a")
    others = [
        examples.of("unseen_pair"),
        examples.at(np.arange(len(examples))[::-1].copy()),
        Scenes(SCENES.world, Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=4,
                                   seed=1)).examples(),
    ]  # fmt: skip
    for other in others:
        with pytest.raises(InputError, match="recorded from other image examples than those given"):
            load_recording(tmp_path / "a", model, other)


def test_a_folder_that_exists_is_left_alone(model: DualEncoder, examples: Examples, tmp_path: Path):
    recording = recorded(model, examples, [PATTERN], folder=tmp_path / "a")
    before = files(tmp_path / "a")
    with pytest.raises(InputError, match="a: already exists; choose another folder"):
        recording.save(tmp_path / "a")
    with pytest.raises(InputError, match="a: already exists; choose another folder"):
        recorded(model, examples, folder=tmp_path / "a")
    assert files(tmp_path / "a") == before


def test_a_folder_that_is_no_recording_is_named(
    model: DualEncoder, examples: Examples, tmp_path: Path
):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"not a recording \(no recording.json\)"):
            load_recording(folder, model, examples)


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(b"short"), lambda p: p.unlink()])
def test_a_damaged_recording_is_named(
    model: DualEncoder, examples: Examples, tmp_path: Path, damage: Any
):
    recorded(model, examples, folder=tmp_path / "a")
    damage(tmp_path / "a" / f"image.{PATTERN}.npy")
    with pytest.raises(InputError, match=f"image.{PATTERN}.npy"):
        load_recording(tmp_path / "a", model, examples)


def test_no_pictures_at_all_are_refused(model: DualEncoder, examples: Examples):
    with pytest.raises(InputError, match="no pictures to record"):
        recorded(model, examples.of("none"), [PATTERN])


def test_another_model_is_refused(model: DualEncoder, examples: Examples, tmp_path: Path):
    recorded(model, examples, folder=tmp_path / "a")
    assert model.config is not None
    other = DualEncoder.build(model.config, SCENES.sizes, 1)
    with pytest.raises(InputError, match="recorded from another model"):
        load_recording(tmp_path / "a", other, examples)


def test_an_interrupted_recording_is_none(
    model: DualEncoder, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lrinterp.recording.publish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recorded(model, examples, folder=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    streamed = recorded(model, examples, folder=tmp_path / "a")
    assert_equal(streamed, recorded(model, examples))


def test_towers_made_for_another_world_are_named(micro: DualEncoder):
    larger = Scenes(
        World(n_pixels=5, n_labels=4),
        Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=1),
    )
    with pytest.raises(InputError, match="the image tower reads 6 words and 4 positions"):
        record(micro, larger.examples(), progress=False)


def test_a_misspelt_hook_keeps_its_tower(micro: DualEncoder, micro_examples: Examples):
    with pytest.raises(InputError, match=r"did you mean image\.blocks\.0\.attn\.hook_pattern\?"):
        record(micro, micro_examples, ["image.blocks.0.attn.hook_patern"], progress=False)
