"""Where each weight lies in a published CLIP, and how it is turned: two formats as two tables.

A row says: under this key, in this arrangement (an einops pattern), lies the weight of this name.
The pattern's left side also says which shape the file must hold. Axes: `d` width, `h` heads, `k`
width of a head, `m` of the MLP, `e` of the common space, `v` vocabulary, `pos` positions, `c y x`
channels and sides of a patch, `qkv` queries, keys and values, which open_clip keeps in one matrix.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from lrinterp.encoders.clip import ClipSpec
from lrinterp.store import InputError

__all__ = ["HUGGING_FACE", "OPEN_CLIP", "Layout", "arranged", "check_keys"]

WeightPlace = tuple[str, str, str]
"""Key in the file, pattern, and our name or names; a layer's keys stand without prefix."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The keys of one format."""

    blocks: Mapping[str, str]
    """By tower: the prefix of a layer, `{}` for its number."""
    block: tuple[WeightPlace, ...]
    rows: tuple[WeightPlace, ...]
    buffers: tuple[str, ...]
    """Endings of keys that hold no weight."""
    prefix: str = ""
    """What stands before the keys of a text tower that is a separate module."""


HUGGING_FACE = Layout(
    blocks={
        "image": "vision_model.encoder.layers.{}.",
        "text": "text_model.encoder.layers.{}.",
    },
    block=(
        ("self_attn.q_proj.weight", "(h k) d -> h d k", "attn.W_Q"),
        ("self_attn.k_proj.weight", "(h k) d -> h d k", "attn.W_K"),
        ("self_attn.v_proj.weight", "(h k) d -> h d k", "attn.W_V"),
        ("self_attn.q_proj.bias", "(h k) -> h k", "attn.b_Q"),
        ("self_attn.k_proj.bias", "(h k) -> h k", "attn.b_K"),
        ("self_attn.v_proj.bias", "(h k) -> h k", "attn.b_V"),
        ("self_attn.out_proj.weight", "d (h k) -> h k d", "attn.W_O"),
        ("self_attn.out_proj.bias", "d -> d", "attn.b_O"),
        ("layer_norm1.weight", "d -> d", "ln1.w"),
        ("layer_norm1.bias", "d -> d", "ln1.b"),
        ("layer_norm2.weight", "d -> d", "ln2.w"),
        ("layer_norm2.bias", "d -> d", "ln2.b"),
        ("mlp.fc1.weight", "m d -> d m", "mlp.W_in"),
        ("mlp.fc1.bias", "m -> m", "mlp.b_in"),
        ("mlp.fc2.weight", "d m -> m d", "mlp.W_out"),
        ("mlp.fc2.bias", "d -> d", "mlp.b_out"),
    ),
    rows=(
        ("vision_model.embeddings.class_embedding", "d -> 1 d", "image.embed.W_E"),
        ("vision_model.embeddings.patch_embedding.weight", "d c y x -> c y x d", "image.W_patch"),
        (
            "vision_model.embeddings.position_embedding.weight",
            "pos d -> pos d",
            "image.pos_embed.W_pos",
        ),
        ("vision_model.pre_layrnorm.weight", "d -> d", "image.ln_pre.w"),
        ("vision_model.pre_layrnorm.bias", "d -> d", "image.ln_pre.b"),
        ("vision_model.post_layernorm.weight", "d -> d", "image.ln_final.w"),
        ("vision_model.post_layernorm.bias", "d -> d", "image.ln_final.b"),
        ("visual_projection.weight", "e d -> d e", "image.unembed.W_U"),
        ("text_model.embeddings.token_embedding.weight", "v d -> v d", "text.embed.W_E"),
        (
            "text_model.embeddings.position_embedding.weight",
            "pos d -> pos d",
            "text.pos_embed.W_pos",
        ),
        ("text_model.final_layer_norm.weight", "d -> d", "text.ln_final.w"),
        ("text_model.final_layer_norm.bias", "d -> d", "text.ln_final.b"),
        ("text_projection.weight", "e d -> d e", "text.unembed.W_U"),
        ("logit_scale", "->", "log_scale"),
    ),
    buffers=("position_ids",),
)

