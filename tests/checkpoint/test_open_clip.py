"""`open_clip_config.json`: which of open_clip's models are read, and why the others are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.checkpoint.open_clip import read_spec
from lrinterp.encoders import ClipSpec
from lrinterp.store import InputError

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
B_32 = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": TEXT,
}
BIG_G = {
    "embed_dim": 1280,
    "vision_cfg": {
        "image_size": 224, "layers": 48, "width": 1664, "head_width": 104, "mlp_ratio": 4.9231,
        "patch_size": 14,
    },
    "text_cfg": {**TEXT, "width": 1280, "heads": 20, "layers": 32},
}  # fmt: skip
ALL_VISION = {
    "ls_init_value": None, "patch_dropout": 0.5, "attentional_pool": False,
    "attn_pooler_queries": 256, "attn_pooler_heads": 8, "no_ln_pre": False,
    "pos_embed_type": "learnable", "final_ln_after_pool": False, "pool_type": "tok",
    "output_tokens": False, "act_kwargs": None, "norm_kwargs": None, "block_type": None,
    "qk_norm": False, "scaled_cosine_attn": False, "scale_heads": False,
    "scale_attn_inner": False, "scale_attn": False, "scale_fc": False, "timm_model_name": None,
    "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": "linear",
    "timm_proj_bias": False, "timm_drop": 0.0, "timm_drop_path": None, "timm_use_rope": False,
    "timm_rope_keep_ape": False, "timm_dynamic_img_size": False, "timm_norm_pre": False,
}  # fmt: skip
"""Every other setting of open_clip's `CLIPVisionCfg`, as it stands when nobody asks for it."""
ALL_TEXT = {
    "hf_tokenizer_name": None, "tokenizer_mode": None, "tokenizer_kwargs": None, "mlp_ratio": 4.0,
    "ls_init_value": None, "embed_cls": False, "pad_id": 0, "eos_id": 2, "no_causal_mask": False,
    "final_ln_after_pool": False, "pool_type": "argmax", "proj_bias": False,
    "proj_type": "linear", "output_tokens": False, "act_kwargs": None, "norm_kwargs": None,
    "block_type": None, "qk_norm": False, "scaled_cosine_attn": False, "scale_heads": False,
    "scale_attn_inner": False, "scale_attn": False, "scale_fc": False, "hf_model_name": None,
    "hf_model_pretrained": True, "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler",
    "correct_cls_mask": False, "use_pad_mask": False,
}  # fmt: skip
"""The same for `CLIPTextCfg`."""


def spec_of(folder: Path, model: Any) -> ClipSpec:
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
    return read_spec(folder)


def refused(folder: Path, model: Any) -> str:
    with pytest.raises(InputError) as error:
        spec_of(folder, model)
    return str(error.value)


def changed(part: str | None, **settings: Any) -> dict[str, Any]:
    if part is None:
        return {**B_32, **settings}
    return {**B_32, part: {**B_32[part], **settings}}  # type: ignore[dict-item]


def test_vit_b_32(tmp_path: Path):
    spec = spec_of(tmp_path, B_32)
    image, text = spec.image, spec.text
    assert (image.layers, image.width, image.heads, image.mlp) == (12, 768, 12, 3072)
    assert (text.layers, text.width, text.heads, text.mlp) == (12, 512, 8, 2048)
    assert (spec.embed, spec.picture, spec.patch) == (512, (3, 224, 224), (32, 32))
    assert (image.activation, text.activation, image.eps, spec.end) == ("gelu", "gelu", 1e-5, None)
    assert spec_of(tmp_path, {**B_32, "quick_gelu": True}).text.activation == "quick_gelu"


def test_vit_big_g_has_heads_of_another_width(tmp_path: Path):
    spec = spec_of(tmp_path, BIG_G)
    assert (spec.image.heads, spec.image.mlp, spec.patches) == (16, 8192, 256)
    assert (spec.text.heads, spec.text.mlp) == (20, 5120)


def test_all_settings_as_open_clip_leaves_them(tmp_path: Path):
    model = {
        **B_32, "custom_text": True, "output_dict": True, "cast_dtype": None,
        "nonscalar_logit_scale": False, "init_logit_scale": 2.6, "init_logit_bias": None,
        "vision_cfg": {**B_32["vision_cfg"], **ALL_VISION}, "text_cfg": {**TEXT, **ALL_TEXT},
    }  # type: ignore[dict-item]  # fmt: skip
    assert spec_of(tmp_path, model) == spec_of(tmp_path, B_32)


