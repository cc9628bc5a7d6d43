"""The two tables: each weight of a model comes from one place, and stands the right way round."""

import pytest
import torch
from torch import Tensor

from lrinterp.encoders import (
    HUGGING_FACE,
    OPEN_CLIP,
    ClipSpec,
    Layout,
    TowerSpec,
    arranged,
    build_clip,
)
from lrinterp.encoders.weight_layouts import axes_of, layout_rows, shape_of
from lrinterp.store import InputError

IMAGE = TowerSpec(layers=2, width=8, heads=2, mlp=12, activation="gelu", eps=1e-5)
TEXT = TowerSpec(layers=3, width=6, heads=3, mlp=5, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=IMAGE, text=TEXT, embed=7, picture=(3, 8, 12), patch=(4, 2), context=9, vocabulary=20,
    end=None,
)  # fmt: skip
FORMATS = pytest.mark.parametrize("layout", [HUGGING_FACE, OPEN_CLIP], ids=["hf", "open_clip"])


def tensors_of(layout: Layout) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        key: shape_of(pattern, axes_of(SPEC, name.split(".")[0]))
        for key, pattern, name in layout_rows(layout, SPEC)
    }
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


@FORMATS
def test_every_weight_of_the_model_has_one_place(layout: Layout):
    names = [n for _, _, names in layout_rows(layout, SPEC) for n in names.split()]
    own = {name: w.shape for name, w in build_clip(SPEC).trainable().items()}
    missing = {"image.unembed.b_U", "text.unembed.b_U"}
    assert len(names) == len(set(names))
    assert set(names) == set(own) - missing
    for name, weight in arranged(tensors_of(layout), layout, SPEC, "file").items():
        assert weight.shape == own[name]
        assert weight.is_contiguous()


def test_heads_of_hugging_face_by_hand():
    tensors = tensors_of(HUGGING_FACE)
    got = arranged(tensors, HUGGING_FACE, SPEC, "file")
    prefix = "text_model.encoder.layers.2."
    x = torch.randn(6)
    queries = tensors[f"{prefix}self_attn.q_proj.weight"] @ x
    assert torch.allclose(x @ got["text.blocks.2.attn.W_Q"][1], queries[2:4])
    assert got["text.blocks.2.attn.b_K"][2].equal(tensors[f"{prefix}self_attn.k_proj.bias"][4:])
    z = torch.zeros(3, 2)
    z[1] = torch.tensor([0.3, -2.0])
    out = tensors[f"{prefix}self_attn.out_proj.weight"] @ z.flatten()
    mixed = torch.einsum("hk,hkd->d", z, got["text.blocks.2.attn.W_O"])
    assert torch.allclose(mixed, out, atol=1e-6)


def test_queries_keys_and_values_of_open_clip_by_hand():
    tensors = tensors_of(OPEN_CLIP)
    got = arranged(tensors, OPEN_CLIP, SPEC, "file")
    fused = tensors["visual.transformer.resblocks.1.attn.in_proj_weight"]
    x = torch.randn(8)
    for place, name in enumerate(("W_Q", "W_K", "W_V")):
        whole = fused[8 * place : 8 * place + 8] @ x
        heads = [x @ got[f"image.blocks.1.attn.{name}"][head] for head in range(2)]
        assert torch.allclose(torch.cat(heads), whole, atol=1e-6)


@FORMATS
def test_what_does_not_fit_is_named(layout: Layout):
    whole = tensors_of(layout)
    for key, weight in whole.items():
        less = {k: v for k, v in whole.items() if k != key}
        assert refused(less, layout) == f"file: weight {key} is missing"
        wider = {**whole, key: torch.zeros(*weight.shape, 1)}
        assert refused(wider, layout).startswith(f"file: {key}: the configuration says")
    key = next(iter(whole))
    assert "holds values that are not finite" in refused({**whole, key: whole[key] / 0}, layout)
    eighth = {**whole, key: whole[key].to(torch.float8_e4m3fn)}
    assert "of 16 bits or more, got torch.float8_e4m3fn; convert it" in refused(eighth, layout)
    assert "unknown weight more;" in refused({**whole, "more": torch.zeros(1)}, layout)


def refused(tensors: dict[str, Tensor], layout: Layout) -> str:
    with pytest.raises(InputError) as error:
        arranged(tensors, layout, SPEC, "file")
    return str(error.value)
