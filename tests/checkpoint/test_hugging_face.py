"""Hugging Face: every key that transformers has ever written is handled, ignored or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrinterp.checkpoint.hugging_face import PICTURES, read_preprocessing, read_spec
from lrinterp.encoders import ClipSpec, Preprocessing, TowerSpec
from lrinterp.store import InputError

GENERATION: dict[str, Any] = {
    "_name_or_path": "", "add_cross_attention": False, "architectures": None,
    "attention_dropout": 0.0, "bad_words_ids": None, "begin_suppress_tokens": None,
    "chunk_size_feed_forward": 0, "cross_attention_hidden_size": None,
    "decoder_start_token_id": None, "diversity_penalty": 0.0, "do_sample": False, "dropout": 0.0,
    "early_stopping": False, "encoder_no_repeat_ngram_size": 0,
    "exponential_decay_length_penalty": None, "finetuning_task": None,
    "forced_bos_token_id": None, "forced_eos_token_id": None, "id2label": {"0": "LABEL_0"},
    "initializer_factor": 1.0, "initializer_range": 0.02, "is_decoder": False,
    "is_encoder_decoder": False, "label2id": {"LABEL_0": 0}, "length_penalty": 1.0,
    "max_length": 20, "min_length": 0, "no_repeat_ngram_size": 0, "num_beam_groups": 1,
    "num_beams": 1, "num_return_sequences": 1, "output_attentions": False,
    "output_hidden_states": False, "output_scores": False, "prefix": None, "problem_type": None,
    "pruned_heads": {}, "remove_invalid_values": False, "repetition_penalty": 1.0,
    "return_dict": True, "return_dict_in_generate": False, "sep_token_id": None,
    "suppress_tokens": None, "task_specific_params": None, "temperature": 1.0,
    "tf_legacy_loss": False, "tie_encoder_decoder": False, "tie_word_embeddings": True,
    "tokenizer_class": None, "top_k": 50, "top_p": 1.0, "torch_dtype": None, "torchscript": False,
    "transformers_version": "4.16.0.dev0", "typical_p": 1.0, "use_bfloat16": False,
}  # fmt: skip
"""What files of 2021 and 2022 carry in each tower's settings."""
OLD: dict[str, Any] = {
    "_name_or_path": "openai/clip-vit-base-patch32",
    "architectures": ["CLIPModel"],
    "initializer_factor": 1.0,
    "logit_scale_init_value": 2.6592,
    "model_type": "clip",
    "projection_dim": 512,
    "text_config": {
        **GENERATION, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "quick_gelu",
        "hidden_size": 512, "intermediate_size": 2048, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 8,
        "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 512, "vocab_size": 49408,
    },
    "text_config_dict": None,
    "transformers_version": None,
    "vision_config": {
        **GENERATION, "bos_token_id": None, "eos_token_id": None, "hidden_act": "quick_gelu",
        "hidden_size": 768, "image_size": 224, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
        "model_type": "clip_vision_model", "num_attention_heads": 12, "num_hidden_layers": 12,
        "pad_token_id": None, "patch_size": 32, "projection_dim": 512,
    },
    "vision_config_dict": None,
}  # fmt: skip


def spec_of(folder: Path, plain: Any) -> ClipSpec:
    (folder / "config.json").write_text(json.dumps(plain))
    return read_spec(folder)


def refused(folder: Path, plain: Any) -> str:
    with pytest.raises(InputError) as error:
        spec_of(folder, plain)
    return str(error.value)


def test_the_config_of_vit_b_32_as_first_published(tmp_path: Path):
    common: Any = {"layers": 12, "activation": "quick_gelu", "eps": 1e-5}
    assert spec_of(tmp_path, OLD) == ClipSpec(
        image=TowerSpec(width=768, heads=12, mlp=3072, **common),
        text=TowerSpec(width=512, heads=8, mlp=2048, **common),
        embed=512, picture=(3, 224, 224), patch=(32, 32), context=77, vocabulary=49408, end=None,
    )  # fmt: skip


