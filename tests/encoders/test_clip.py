"""A CLIP as data: what is built, which activations are known, and what is refused."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from lrinterp.encoders import ACTIVATIONS, ClipSpec, PatchTower, TowerSpec, build_clip

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGE = TowerSpec(layers=2, width=8, heads=2, mlp=12, activation="quick_gelu", eps=1e-4)
TEXT = TowerSpec(layers=1, width=6, heads=3, mlp=5, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=IMAGE, text=TEXT, embed=7, picture=(3, 8, 12), patch=(4, 4), context=9, vocabulary=20,
    end=19,
)  # fmt: skip


def test_the_towers_have_the_shape_that_was_asked_for():
    model = build_clip(SPEC)
    image, text = model.towers["image"], model.towers["text"]
    assert isinstance(image, PatchTower)
    assert (image.grid, image.cfg.n_ctx, SPEC.patches) == ((2, 3), 7, 6)
    assert model.sizes == {"image": (1, 7), "text": (20, 9)}
    assert (image.cfg.d_head, text.cfg.d_head) == (4, 2)
    assert (image.cfg.d_mlp, text.cfg.d_mlp) == (12, 5)
    assert (image.cfg.eps, text.cfg.eps) == (1e-4, 1e-5)
    assert (image.cfg.attention_dir, text.cfg.attention_dir) == ("bidirectional", "causal")
    assert {tower.cfg.d_vocab_out for tower in model.towers.values()} == {7}
    assert (model.processor, model.config) == (None, None)


def test_projections_have_no_bias_and_never_will():
    for tower in build_clip(SPEC).towers.values():
        assert not tower.unembed.b_U.any()
        assert not tower.unembed.b_U.requires_grad


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_transformers(activation: str):
    from transformers.activations import ACT2FN

    own = build_clip(replace(SPEC, text=replace(TEXT, activation=activation)))
    x = torch.linspace(-6, 6, 500)
    got = own.text.blocks[0].mlp.act_fn(x)
    assert (got - ACT2FN[activation](x)).abs().max() < 1e-6
    assert own.text.cfg.act_fn == activation


def test_the_two_gelus_differ():
    """Positive control of the comparison above."""
    model = build_clip(SPEC)
    x = torch.linspace(-6, 6, 500)
    image, text = (t.blocks[0].mlp.act_fn(x) for t in model.towers.values())
    assert (image - text).abs().max() > 0.01


def test_a_copy_keeps_its_activation():
    block = copy.deepcopy(build_clip(SPEC)).image.blocks[1]
    assert block.mlp.act_fn(torch.ones(1)).item() == pytest.approx(0.8458, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"layers": 0}, "layers: expected 1 to 1000, got 0"),
        ({"heads": 3}, "width: 8 is no multiple of 3 heads"),
        ({"activation": "mish"}, "activation: expected one of quick_gelu"),
    ],
)
def test_a_tower_that_cannot_be_is_named(changes: dict[str, Any], expected: str):
    with pytest.raises(ValueError, match=expected):
        replace(IMAGE, **changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"embed": 0}, "embed: expected at least 1"),
        ({"patch": (0, 4)}, "picture: expected pixels"),
        ({"patch": (4, 5)}, r"picture: \(8, 12\) is no multiple of a patch \(4, 5\)"),
    ],
)
def test_a_clip_that_cannot_be_is_named(changes: dict[str, Any], expected: str):
    with pytest.raises(ValueError, match=expected):
        replace(SPEC, **changes)
