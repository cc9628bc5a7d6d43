"""A CLIP as data, and the image tower that reads pixels, against a convolution."""

import copy
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import conv2d, layer_norm

from lrinterp.encoders import ACTIVATIONS, ClipSpec, PatchTower, TowerSpec, build_clip, preset
from lrinterp.encoders.config import tower_config
from lrinterp.store import InputError

IMAGE = TowerSpec(layers=2, width=8, heads=2, mlp=12, activation="quick_gelu", eps=1e-4)
TEXT = TowerSpec(layers=1, width=6, heads=3, mlp=5, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=IMAGE, text=TEXT, embed=7, picture=(3, 8, 12), patch=(4, 4), context=9, vocabulary=20,
    end=19,
)  # fmt: skip


def test_the_towers_have_the_shape_that_was_asked_for():
    model = build_clip(SPEC)
    image, text = model.image, model.text
    assert isinstance(image, PatchTower)
    assert (image.grid, image.cfg.n_ctx, SPEC.patches) == ((2, 3), 7, 6)
    assert model.sizes == {"image": (1, 7), "text": (20, 9)}
    for tower, own in ((image, IMAGE), (text, TEXT)):
        assert (tower.cfg.d_mlp, tower.cfg.eps, tower.cfg.d_vocab_out) == (own.mlp, own.eps, 7)
        assert tower.cfg.d_head == own.width // own.heads
        assert not tower.unembed.b_U.any()
        assert not tower.unembed.b_U.requires_grad
    assert (image.cfg.attention_dir, text.cfg.attention_dir) == ("bidirectional", "causal")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_transformers(activation: str):
    from transformers.activations import ACT2FN

    own = build_clip(replace(SPEC, text=replace(TEXT, activation=activation)))
    x = torch.linspace(-6, 6, 500)
    for text in (own.text, copy.deepcopy(own).text):
        assert (text.blocks[0].mlp.act_fn(x) - ACT2FN[activation](x)).abs().max() < 1e-6
        assert text.cfg.act_fn == activation


@pytest.mark.parametrize(
    ("own", "changes", "expected"),
    [
        (IMAGE, {"layers": 0}, "layers: expected 1 to 1000, got 0"),
        (IMAGE, {"heads": 3}, "width: 8 is no multiple of 3 heads"),
        (IMAGE, {"activation": "mish"}, "activation: expected one of quick_gelu"),
        (SPEC, {"embed": 0}, "embed: expected at least 1"),
        (SPEC, {"patch": (0, 4)}, "picture: expected pixels"),
        (SPEC, {"patch": (4, 5)}, r"picture: \(8, 12\) is no multiple of a patch \(4, 5\)"),
    ],
)
def test_what_cannot_be_is_named(own: Any, changes: dict[str, Any], expected: str):
    with pytest.raises(ValueError, match=expected):
        replace(own, **changes)


@pytest.fixture
@torch.no_grad()
def tower() -> PatchTower:
    """Two rows and three columns of patches, 4 x 5 pixels each."""
    config = preset("full", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=2)
    generator = torch.Generator().manual_seed(1)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        tower = PatchTower(tower_config(config, "image", 1, 7), (3, 8, 15), (4, 5))
    for weight in tower.parameters():
        weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
    return tower


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(4, 3, 8, 15, generator=torch.Generator().manual_seed(2))


def test_the_stream_starts_as_in_a_vision_transformer(tower: PatchTower, pixels: Tensor):
    _, cache = tower.run_with_cache(pixels)
    kernel = rearrange(tower.W_patch, "c y x d -> d c y x")
    cut = rearrange(conv2d(pixels, kernel, stride=(4, 5)), "b d row column -> b (row column) d")
    assert tower.grid == (2, 3)
    assert (cache["hook_embed"][:, 1:] - cut).abs().max() < 1e-5
    assert cache["hook_embed"][:, 0].equal(tower.embed.W_E.expand(4, 8))
    assert cache["hook_pos_embed"].equal(tower.pos_embed.W_pos.expand(4, 7, 8))
    whole = cache["hook_embed"] + cache["hook_pos_embed"]
    normed = layer_norm(whole, (8,), tower.ln_pre.w, tower.ln_pre.b, tower.cfg.eps)
    assert (cache["hook_pre_norm"] - normed).abs().max() < 1e-5
    assert cache["blocks.0.hook_resid_pre"].equal(cache["hook_pre_norm"])


def test_each_position_is_the_patch_it_says(tower: PatchTower, pixels: Tensor):
    """Blackening row 1, column 2 changes position 1 + 1 * 3 + 2 and no other."""
    black = pixels.clone()
    black[:, :, 4:8, 10:15] = 0
    streams = [tower(x, stop_at_layer=0) for x in (pixels, black)]
    changed = (streams[0] - streams[1]).abs().amax((0, 2)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [6]


def test_every_way_of_running_a_tower_works(tower: PatchTower, pixels: Tensor):
    whole: Any
    whole, cache = tower.run_with_cache(pixels)
    assert whole.shape == (4, 7, 6)
    assert tower(pixels).equal(whole)
    assert tower(pixels, stop_at_layer=1).equal(cache["resid_pre", 1])
    assert tower(cache["resid_pre", 1], start_at_layer=1).equal(whole)
    assert tower(cache["hook_pre_norm"], start_at_layer=0).equal(whole)


def test_a_hook_may_edit_one_picture_alone(tower: PatchTower, pixels: Tensor):
    def edit(x: Tensor, hook: object) -> Tensor:
        x[0] += torch.arange(8.0)
        return x

    with torch.no_grad():
        whole = tower(pixels)
        edited = tower.run_with_hooks(pixels, fwd_hooks=[("hook_pos_embed", edit)])
    assert edited[1:].equal(whole[1:])
    assert (edited[0] - whole[0]).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(4, 3, 15, 8), (4, 1, 8, 15), (3, 8, 15)])
def test_other_pixels_are_named(tower: PatchTower, shape: tuple[int, ...]):
    with pytest.raises(InputError, match=r"pixels: expected \[batch, 3, 8, 15\], got \["):
        tower.check(torch.zeros(shape))