def test_what_transformers_writes_and_takes_for_granted(tmp_path: Path):
    from transformers import CLIPConfig

    config = CLIPConfig(text_config={"eos_token_id": 5}, vision_config={"hidden_act": "gelu"})
    whole, short = config.to_dict(), config.to_diff_dict()
    spec = spec_of(tmp_path, whole)
    assert spec_of(tmp_path, {**short, "model_type": "clip"}) == spec
    assert (spec.end, spec.image.activation) == (5, "gelu")
    assert spec_of(tmp_path, {"model_type": "clip"}) == spec_of(tmp_path, CLIPConfig().to_dict())
    # an older dict overrides the newer, with the defaults of transformers for what it lacks
    older = spec_of(tmp_path, {**OLD, "text_config_dict": {"hidden_size": 64}})
    assert (older.text.width, older.end) == (64, 49407)


@pytest.mark.parametrize(
    ("tower", "key", "value", "changed"),
    [
        ("text", "hidden_act", "gelu", lambda s: s.text.activation == "gelu"),
        ("text", "layer_norm_eps", 1e-6, lambda s: s.text.eps == 1e-6),
        ("text", "vocab_size", 11, lambda s: s.vocabulary == 11),
        ("text", "max_position_embeddings", 9, lambda s: s.context == 9),
        ("text", "eos_token_id", 9, lambda s: s.end == 9),
        ("vision", "num_hidden_layers", 3, lambda s: s.image.layers == 3),
        ("vision", "hidden_size", 96, lambda s: s.image.width == 96),
        ("vision", "intermediate_size", 7, lambda s: s.image.mlp == 7),
        ("vision", "num_attention_heads", 4, lambda s: s.image.heads == 4),
        ("vision", "hidden_act", "relu", lambda s: s.image.activation == "relu"),
        ("vision", "num_channels", 1, lambda s: s.picture[0] == 1),
        ("vision", "image_size", 64, lambda s: s.picture[1:] == (64, 64)),
        ("vision", "patch_size", 16, lambda s: s.patch == (16, 16)),
    ],
)
def test_each_setting_is_heard(tmp_path: Path, tower: str, key: str, value: Any, changed: Any):
    plain = {**OLD, f"{tower}_config": {**OLD[f"{tower}_config"], key: value}}
    assert changed(spec_of(tmp_path, plain))
    assert not changed(spec_of(tmp_path, OLD))


@pytest.mark.parametrize("key", sorted(GENERATION))
@pytest.mark.parametrize("tower", ["text", "vision"])
def test_no_other_setting_changes_the_model_in_silence(tmp_path: Path, tower: str, key: str):
    """Whatever an ignored key says, the model is the same; one that would matter is refused."""
    plain = {**OLD, f"{tower}_config": {**OLD[f"{tower}_config"], key: "something else"}}
    if key in ("add_cross_attention", "is_decoder", "pruned_heads"):
        assert f"{tower}_config: {key}: expected" in refused(tmp_path, plain)
    else:
        assert spec_of(tmp_path, plain) == spec_of(tmp_path, OLD)


@pytest.mark.parametrize("part", [None, "text_config", "vision_config"])
def test_an_unknown_setting_is_refused(tmp_path: Path, part: str | None):
    plain = {**OLD, "rotary": True}
    if part:
        plain = {**OLD, part: {**OLD[part], "rotary": True}}
    assert f"{part or 'config.json'}: unknown setting 'rotary'" in refused(tmp_path, plain)


@pytest.mark.parametrize(
    ("tower", "key", "value", "expected"),
    [
        ("text", "hidden_act", "mish", "activation: expected one of quick_gelu"),
        ("text", "hidden_size", "512", "text_config: Field 'hidden_size' expected int, got str"),
        ("text", "num_attention_heads", 7, "text_config: The hidden size (512) is not a multiple"),
        ("text", "num_attention_heads", 0, "text_config.num_attention_heads: expected at least 1"),
        ("vision", "image_size", [224, 200], "image_size: expected int, got [224, 200]"),
        ("text", "eos_token_id", None, "eos_token_id: expected int, got None"),
        ("vision", "patch_size", 30, "is no multiple of a patch (30, 30)"),
        ("vision", "image_size", 0, "expected pixels"),
        ("vision", "quantization_config", {}, "quantization_config: expected None"),
        ("vision", "model_type", "siglip_vision_model", "model_type: expected"),
    ],
)
def test_what_cannot_be_built_is_named(tmp_path, tower, key, value, expected):
    plain = {**OLD, f"{tower}_config": {**OLD[f"{tower}_config"], key: value}}
    assert expected in refused(tmp_path, plain)


# Pictures.

