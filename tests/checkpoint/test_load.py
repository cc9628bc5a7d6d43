"""Imported CLIPs against transformers: from picture file and caption string to the embedding."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import multi_head_attention_forward, normalize

from lrinterp.checkpoint import Checkpoint, Imported, load_checkpoint, save_checkpoint
from lrinterp.encoders import DualEncoder
from lrinterp.store import InputError, sha256

pytestmark = pytest.mark.realdata

MakeClip = Callable[..., Path]

CAPTIONS = ["A Cat's to the LEFT of  a dog.", "a dog", "two giraffes, right of an umbrella"]
GELU = {"hidden_act": "gelu"}
SHAPES: dict[str, dict[str, Any]] = {
    "unequal widths": {
        "text": {"hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 20},
        "vision": {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 24},
        "embed": 10,
    },
    "patches": {"text": GELU, "vision": {**GELU, "image_size": 30, "patch_size": 5}},
    "deep": {
        "text": {"num_hidden_layers": 1, "layer_norm_eps": 1e-3},
        "vision": {"num_hidden_layers": 5, "layer_norm_eps": 1e-4},
    },
    "heads": {
        "text": {"num_attention_heads": 1, "max_position_embeddings": 20, "eos_token_id": 2},
        "vision": {"num_attention_heads": 8},
    },
}


@pytest.fixture(scope="module", params=SHAPES)
def folder(request: pytest.FixtureRequest, make_clip: MakeClip) -> Path:
    return make_clip(**SHAPES[request.param], seed=len(request.param))


@pytest.fixture
def copy(clip_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(clip_folder, tmp_path / "clip")


def read(model: DualEncoder, pictures: list[Path]) -> dict[str, Any]:
    assert model.processor is not None
    images = [Image.open(path) for path in pictures]
    return {"image": model.processor.pixels(images), "text": model.processor.tokens(CAPTIONS)}


def embeddings(found: Checkpoint, pictures: list[Path]) -> dict[str, Tensor]:
    inputs = read(found.model, pictures)
    return {name: found.model.embed_all(name, own) for name, own in inputs.items()}


@torch.no_grad()
def reference(folder: Path, pictures: list[Path]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Embeddings and attention of transformers, with its own tokenizer and preprocessing."""
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model: Any = CLIPModel.from_pretrained(folder, attn_implementation="eager").eval()
    images: Any = CLIPImageProcessorPil.from_pretrained(folder)
    opened = [Image.open(path) for path in pictures]
    words = CLIPTokenizer.from_pretrained(folder)(CAPTIONS, padding=True, return_tensors="pt")
    pixels = torch.tensor(np.array(images(opened)["pixel_values"]))
    seen = model.get_image_features(pixels, output_attentions=True)
    said = model.get_text_features(words["input_ids"], output_attentions=True)
    outputs = {"image": seen, "text": said}
    vectors = {name: normalize(out.pooler_output, dim=-1) for name, out in outputs.items()}
    return vectors, {name: out.attentions for name, out in outputs.items()}


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max((a[name] - b[name]).abs().max().item() for name in ("image", "text"))


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def refused(folder: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        load_checkpoint(folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_embeddings_and_attention_are_those_of_transformers(folder: Path, pictures: list[Path]):
    found = load_checkpoint(folder)
    vectors, attention = reference(folder, pictures)
    assert difference(embeddings(found, pictures), vectors) < 1e-5
    for name, inputs in read(found.model, pictures).items():
        tower = found.model.towers[name]
        _, cache = tower.run_with_cache(inputs.values)
        assert len(attention[name]) == tower.cfg.n_layers
        for layer, expected in enumerate(attention[name]):
            assert (cache["pattern", layer] - expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("tower", "key", "value"),
    [
        ("vision", "hidden_act", "gelu"),
        ("text", "layer_norm_eps", 0.1),
        ("vision", "num_attention_heads", 4),
    ],
)
def test_parity_sees_a_wrong_setting(copy, pictures, tower, key, value):
    expected, _ = reference(copy, pictures)
    edit(copy / "config.json", lambda plain: plain[f"{tower}_config"].update({key: value}))
    assert difference(embeddings(load_checkpoint(copy), pictures), expected) > 1e-4


def test_parity_sees_a_wrong_rule_of_the_end(make_clip: MakeClip):
    """With a token above the end token, the highest id is no longer the end of the caption."""
    folder = make_clip(text={"vocab_size": 49409}, seed=3)
    edit(folder / "tokenizer.json", add_token)
    found = load_checkpoint(folder)
    processor: Any = found.model.processor
    first = processor.tokens(["a <|new|> dog"])
    edit(folder / "config.json", lambda plain: plain["text_config"].update(eos_token_id=2))
    legacy: Any = load_checkpoint(folder).model.processor
    second = legacy.tokens(["a <|new|> dog"])
    assert (first.ids.tolist(), first.pool.tolist()) == (second.ids.tolist(), [4])
    assert second.pool.tolist() == [2]
    vectors = [found.model.embed("text", tokens) for tokens in (first, second)]
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3
    with torch.no_grad():
        from transformers import CLIPModel

        for eos, vector in zip((49407, 2), vectors, strict=True):
            model: Any = CLIPModel.from_pretrained(folder)
            model.text_model.eos_token_id = eos
            expected = normalize(model.get_text_features(first.ids).pooler_output, dim=-1)
            assert (vector - expected).abs().max() < 1e-5


def add_token(plain: dict[str, Any]) -> None:
    token = {**plain["added_tokens"][-1], "id": 49408, "content": "<|new|>"}
    plain["added_tokens"].append(token)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_single(copy: Path, pictures: list[Path], kind: torch.dtype):
    weights = load_file(copy / "model.safetensors")
    rounded = {name: weight.to(kind) for name, weight in weights.items()}
    save_file({k: v.to(torch.float32) for k, v in rounded.items()}, copy / "model.safetensors")
    expected = embeddings(load_checkpoint(copy), pictures)
    buffer = {"text_model.embeddings.position_ids": torch.arange(77)[None]}  # as old files have
    save_file(rounded | buffer, copy / "model.safetensors")
    model = load_checkpoint(copy)
    assert {weight.dtype for weight in model.model.parameters()} == {torch.float32}
    assert difference(embeddings(model, pictures), expected) == 0


@pytest.mark.parametrize("prefix", ["", "text."])
def test_open_clip_gives_the_same_embeddings(folder, as_open_clip, pictures, prefix):
    """Its end of a caption is always the highest id, as in these captions."""
    written = as_open_clip(folder, prefix)
    found = load_checkpoint(written)
    assert difference(embeddings(found, pictures), reference(folder, pictures)[0]) < 1e-5


def test_the_fused_matrix_means_what_torch_takes_it_for(make_clip, as_open_clip):
    """A causal layer of the text tower by torch's own attention, which open_clip uses."""
    folder = as_open_clip(make_clip(seed=5))
    weights, prefix = load_file(folder / "open_clip_model.safetensors"), "transformer.resblocks.1."
    w = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    x = torch.randn(5, 1, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.full((5, 5), -torch.inf).triu(1)
    projections = (w["attn.in_proj_weight"], w["attn.in_proj_bias"], None, None, False, 0.0)
    out = (w["attn.out_proj.weight"], w["attn.out_proj.bias"])
    expected, _ = multi_head_attention_forward(x, x, x, 16, 2, *projections, *out, attn_mask=mask)
    y = x.transpose(0, 1)
    got = load_checkpoint(folder).model.text.blocks[1].attn(y, y, y)
    assert (got.transpose(0, 1) - expected).abs().max() < 1e-5


def test_of_two_formats_that_with_weights_is_read(copy, as_open_clip, clip_folder):
    both = as_open_clip(clip_folder)
    shutil.copytree(both, copy, dirs_exist_ok=True)
    assert source(load_checkpoint(copy))["format"] == "Hugging Face CLIP"
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert source(load_checkpoint(copy))["format"] == "open_clip"
    (copy / "open_clip_model.safetensors").unlink()
    assert "pytorch_model.bin is a pickle" in refused(copy)


def source(found: Checkpoint) -> dict[str, Any]:
    assert isinstance(found.metadata, Imported)
    return found.metadata.source


def test_a_clip_is_named_after_the_hub_or_its_folder(clip_folder, monkeypatch):
    from lrinterp.checkpoint import load

    monkeypatch.setattr(load, "fetch", lambda _: clip_folder)
    found = load_checkpoint("openai/clip-vit-base-patch32")
    assert found.name == "openai/clip-vit-base-patch32"
    assert load_checkpoint(clip_folder).name == clip_folder.name
    weights = load_file(clip_folder / "model.safetensors")
    assert found.model.log_scale.item() == weights["logit_scale"].item()


def test_what_an_imported_model_cannot_is_named(copy, clip_folder, tmp_path, micro):
    with pytest.raises(InputError, match=r"no world and needs .*--suite NAME --data PATH"):
        load_checkpoint(clip_folder).scenes()
    with pytest.raises(InputError, match="use its own folder"):
        save_checkpoint(tmp_path / "a", load_checkpoint(clip_folder).model)
    assert not (tmp_path / "a").exists()
    edit(copy / "config.json", lambda plain: plain.update(model_type="siglip"))
    assert "model_type: expected 'clip', got 'siglip'" in refused(copy)
    save_checkpoint(tmp_path / "own", micro)
    assert "has its own words" in refused(tmp_path / "own", tokenizer=tmp_path)


def test_provenance_tells_what_was_imported(clip_folder: Path):
    found = load_checkpoint(clip_folder)
    provenance = found.provenance("lrinterp analyze clip")
    assert provenance.sha256 == sha256((clip_folder / "model.safetensors").read_bytes())
    assert {"transformers", "tokenizers", "pillow", "torch"} <= set(provenance.versions)
    settings = provenance.settings
    assert list(settings) == ["imported from", "preprocessing", "image tower", "text tower"]
    assert settings["imported from"]["format"] == "Hugging Face CLIP"
    assert settings["imported from"]["pooled token of a caption"] == "first token 49407"
    assert settings["preprocessing"]["mean"] == [0.48145466, 0.4578275, 0.40821073]
    assert settings["image tower"]["act_fn"] == "quick_gelu"
    json.dumps(provenance.plain(), allow_nan=False)


def test_a_tokenizer_from_elsewhere(copy: Path, data_root: Path, pictures: list[Path]):
    expected = embeddings(load_checkpoint(copy), pictures)
    for name in ("tokenizer.json", "vocab.json"):
        (copy / name).unlink()
    assert "pass --tokenizer PATH, a folder with tokenizer.json" in refused(copy)
    for place in (data_root / "clip_tokenizer", data_root / "clip_tokenizer" / "tokenizer.json"):
        found = load_checkpoint(copy, tokenizer=place)
        assert difference(embeddings(found, pictures), expected) == 0
    assert "no tokenizer" in refused(copy, tokenizer=copy.parent)