OPEN_CLIP = Layout(
    blocks={"image": "visual.transformer.resblocks.{}.", "text": "transformer.resblocks.{}."},
    block=(
        ("attn.in_proj_weight", "(qkv h k) d -> qkv h d k", "attn.W_Q attn.W_K attn.W_V"),
        ("attn.in_proj_bias", "(qkv h k) -> qkv h k", "attn.b_Q attn.b_K attn.b_V"),
        ("attn.out_proj.weight", "d (h k) -> h k d", "attn.W_O"),
        ("attn.out_proj.bias", "d -> d", "attn.b_O"),
        ("ln_1.weight", "d -> d", "ln1.w"),
        ("ln_1.bias", "d -> d", "ln1.b"),
        ("ln_2.weight", "d -> d", "ln2.w"),
        ("ln_2.bias", "d -> d", "ln2.b"),
        ("mlp.c_fc.weight", "m d -> d m", "mlp.W_in"),
        ("mlp.c_fc.bias", "m -> m", "mlp.b_in"),
        ("mlp.c_proj.weight", "d m -> m d", "mlp.W_out"),
        ("mlp.c_proj.bias", "d -> d", "mlp.b_out"),
    ),
    rows=(
        ("visual.class_embedding", "d -> 1 d", "image.embed.W_E"),
        ("visual.conv1.weight", "d c y x -> c y x d", "image.W_patch"),
        ("visual.positional_embedding", "pos d -> pos d", "image.pos_embed.W_pos"),
        ("visual.ln_pre.weight", "d -> d", "image.ln_pre.w"),
        ("visual.ln_pre.bias", "d -> d", "image.ln_pre.b"),
        ("visual.ln_post.weight", "d -> d", "image.ln_final.w"),
        ("visual.ln_post.bias", "d -> d", "image.ln_final.b"),
        ("visual.proj", "d e -> d e", "image.unembed.W_U"),
        ("token_embedding.weight", "v d -> v d", "text.embed.W_E"),
        ("positional_embedding", "pos d -> pos d", "text.pos_embed.W_pos"),
        ("ln_final.weight", "d -> d", "text.ln_final.w"),
        ("ln_final.bias", "d -> d", "text.ln_final.b"),
        ("text_projection", "d e -> d e", "text.unembed.W_U"),
        ("logit_scale", "->", "log_scale"),
    ),
    buffers=("attn_mask",),
    prefix="text.",
)


def arranged(
    tensors: Mapping[str, Tensor], layout: Layout, spec: ClipSpec, where: str
) -> dict[str, Tensor]:
    """The weights of a file under the names of a `DualEncoder`, in float32.

    Raises InputError for a key that is missing or unknown, and for a weight of another shape than
    the configuration says, or one that is not finite.
    """
    rows = list(layout_rows(layout, spec))
    tensors = {key.removeprefix(layout.prefix): tensor for key, tensor in tensors.items()}
    check_keys(tensors, [key for key, _, _ in rows], where, layout.buffers)
    weights = {}
    for key, pattern, name in rows:
        tower, names = name.split(".")[0], name.split()
        sizes = axes_of(spec, tower)
        check_tensor(tensors[key], shape_of(pattern, sizes), f"{where}: {key}")
        used = {axis: n for axis, n in sizes.items() if re.search(rf"\b{axis}\b", pattern)}
        turned = rearrange(tensors[key].to(torch.float32), pattern, **used)
        parts = turned.unbind() if len(names) > 1 else (turned,)
        weights |= {n: part.contiguous() for n, part in zip(names, parts, strict=True)}
    return weights


def layout_rows(layout: Layout, spec: ClipSpec) -> Iterator[WeightPlace]:
    """All rows of a model: those of its layers, and the rest."""
    for tower, own in (("image", spec.image), ("text", spec.text)):
        for layer in range(own.layers):
            prefix = layout.blocks[tower].format(layer)
            for key, pattern, names in layout.block:
                ours = " ".join(f"{tower}.blocks.{layer}.{name}" for name in names.split())
                yield prefix + key, pattern, ours
    yield from layout.rows


def axes_of(spec: ClipSpec, tower: str) -> dict[str, int]:
    """How long each axis of a pattern is in one tower."""
    own, pos = spec.text, spec.context
    if tower == "image":
        own, pos = spec.image, spec.patches + 1
    sizes = {"d": own.width, "h": own.heads, "k": own.width // own.heads, "m": own.mlp, "qkv": 3}
    sizes |= {"c": spec.picture[0], "y": spec.patch[0], "x": spec.patch[1]}
    return sizes | {"e": spec.embed, "v": spec.vocabulary, "pos": pos}


def shape_of(pattern: str, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape that the left side of a pattern describes."""
    groups = re.findall(r"\(([^)]*)\)|(\w+)", pattern.split("->")[0])
    return tuple(math.prod(sizes[axis] for axis in (a or b).split()) for a, b in groups)


def check_keys(
    tensors: Collection[str], expected: Collection[str], where: str, buffers: tuple[str, ...] = ()
) -> None:
    """Refuse a file that lacks a weight, or holds one that has no place in the model.

    Keys with the endings of `buffers` may be there, and are not read.
    """
    if missing := sorted(set(expected) - set(tensors)):
        raise InputError(f"{where}: weight {missing[0]} is missing")
    more = set(tensors) - set(expected)
    if unknown := sorted(key for key in more if not key.endswith(buffers)):
        raise InputError(f"{where}: unknown weight {unknown[0]}; its configuration has no place")


def check_tensor(got: Tensor, shape: tuple[int, ...], where: str) -> None:
    """Refuse a weight of another shape, and one that holds no finite floats."""
    if tuple(got.shape) != shape:
        raise InputError(f"{where}: the configuration says {shape}, got {tuple(got.shape)}")
    # narrower ones go with scales of their own, and torch computes nothing with them
    if not got.is_floating_point() or got.itemsize < 2:
        raise InputError(
            f"{where}: expected floating point numbers of 16 bits or more, got {got.dtype}; "
            "convert it"
        )
    if not got.isfinite().all():
        raise InputError(f"{where}: holds values that are not finite")