TOWER = TowerSpec(layers=1, width=4, heads=1, mlp=4, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=TOWER, text=TOWER, embed=4, picture=(3, 32, 32), patch=(8, 8), context=7, vocabulary=9,
    end=None,
)  # fmt: skip
OLDEST_PICTURES: dict[str, Any] = {
    "crop_size": 32, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 32,
}  # fmt: skip
"""What the first CLIPs on the hub carry."""
NEWER_PICTURES: dict[str, Any] = {
    **OLDEST_PICTURES, "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32},
    "do_convert_rgb": True, "do_rescale": True, "rescale_factor": 1 / 255,
    "image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor",
    "_valid_processor_keys": ["images"], "data_format": "channels_first", "device": None,
    "disable_grouping": None, "input_data_format": None, "return_tensors": None,
    "default_to_square": False, "do_pad": None, "pad_size": None, "image_seq_length": None,
}  # fmt: skip


def old(folder: Path, plain: Any) -> Preprocessing:
    (folder / "preprocessor_config.json").write_text(json.dumps(plain))
    return read_preprocessing(folder, SPEC)


def new(folder: Path, plain: Any) -> Preprocessing:
    whole = {"image_processor": plain, "processor_class": "CLIPProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(whole))
    return read_preprocessing(folder, SPEC)


def pixels(found: Preprocessing, paths: list[Path]) -> np.ndarray:
    return np.array(found.processor([Image.open(path) for path in paths])["pixel_values"])


@pytest.mark.parametrize("plain", [OLDEST_PICTURES, NEWER_PICTURES], ids=["oldest", "newer"])
@pytest.mark.parametrize("write", [old, new])
def test_pixels_are_those_of_transformers(tmp_path, pictures, plain, write):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    own = {k: v for k, v in plain.items() if not k.startswith("_")}
    theirs = CLIPImageProcessorPil(**own)([Image.open(path) for path in pictures])
    got = pixels(write(tmp_path, plain), pictures)  # type: ignore[arg-type]
    assert got.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(got, np.array(theirs["pixel_values"]), rtol=0, atol=1e-6)


def test_the_newer_file_is_read_where_there_are_two(tmp_path: Path):
    old(tmp_path, {**OLDEST_PICTURES, "resample": 2})
    assert new(tmp_path, OLDEST_PICTURES).resample == 3
    (tmp_path / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')
    assert read_preprocessing(tmp_path, SPEC).resample == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        *[({key: "another"}, f"{key}: expected") for key in PICTURES.only],
        ({"size": 64, "crop_size": 64}, "makes pictures of size 64, crop_size 64"),
        ({"size": {"longest_edge": 32}}, "size: expected 1 to 4096 pixels: a number, shortest_"),
        ({"size": {"height": 40, "width": 40}}, "size (40, 40) and crop_size (32, 32): expected"),
        ({"image_mean": [0.5]}, "mean: expected 3 numbers, got 1"),
        ({"tile": 2}, "unknown setting 'tile'"),
        ({"size": -5}, "shortest_edge, or height and width, got -5"),
        ({"size": {"shortest_edge": 10**6}}, "size: expected 1 to 4096 pixels"),
        ({"resample": 99}, "resample: expected a filter of Pillow, 0 to 5, got 99"),
        ({"image_std": [0, 1, 1]}, "image_std: expected numbers from 1e-06 to 1000, got [0, 1, 1]"),
        ({"image_mean": [10**400] * 3}, "image_mean: expected numbers from -1000 to 1000, got"),
        ({"rescale_factor": 0}, "rescale_factor: expected 1e-06 to 1000"),
    ],
)
@pytest.mark.parametrize("write", [old, new])
def test_what_is_not_read_is_named(tmp_path, changes, expected, write):
    with pytest.raises(InputError) as error:
        write(tmp_path, {**NEWER_PICTURES, **changes})  # type: ignore[arg-type]
    assert expected in str(error.value)


def test_a_folder_without_settings_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="says nothing about preprocessing; expected preprocessor"):
        read_preprocessing(tmp_path, SPEC)
    whole = {"image_processor": OLDEST_PICTURES, "video_processor": {}}
    (tmp_path / "processor_config.json").write_text(json.dumps(whole))
    with pytest.raises(InputError, match="unknown setting 'video_processor'"):
        read_preprocessing(tmp_path, SPEC)
