"""The image tower that reads pixels, against a convolution and a block-by-block computation."""

import copy
import warnings
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import conv2d, layer_norm

from lrinterp.axes import Pixels, Tokens
from lrinterp.encoders import PatchTower, batch_that_fits, build_tower, positions, preset
from lrinterp.encoders.config import tower_config
from lrinterp.encoders.patches import without_notice
from lrinterp.store import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = preset("full", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=2)


@pytest.fixture
def tower() -> PatchTower:
    """Two rows and three columns of patches, 4 x 5 pixels each."""
    return build((3, 8, 15), (4, 5), 7)


@torch.no_grad()
def build(picture: tuple[int, int, int], patch: tuple[int, int], n_ctx: int) -> PatchTower:
    generator = torch.Generator().manual_seed(1)
    with without_notice():
        tower = PatchTower(tower_config(CONFIG, "image", 1, n_ctx), picture, patch)
    for weight in tower.parameters():
        weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
    return tower


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(4, 3, 8, 15, generator=torch.Generator().manual_seed(2))


def pixels_of(values: Tensor) -> Pixels:
    return Pixels(values, torch.zeros(len(values), dtype=torch.long))


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
    seen = []
    tower.run_with_hooks(pixels, fwd_hooks=[("hook_embed", lambda x, hook: seen.append(x.shape))])
    assert seen == [(4, 7, 8)]
    edited = tower.run_with_hooks(pixels, fwd_hooks=[("hook_pos_embed", lambda x, hook: 0 * x)])
    assert (edited - whole).abs().max() > 0.01


def test_a_hook_may_edit_one_picture_alone(tower: PatchTower, pixels: Tensor):
    def edit(x: Tensor, hook: object) -> Tensor:
        x[0] += torch.arange(8.0)
        return x

    with torch.no_grad():
        whole = tower(pixels)
        edited = tower.run_with_hooks(pixels, fwd_hooks=[("hook_pos_embed", edit)])
    assert edited[1:].equal(whole[1:])
    assert (edited[0] - whole[0]).abs().max() > 0.01


def test_gradients_reach_the_pixels(tower: PatchTower, pixels: Tensor):
    pixels.requires_grad_()
    tower(pixels)[:, 0].sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax((0, 1)) > 0).all()


def test_a_copy_is_a_tower_of_its_own(tower: PatchTower, pixels: Tensor):
    other = copy.deepcopy(tower)
    other.W_patch.data.zero_()
    assert (other(pixels) - tower(pixels)).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(4, 3, 15, 8), (4, 1, 8, 15), (3, 8, 15)])
def test_other_pixels_are_named(tower: PatchTower, shape: tuple[int, ...]):
    with pytest.raises(InputError, match=r"pixels: expected \[batch, 3, 8, 15\], got \["):
        tower.check(torch.zeros(shape))


def test_a_patch_that_does_not_divide_the_picture_is_named():
    with pytest.raises(ValueError, match=r"8 x 15 is no multiple of \(4, 4\)"):
        build((3, 8, 15), (4, 4), 7)


def test_positions(tower: PatchTower, pixels: Tensor):
    assert positions(tower, pixels_of(pixels)) == 7
    text = build_tower(tower_config(CONFIG, "text", 9, 12))
    tokens = Tokens(torch.zeros(3, 5, dtype=torch.long), torch.zeros(3, dtype=torch.long))
    assert positions(text, tokens) == 5


def test_a_batch_stays_small(tower: PatchTower, pixels: Tensor):
    assert batch_that_fits(tower, pixels_of(pixels)) == 1024
    cfg = copy.copy(tower.cfg)
    cfg.d_model, cfg.d_mlp, cfg.n_heads, cfg.n_ctx = 768, 3072, 12, 50
    vit = copy.copy(tower)
    vit.cfg = cfg
    assert batch_that_fits(vit, pixels_of(pixels)) == 54
    cfg.n_ctx, cfg.n_heads = 577, 64
    assert batch_that_fits(vit, pixels_of(pixels)) == 1


def test_the_notice_is_silenced_here_alone():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with without_notice():
            build((3, 8, 15), (4, 5), 7)
        assert not seen
        warnings.warn("another", DeprecationWarning, stacklevel=1)
    assert [str(w.message) for w in seen] == ["another"]