@pytest.mark.parametrize(
    ("part", "settings", "expected"),
    [
        ("vision_cfg", {"timm_model_name": "convnext_base"}, "timm_model_name: expected"),
        ("vision_cfg", {"layers": [3, 4, 6, 3]}, "layers: expected int"),
        ("vision_cfg", {"attentional_pool": True}, "attentional_pool: expected"),
        ("vision_cfg", {"pool_type": "avg"}, "pool_type: expected 'tok', got 'avg'"),
        ("vision_cfg", {"ls_init_value": 1e-4}, "ls_init_value: expected None"),
        ("vision_cfg", {"no_ln_pre": True}, "no_ln_pre: expected"),
        ("vision_cfg", {"pos_embed_type": "sin_cos_2d"}, "pos_embed_type: expected"),
        ("vision_cfg", {"act_kwargs": {"approximate": "tanh"}}, "act_kwargs: expected"),
        (
            "vision_cfg",
            {"norm_kwargs": {"bias": False}},
            "norm_kwargs: expected dict[Literal['eps'], float] | None, got {'bias'",
        ),
        ("vision_cfg", {"qk_norm": True}, "qk_norm: expected"),
        ("vision_cfg", {"block_type": "custom"}, "block_type: expected"),
        ("vision_cfg", {"head_width": 100}, "width: 768 is no multiple of 7 heads"),
        ("vision_cfg", {"head_width": 0}, "head_width: expected 1 to 1048576, got 0"),
        ("vision_cfg", {"mlp_ratio": 1e308}, "mlp_ratio: expected above 0 and at most 1048576"),
        ("text_cfg", {"width": 10**400}, "width: expected 1 to 1048576, got 1000"),
        ("text_cfg", {"layers": 10**9}, "layers: expected 1 to 1000, got 1000000000"),
        (
            "vision_cfg",
            {"image_size": [1, 2, 3]},
            "image_size: expected int | tuple[int, int], got [1, 2, 3]",
        ),
        ("vision_cfg", {"stem": 1}, "unknown setting 'stem'"),
        ("text_cfg", {"hf_model_name": "xlm-roberta-base"}, "hf_model_name: expected"),
        ("text_cfg", {"hf_tokenizer_name": "bert-base-uncased"}, "hf_tokenizer_name: expected"),
        ("text_cfg", {"tokenizer_kwargs": {"clean": "x"}}, "tokenizer_kwargs: expected"),
        ("text_cfg", {"embed_cls": True}, "embed_cls: expected"),
        ("text_cfg", {"pool_type": "last"}, "pool_type: expected 'argmax' or 'eos', got 'last'"),
        ("text_cfg", {"no_causal_mask": True}, "no_causal_mask: expected"),
        ("text_cfg", {"proj_type": "none"}, "proj_type: expected"),
        ("text_cfg", {"proj_bias": True}, "proj_bias: expected"),
        ("text_cfg", {"heads": 7}, "512 is no multiple of 7 heads"),
        (None, {"multimodal_cfg": {"width": 768}}, "multimodal_cfg: expected None"),
        (None, {"init_logit_bias": -10}, "init_logit_bias: expected None"),
        (None, {"nonscalar_logit_scale": True}, "nonscalar_logit_scale: expected"),
        (None, {"audio_cfg": {}}, "unknown setting 'audio_cfg'"),
        (None, {"embed_dim": "512"}, "embed_dim: expected int"),
    ],
)
def test_other_models_are_refused_by_name(
    tmp_path: Path, part: str | None, settings: dict[str, Any], expected: str
):
    message = refused(tmp_path, changed(part, **settings))
    assert expected in message
    assert "open_clip_config.json: model_cfg" in message


@pytest.mark.parametrize(
    ("part", "settings", "heard"),
    [
        ("vision_cfg", {"norm_kwargs": {"eps": 1e-6}}, lambda s: s.image.eps == 1e-6),
        ("vision_cfg", {"image_size": [64, 64]}, lambda s: s.picture == (3, 64, 64)),
        ("vision_cfg", {"patch_size": [16, 16]}, lambda s: s.patch == (16, 16)),
        ("vision_cfg", {"mlp_ratio": 2}, lambda s: s.image.mlp == 1536),
        ("text_cfg", {"norm_kwargs": {"eps": 1e-6}}, lambda s: s.text.eps == 1e-6),
        ("text_cfg", {"mlp_ratio": 2.0}, lambda s: s.text.mlp == 1024),
        ("text_cfg", {"context_length": 32}, lambda s: s.context == 32),
        ("text_cfg", {"vocab_size": 50000}, lambda s: s.vocabulary == 50000),
        ("text_cfg", {"pool_type": "eos", "eos_id": 9}, lambda s: s.end == 9),
    ],
)
def test_each_setting_is_heard(tmp_path: Path, part: str, settings: dict[str, Any], heard: Any):
    assert heard(spec_of(tmp_path, changed(part, **settings)))
    assert not heard(spec_of(tmp_path, B_32))


def test_an_unknown_half_of_the_file_is_refused(tmp_path: Path):
    plain = {"model_cfg": B_32, "adapter_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(plain))
    with pytest.raises(InputError, match="unknown setting 'adapter_cfg'"):
        read_spec(tmp_path)
