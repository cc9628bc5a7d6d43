"""`config.json`: every key that transformers has ever written is handled, ignored or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.checkpoint.hugging_face import is_clip, read_spec
from lrinterp.encoders import ClipSpec
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
    spec = spec_of(tmp_path, OLD)
    assert (spec.image.layers, spec.image.width, spec.image.heads, spec.image.mlp) == (
        12, 768, 12, 3072,
    )  # fmt: skip
    assert (spec.text.layers, spec.text.width, spec.text.heads, spec.text.mlp) == (12, 512, 8, 2048)
    assert (spec.picture, spec.patch, spec.patches) == ((3, 224, 224), (32, 32), 49)
    assert (spec.context, spec.vocabulary, spec.embed) == (77, 49408, 512)
    assert spec.end is None
    assert {spec.image.activation, spec.text.activation} == {"quick_gelu"}


def test_what_transformers_writes_today(tmp_path: Path):
    from transformers import CLIPConfig

    config = CLIPConfig(text_config={"eos_token_id": 5}, vision_config={"hidden_act": "gelu"})
    whole, short = config.to_dict(), config.to_diff_dict()
    assert spec_of(tmp_path, whole) == spec_of(tmp_path, {**short, "model_type": "clip"})
    assert spec_of(tmp_path, whole).end == 5
    assert spec_of(tmp_path, whole).image.activation == "gelu"


def test_the_defaults_are_those_of_transformers(tmp_path: Path):
    from transformers import CLIPConfig

    assert spec_of(tmp_path, {"model_type": "clip"}) == spec_of(tmp_path, CLIPConfig().to_dict())


@pytest.mark.parametrize(
    ("tower", "key", "value", "changed"),
    [
        ("text", "num_hidden_layers", 3, lambda s: s.text.layers == 3),
        ("text", "hidden_size", 64, lambda s: s.text.width == 64),
        ("text", "intermediate_size", 7, lambda s: s.text.mlp == 7),
        ("text", "num_attention_heads", 4, lambda s: s.text.heads == 4),
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
        ("vision", "layer_norm_eps", 1e-6, lambda s: s.image.eps == 1e-6),
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
        (
            "text",
            "hidden_size",
            "512",
            "text_config: Field 'hidden_size' expected int, got str (value: '512')",
        ),
        (
            "text",
            "num_attention_heads",
            7,
            "text_config: The hidden size (512) is not a multiple of",
        ),
        ("text", "num_attention_heads", 0, "text_config.num_attention_heads: expected at least 1"),
        ("vision", "image_size", [224, 200], "image_size: expected int, got [224, 200]"),
        ("text", "eos_token_id", None, "eos_token_id: expected int, got None"),
        ("text", "eos_token_id", [1, 2], "eos_token_id: expected int"),
        ("vision", "num_hidden_layers", 0, "layers: expected 1 to 1000, got 0"),
        ("vision", "patch_size", 30, "is no multiple of a patch (30, 30)"),
        ("vision", "image_size", 0, "expected pixels"),
        ("vision", "quantization_config", {}, "quantization_config: expected None"),
        ("vision", "model_type", "siglip_vision_model", "model_type: expected"),
    ],
)
def test_what_cannot_be_built_is_named(
    tmp_path: Path, tower: str, key: str, value: Any, expected: str
):
    plain = {**OLD, f"{tower}_config": {**OLD[f"{tower}_config"], key: value}}
    assert expected in refused(tmp_path, plain)


def test_an_older_dict_overrides_with_its_defaults_as_in_transformers(tmp_path: Path):
    from transformers import CLIPConfig

    plain = {**OLD, "text_config_dict": {"hidden_size": 64}, "vision_config_dict": None}
    spec = spec_of(tmp_path, plain)
    expected = CLIPConfig(**{k: v for k, v in plain.items() if k.endswith(("config", "dict"))})
    assert isinstance(expected.text_config, object)
    assert (spec.text.width, spec.end) == (64, 49407)
    assert expected.text_config.hidden_size == 64  # type: ignore[union-attr]
    assert expected.text_config.eos_token_id == 49407  # type: ignore[union-attr]


def test_what_is_a_clip(tmp_path: Path):
    assert not is_clip(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert not is_clip(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    assert is_clip(tmp_path)
