"""open_clip: which of its models are read, how they want pictures, why the others are not read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrinterp.checkpoint.open_clip import MODEL, VISION, read_preprocessing, read_spec
from lrinterp.checkpoint.open_clip import TEXT as TEXT_RULES
from lrinterp.encoders import ClipSpec, Preprocessing, TowerSpec
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
    common: Any = {"layers": 12, "activation": "gelu", "eps": 1e-5}
    assert spec_of(tmp_path, B_32) == ClipSpec(
        image=TowerSpec(width=768, heads=12, mlp=3072, **common),
        text=TowerSpec(width=512, heads=8, mlp=2048, **common),
        embed=512, picture=(3, 224, 224), patch=(32, 32), context=77, vocabulary=49408, end=None,
    )  # fmt: skip
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
        *[
            (part, {key: "another"}, f"{key}: expected")
            for part, rules in (("vision_cfg", VISION), ("text_cfg", TEXT_RULES), (None, MODEL))
            for key in rules.only
        ],
        ("vision_cfg", {"pool_type": "avg"}, "pool_type: expected 'tok', got 'avg'"),
        ("vision_cfg", {"layers": [3, 4, 6, 3]}, "layers: expected int"),
        ("vision_cfg", {"norm_kwargs": {"bias": False}}, "norm_kwargs: expected dict[Literal["),
        ("vision_cfg", {"head_width": 100}, "width: 768 is no multiple of 7 heads"),
        ("vision_cfg", {"head_width": 0}, "head_width: expected 1 to 1048576, got 0"),
        ("vision_cfg", {"mlp_ratio": 1e308}, "mlp_ratio: expected above 0 and at most 1048576"),
        ("text_cfg", {"width": 10**400}, "width: expected 1 to 1048576, got 1000"),
        ("vision_cfg", {"image_size": [1, 2, 3]}, "image_size: expected int | tuple[int, int],"),
        ("vision_cfg", {"stem": 1}, "unknown setting 'stem'"),
        ("text_cfg", {"heads": 7}, "512 is no multiple of 7 heads"),
        (None, {"audio_cfg": {}}, "unknown setting 'audio_cfg'"),
        (None, {"embed_dim": "512"}, "embed_dim: expected int"),
    ],
)
def test_other_models_are_refused_by_name(tmp_path, part, settings, expected):
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


def test_other_halves_of_the_file_are_refused(tmp_path: Path):
    path = tmp_path / "open_clip_config.json"
    for plain, expected in (
        ({"model_cfg": B_32, "adapter_cfg": {}}, "unknown setting 'adapter_cfg'"),
        ({"model_cfg": None}, "model_cfg: expected dict"),
        ({}, "field 'embed_dim' is missing"),
    ):
        path.write_text(json.dumps(plain))
        with pytest.raises(InputError, match=expected):
            read_spec(tmp_path)


# Pictures.

TOWER = TowerSpec(layers=1, width=4, heads=1, mlp=4, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=TOWER, text=TOWER, embed=4, picture=(3, 32, 32), patch=(8, 8), context=7, vocabulary=9,
    end=None,
)  # fmt: skip
OPEN = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.5], "interpolation": "bicubic"}


def opened(folder: Path, plain: Any) -> Preprocessing:
    whole = {"model_cfg": {}, "preprocess_cfg": plain}
    (folder / "open_clip_config.json").write_text(json.dumps(whole))
    return read_preprocessing(folder, SPEC)


def pixels(found: Preprocessing, paths: list[Path]) -> np.ndarray:
    return np.array(found.processor([Image.open(path) for path in paths])["pixel_values"])


@pytest.mark.parametrize(("name", "number"), [("bicubic", 3), ("bilinear", 2), ("random", 3)])
def test_open_clip_by_its_formula(tmp_path: Path, pictures: list[Path], name: str, number: int):
    """Resize the shorter side, crop the middle, scale to 0..1, subtract mean, divide by std."""
    got = pixels(opened(tmp_path, {**OPEN, "interpolation": name}), pictures[:1])[0]
    picture = Image.open(pictures[0])
    width = int(32 * picture.width / picture.height)
    left = (width - 32) // 2
    resized = picture.resize((width, 32), number).crop((left, 0, left + 32, 32))
    values = np.asarray(resized).transpose(2, 0, 1) / 255
    std = np.array([0.5, 0.25, 0.5])[:, None, None]
    np.testing.assert_allclose(got, (values - 0.5) / std, atol=1e-5)


def test_other_settings_make_other_pixels(tmp_path: Path, pictures: list[Path]):
    """The comparison above would see a wrong filter, mean, size or crop."""
    plain = pixels(opened(tmp_path, {}), pictures)
    for changes in ({"interpolation": "bilinear"}, {"mean": [0, 0, 0]}, {"std": [1, 1, 1]}):
        assert np.abs(pixels(opened(tmp_path, changes), pictures) - plain).max() > 0.01


def test_open_clip_falls_back_on_its_defaults(tmp_path: Path):
    found = opened(tmp_path, {"mean": None})
    assert found.mean == (0.48145466, 0.4578275, 0.40821073)
    assert (found.shortest, found.resample, found.crop) == (32, 3, True)
    assert opened(tmp_path, {"size": [32, 32], "mode": "RGB", "fill_color": 0}) == found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"resize_mode": "squash"}, "resize_mode: expected 'shortest', got 'squash'"),
        ({"interpolation": "nearest"}, "interpolation: expected one of bicubic"),
        ({"size": 64}, "size: expected the square that the image tower reads"),
        ({"mode": "L"}, "mode: expected 'RGB'"),
        ({"mean": [0.5]}, "mean: expected 3 numbers"),
        ({"std": [0.5, 0.0, 0.5]}, "std: expected numbers from 1e-06 to 1000, got [0.5, 0.0"),
        ({"crop": 1}, "unknown setting 'crop'"),
    ],
)
def test_what_open_clip_has_beside_is_named(tmp_path: Path, changes: dict[str, Any], expected: str):
    with pytest.raises(InputError) as error:
        opened(tmp_path, {**OPEN, **changes})
    assert expected in str(error.value)
