"""Tables over tokens and positions against the forward pass of the hooked transformer itself."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lrinterp.axes import Tokens
from lrinterp.encoders import DualEncoder, Stack, build_tower, preset, tower_from_plain, tower_plain
from lrinterp.encoders.token_tables import has_tables, kinds_of
from lrinterp.scenes import Scenes, Split, World

SPLIT = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=3)
SMALL: dict[str, Any] = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}


def models_of(scenes: Scenes) -> list[DualEncoder]:
    """Three models with biases, in double precision."""
    config = preset("minimal", **SMALL)
    models = [DualEncoder.build(config, scenes.sizes, seed).double() for seed in range(3)]
    generator = torch.Generator().manual_seed(7)
    for model in models:
        for name, weight in model.trainable().items():
            if ".b_" in name and weight.requires_grad:
                weight.data += torch.randn(weight.shape, generator=generator).double()
    return models


def hooked(model: DualEncoder, tower: str, tokens: Tokens) -> Tensor:
    """Embeddings by the forward pass that hooks see."""
    residual = model.towers[tower](tokens.ids, stop_at_layer=1)
    return model.project(tower, residual, tokens.pool)


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize(
    "world",
    [
        World(n_pixels=5, n_labels=6),
        World(n_pixels=5, n_labels=6, template="both"),
        World(n_pixels=5, n_labels=6, n_objects=3),
    ],
)
def test_embeddings_and_gradients_are_those_of_the_towers(world: World, tower: str):
    scenes = Scenes(world, SPLIT)
    models = models_of(scenes)
    assert all(has_tables(t) for model in models for t in model.towers.values())
    place = ("image", "text").index(tower)
    tokens = [scenes.batch(torch.Generator().manual_seed(i))[place] for i in range(3)]
    stack = Stack(models)
    ids, pool = (torch.stack([getattr(t, name) for t in tokens]) for name in ("ids", "pool"))
    got = stack.embed(tower, ids, pool)
    expected = torch.stack([hooked(m, tower, t) for m, t in zip(models, tokens, strict=True)])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)
    outer = torch.randn(got.shape, generator=torch.Generator().manual_seed(1)).double()
    (got * outer).sum().backward()
    (expected * outer).sum().backward()
    for name, weight in stack.weights.items():
        if not (name.startswith(tower) and weight.requires_grad):
            continue
        grads = [model.trainable()[name].grad for model in models]
        own = torch.stack([grad for grad in grads if grad is not None])
        if name.endswith("b_K"):  # cancels in the softmax: exactly here, up to rounding there
            assert weight.grad is None
            assert own.abs().max() < 1e-12
        else:
            torch.testing.assert_close(weight.grad, own, rtol=0, atol=1e-11)


def test_a_kind_is_a_pooled_token_at_a_position():
    ids = torch.tensor([[[5, 1, 2], [5, 2, 3]], [[4, 1, 5], [1, 5, 0]]])
    kinds, kind = kinds_of(ids, torch.tensor([[0, 0], [2, 1]]))
    assert kinds.tolist() == [[5, 0], [5, 1], [5, 2]]
    assert kind.tolist() == [[0, 0], [2, 1]]


@pytest.mark.parametrize(
    "change",
    [
        {"n_layers": 2},
        {"normalization_type": "LN"},
        {"attn_only": False, "d_mlp": 16},
        {"attn_scale": 3.0},
        {"attn_scores_soft_cap": 5.0},
        {"positional_embedding_type": "rotary"},
    ],
)
def test_towers_that_compute_anything_else_have_no_tables(change: dict[str, Any]):
    (model, *_) = models_of(Scenes(World(n_pixels=5, n_labels=6), SPLIT))
    plain = tower_plain(model.image.cfg)
    assert has_tables(build_tower(tower_from_plain(plain)))
    assert not has_tables(build_tower(tower_from_plain(plain | change)))


@pytest.mark.parametrize(
    "attach",
    [
        lambda tower: tower.add_hook("blocks.0.attn.hook_z", lambda z, hook: 2 * z),
        lambda tower: tower.blocks[0].attn.register_forward_hook(lambda *given: 2 * given[-1]),
    ],
    ids=["hook point", "module"],
)
def test_a_hook_is_called_whoever_embeds(attach: Callable[[Any], Any]):
    """Without the hook an embedding is that of the tables, with it that of the hooked pass."""
    scenes = Scenes(World(n_pixels=5, n_labels=6), SPLIT)
    (model, *_) = models_of(scenes)
    tokens, _ = scenes.batch(torch.Generator().manual_seed(0))
    before = model.embed("image", tokens)
    torch.testing.assert_close(before, hooked(model, "image", tokens), rtol=0, atol=1e-12)
    attach(model.image)
    assert not has_tables(model.image)
    assert (model.embed("image", tokens) - before).abs().max() > 1e-3
    assert model.embed("image", tokens).equal(hooked(model, "image", tokens))
