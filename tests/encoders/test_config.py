import json
import math
from typing import Any

import pytest
from transformer_lens import HookedTransformerConfig

from lrinterp.encoders import PRESETS, EncoderConfig, preset, tower_from_plain, tower_plain
from lrinterp.encoders.config import IGNORED, tower_config

SIZES: dict[str, Any] = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}


def compared(config: HookedTransformerConfig) -> dict[str, Any]:
    return {name: value for name, value in config.to_dict().items() if name not in IGNORED}


def test_presets_and_towers_differ_where_they_should():
    config = preset("minimal", image_layers=3, text_layers=2, **SIZES)
    image, text = (tower_config(config, name, 7, 5) for name in ("image", "text"))
    assert (image.n_layers, image.attention_dir) == (3, "bidirectional")
    assert (text.n_layers, text.attention_dir) == (2, "causal")
    assert image.d_vocab_out == text.d_vocab_out == 6
    assert (image.normalization_type, image.attn_only) == (None, True)
    full = tower_config(PRESETS["full"], "text", 30, 9)
    assert (full.normalization_type, full.attn_only, full.d_mlp) == ("LN", False, 512)
    assert (full.d_vocab, full.n_ctx) == (30, 9)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match=r"^preset: expected one of minimal, full, got 'tiny'$"):
        preset("tiny")
    with pytest.raises(ValueError, match=r"^preset: expected one of minimal, full, got 'tiny'$"):
        EncoderConfig(preset="tiny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_heads": 0}, "n_heads: expected 1 to 65536, got 0"),
        ({"d_model": 10**9}, "d_model: expected 1 to 65536, got 1000000000"),
        ({"mlp_ratio": -1}, "mlp_ratio: expected at least 0, got -1"),
        ({"std_W_E": math.nan}, "std_W_E: expected at least 0, got nan"),
        ({"temperature": 0.0}, "temperature: expected at least 1e-06, got 0.0"),
    ],
)
def test_an_impossible_encoder_is_refused_by_field(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^{message}$"):
        EncoderConfig(**changes)


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_tower_as_json_and_back(name: str, tower: str):
    config = tower_config(preset(name, image_layers=2, **SIZES), tower, 7, 5)
    plain = json.loads(json.dumps(tower_plain(config), allow_nan=False))
    assert compared(tower_from_plain(plain)) == compared(config)


def test_a_users_own_settings_survive():
    own = HookedTransformerConfig(
        n_layers=2, d_model=8, n_heads=4, d_head=3, n_ctx=5, d_vocab=7, d_vocab_out=6,
        d_mlp=10, act_fn="relu", normalization_type="RMS", attention_dir="bidirectional",
        use_attn_result=True, use_split_qkv_input=True, use_attn_scale=False, eps=1e-4,
        attn_scores_soft_cap=20.0, parallel_attn_mlp=True, seed=3, device="cpu",
    )  # fmt: skip
    plain = json.loads(json.dumps(tower_plain(own), allow_nan=False))
    assert compared(tower_from_plain(plain)) == compared(own)
    assert plain["attn_scores_soft_cap"] == 20.0
    assert "seed" not in plain


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n_layers", 2_000_000, "1 to 1000, got 2000000"),
        ("d_model", -16, "1 to 65536, got -16"),
        ("d_head", 0, "1 to 65536, got 0"),
        ("n_heads", True, "1 to 65536, got"),
        ("d_vocab", 10**12, "1 to 1000000, got 1000000000000"),
        ("n_ctx", "16", "1 to 1000000, got '16'"),
        ("d_vocab_out", 16.5, "1 to 65536, got 16.5"),
        ("d_model", None, "1 to 65536, got"),
    ],
)
def test_a_size_that_no_tower_has_is_refused_by_name(name: str, value: Any, words: str):
    plain = tower_plain(tower_config(preset("minimal", **SIZES), "text", 7, 5))
    with pytest.raises(ValueError, match=f"^{name}: expected {words}"):
        tower_from_plain(plain | {name: value})
