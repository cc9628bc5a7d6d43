"""Checkpoints: what is written comes back, and every kind of damage is named in one line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from transformer_lens import HookedTransformerConfig

from lrinterp.checkpoint import load_checkpoint, save_checkpoint, saved
from lrinterp.encoders import DualEncoder, build_tower, preset
from lrinterp.scenes import Scenes, Split, World
from lrinterp.store import InputError, sha256, to_plain

SCENES = Scenes(
    World(n_pixels=4, n_labels=4),
    Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=3),
)
RECIPE: dict[str, Any] = {
    "world": to_plain(SCENES.world),
    "split": to_plain(SCENES.split),
    "fit": {"steps": 3, "seed": 11},
}
HISTORY = [{"step": 3, "loss": 0.1 + 0.2, "unseen_pair_order": None}]
WEIGHT = "image.blocks.0.attn.W_Q"


def build(kind: str = "minimal") -> DualEncoder:
    config = preset(kind, d_model=8, n_heads=2, d_head=4, d_embed=6, text_layers=2)
    model = DualEncoder.build(config, SCENES.sizes, 1)
    model.log_scale.data.fill_(1.25)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "left-right"
    save_checkpoint(folder, build(), recipe=RECIPE, history=HISTORY)
    return folder


def scores(model: DualEncoder) -> Tensor:
    return model.score(model.prepare(SCENES.examples()))


def edit_json(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "model.json"
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    """Change the weights and let the hash agree."""
    path = folder / "model.safetensors"
    weights = load(path.read_bytes())
    change(weights)
    path.write_bytes(save(weights))
    edit_json(folder, lambda plain: plain.update(sha256=sha256(path.read_bytes())))


@pytest.mark.parametrize("kind", ["minimal", "full"])
def test_a_model_comes_back_equal(tmp_path: Path, kind: str):
    model = build(kind)
    save_checkpoint(tmp_path / "a", model, recipe=RECIPE)
    loaded = load_checkpoint(tmp_path / "a")
    assert loaded.name == "a"
    assert loaded.model.config == model.config
    for name, weight in model.trainable().items():
        assert loaded.model.trainable()[name].equal(weight), name
        assert loaded.model.trainable()[name].requires_grad == weight.requires_grad
    assert scores(loaded.model).equal(scores(model))


def test_the_metadata_comes_back(folder: Path):
    metadata = load_checkpoint(folder).metadata
    assert metadata.format == 1
    assert (metadata.world, metadata.split) == (RECIPE["world"], RECIPE["split"])
    assert (metadata.recipe, metadata.seed) == (RECIPE["fit"], 11)
    assert metadata.history == HISTORY
    assert metadata.sha256 == sha256((folder / "model.safetensors").read_bytes())
    assert {"lrinterp", "torch", "python", "transformer-lens"} <= set(metadata.versions)
    assert load_checkpoint(folder).scenes() == SCENES


def test_a_split_without_test_layouts_is_tested_in_all_of_them(tmp_path: Path):
    scenes = Scenes(World(n_pixels=7, n_labels=4), SCENES.split)
    config = preset("minimal", d_model=8, n_heads=2, d_head=4, d_embed=6)
    recipe = {**RECIPE, "world": to_plain(scenes.world)}
    save_checkpoint(tmp_path / "a", DualEncoder.build(config, scenes.sizes, 1), recipe=recipe)
    assert len(load_checkpoint(tmp_path / "a").examples().of("unseen_pair")) == 2 * 12
    edit_json(tmp_path / "a", lambda plain: plain["split"].pop("test_layouts"))
    old = load_checkpoint(tmp_path / "a")
    assert old.scenes().split.test_layouts == 0
    assert len(old.examples().of("unseen_pair")) == 2 * 21
    assert "test_layouts" not in (old.metadata.split or {})


def test_equal_models_make_equal_files(tmp_path: Path, folder: Path):
    save_checkpoint(tmp_path / "b", build(), recipe=RECIPE, history=HISTORY)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    for path in folder.iterdir():
        assert (tmp_path / "b" / path.name).read_bytes() == path.read_bytes()


def test_a_users_own_towers_come_back_without_a_recipe(tmp_path: Path):
    generator, towers = torch.Generator().manual_seed(3), {}
    for name, (d_vocab, n_ctx) in SCENES.sizes.items():
        config = HookedTransformerConfig(
            n_layers=1, d_model=8, n_heads=2, d_head=4, n_ctx=n_ctx, d_vocab=d_vocab,
            d_vocab_out=5, d_mlp=8, act_fn="relu", normalization_type="LNPre", device="cpu",
            attention_dir="bidirectional" if name == "image" else "causal", init_weights=False,
            use_attn_scale=False,
        )  # fmt: skip
        towers[name] = build_tower(config)
        for weight in towers[name].parameters():
            weight.data.normal_(0, 0.5, generator=generator)
    model = DualEncoder.from_hooked(**towers)
    save_checkpoint(tmp_path / "own", model)
    loaded = load_checkpoint(tmp_path / "own")
    metadata = loaded.metadata
    assert (metadata.encoder, metadata.world, metadata.recipe, metadata.seed) == (None,) * 4
    assert loaded.model.config is None
    assert scores(loaded.model).equal(scores(model))


def test_provenance_tells_where_a_result_comes_from(folder: Path):
    """A name that is no text can still be written."""
    loaded = load_checkpoint(folder.rename(folder.with_name("a\udcff")))
    provenance = loaded.provenance("lrinterp analyze a\udcff")
    assert (provenance.checkpoint, provenance.command) == ("a?", "lrinterp analyze a?")
    assert provenance.seed == 11
    assert provenance.settings["world"] == RECIPE["world"]
    assert list(provenance.settings) == [
        "world", "split", "encoder", "recipe", "image tower", "text tower",
    ]  # fmt: skip
    assert provenance.versions["trained with torch"] == provenance.versions["torch"]
    assert provenance.curves is not None
    assert provenance.curves["loss"].tolist() == [HISTORY[0]["loss"]]
    json.dumps(provenance.plain(), allow_nan=False)


def test_a_failed_write_leaves_no_checkpoint_behind(tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saved, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "a", build())
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "a")


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_checkpoint(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path: Path):
    expected = "no such folder; expected a checkpoint made by lrinterp train"
    assert expected in refused(tmp_path / "nowhere")
    message = refused(tmp_path)
    assert "not a checkpoint (no model.json)" in message
    assert "--resume" in message


def other_bytes(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"hello")
    edit_json(folder, lambda plain: plain.update(sha256=sha256(b"hello")))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (other_bytes, "model.safetensors: not a safetensors file"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors: missing"),
        (lambda f: truncate(f / "model.safetensors"), "model.safetensors: truncated or altered"),
        (lambda f: flip(f / "model.safetensors", -5), "model.safetensors: truncated or altered"),
        (lambda f: truncate(f / "model.json"), "model.json: not valid JSON"),
        (lambda f: (f / "model.json").write_text("[]"), "model.json: format version None"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, change: Callable[[Path], Any], expected: str):
    change(folder)
    assert expected in refused(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda p: p.update(format=2), "model.json: format version 2, expected 1; use the"),
        (lambda p: p.update(colour="red"), "model.json: unknown field 'colour'"),
        (lambda p: p.pop("towers"), "model.json: field 'towers' is missing"),
        (lambda p: p.update(history=[{"step": "<b>"}]), "model.json.history: expected"),
        (lambda p: p.update(seed="x"), "model.json.seed: expected int | None, got 'x'"),
        (lambda p: p["encoder"].update(depth=2), "model.json: encoder: unknown field 'depth'"),
        (lambda p: p["towers"].pop("text"), "model.json: towers: expected image and text, got"),
        (lambda p: p["towers"]["text"].update(depth=2), "unexpected keyword argument 'depth'"),
        (lambda p: p["towers"]["text"].pop("d_model"), "model.json: towers:"),
        (lambda p: p["encoder"].update(n_heads=4), "towers.image.n_heads: encoder makes 4, the"),
        (
            lambda p: p["towers"]["text"].update(attention_dir="bidirectional"),
            "towers.text.attention_dir: encoder makes 'causal', the tower has 'bidirectional'",
        ),
        (lambda p: p["towers"]["text"].update(n_ctx=-2), "model.json: towers:"),
        (
            lambda p: p["towers"]["image"].update(attention_dir="sideways"),
            "model.json: towers: attention_dir: expected one of causal, bidirectional",
        ),
    ],
)
def test_wrong_metadata_is_named(folder, change, expected):
    edit_json(folder, change)
    assert expected in refused(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda w: w.pop(WEIGHT), f"model.safetensors: weight {WEIGHT} is missing"),
        (lambda w: w.update(extra=torch.zeros(1)), "model.safetensors: unknown weight extra"),
        (
            lambda w: w.update({WEIGHT: torch.zeros(2, 8, 5)}),
            f"{WEIGHT}: expected (2, 8, 4) torch.float32, got (2, 8, 5) torch.float32",
        ),
        (lambda w: w[WEIGHT][0].fill_(torch.nan), f"{WEIGHT}: holds values that are not finite"),
    ],
)
def test_wrong_weights_are_named(folder, change, expected):
    edit_weights(folder, change)
    assert expected in refused(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda p: p["world"].update(n_labels=900), "world: needs 902 words and 5 positions in"),
        (lambda p: p["world"].update(template="both"), "in the text tower, which has"),
        (lambda p: p["world"].update(n_labels=10**9), "world.n_labels: expected at most"),
        (lambda p: p.update(world=None), "has no world and split"),
    ],
)
def test_a_world_that_does_not_fit_the_towers_is_named(folder, change, expected):
    edit_json(folder, change)
    with pytest.raises(InputError, match=re.escape(expected)):
        load_checkpoint(folder).scenes()


def test_rewritten_weights_with_their_hash_are_read(folder: Path):
    """The control of the tests above: an honest change is loaded."""
    edit_weights(folder, lambda weights: weights[WEIGHT].mul_(2))
    loaded = load_checkpoint(folder).model
    assert loaded.trainable()[WEIGHT].equal(2 * build().trainable()[WEIGHT])
