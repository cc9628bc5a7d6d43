"""Everything that has written into a residual stream, along any direction, and so into a margin.

stream before layer l = embed + pos (+ bias of the pre-norm) + for each earlier layer its heads
(z W_O), b_O and MLP: `part_names`. The sum is exact. A part is never built: its product with a
vector u is computed where it is cheapest, z (W_O u) for a head, so that all parts of twelve layers
fit. With a norm behind it the scale is held as a constant, which keeps every part linear.

With r the last stream at the pooled position, s the scale of the final norm there, and
v = norm(r) W_U + b_U, the margin along a direction w is

    v . w / |v| = r . u + (norm.b W_U . w + b_U . w) / |v|,   u = through_norm(W_U w / |v|) / s.

A head's part divides further by key, and by what the value at a key is made of, in the split of
that layer:

    z = sum_j a_j (x_j W_V + b_V),   x_j = E_j + P_j + b,

so key j adds a_j (E_j W_V) W_O . u by its content, a_j (P_j W_V) W_O . u by its position, and
a_j (b W_V + b_V) W_O . u by biases. In the first layer of a tower that reads tokens E and P are
token and position embedding in canonical gauge; elsewhere P is the mean over the inputs.
All of it is exact with s, |v|, the scales of the norms and the attention held. It is direct (Elhage
et al. 2021; "direct logit attribution"): what a part does by way of later layers counts to those.
Not for norms that are no linear map at fixed scale: `why_not` of the decomposition says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.axes import Embeddings
from lrinterp.decomposition.streams import Streams, centred_scale, gauge_of
from lrinterp.decomposition.terms import score_scale, through_ln1
from lrinterp.encoders import Tower
from lrinterp.wording import head_name

__all__ = [
    "VALUE_PARTS",
    "MarginParts",
    "along",
    "at_pool",
    "key_parts",
    "length",
    "part_names",
    "through_norm",
]

VALUE_PARTS = ("E", "P", "b")
"""What a value vector is made of: content, position, biases."""
SHORTEST = 1e-12
"""Below this length an embedding is not divided by it, as in torch's `normalize`."""

Directions = Float[Tensor, "example which d_model"]
Pooled = Float[Tensor, "example d_model"]
Example = Float[Tensor, "example"]
ByKey = Float[Tensor, "value head example key"]


def part_names(tower: Tower, layer: int) -> list[str]:
    """The parts of the stream before a layer, in the order of `along`: embed, pos, L0H0, ...

    >>> from lrinterp.encoders import DualEncoder, preset
    >>> model = DualEncoder.build(preset("full"), {"image": (4, 4), "text": (4, 4)}, seed=0)
    >>> part_names(model.image, 1)
    ['embed', 'pos', 'L0H0', 'L0H1', 'L0H2', 'L0H3', 'L0 b_O', 'L0 mlp']
    """
    names = ["embed", "pos", *(["ln_pre.b"] if hasattr(tower, "ln_pre") else [])]
    for below in range(layer):
        names += [f"L{below}H{head}" for head in range(tower.cfg.n_heads)]
        names += [f"L{below} b_O", *([] if tower.cfg.attn_only else [f"L{below} mlp"])]
    return names


@torch.no_grad()
def along(
    streams: Streams, layer: int, u: Directions, gauge: str = "raw"
) -> Float[Tensor, "part example which pos"]:
    """The product of each part of the stream before a layer with some vectors of each input.

    `gauge` divides embed and pos. The sum over parts is the stream itself along u.
    """
    tower, cache = streams.tower, streams.cache
    first = streams.split(0, gauge)
    begin = first.parts if hasattr(tower, "ln_pre") else first.parts[:2]
    rows = [_dot(part.expand_as(first.content), u) for part in begin]
    for below in range(layer):
        attn: Any = tower.blocks[below].attn
        read = einsum(attn.W_O, u, "head d m, batch which m -> batch which head d")
        heads = einsum(
            cache[f"blocks.{below}.attn.hook_z"],
            read,
            "batch pos head d, batch which head d -> head batch which pos",
        )
        rows += [*heads, (u @ attn.b_O)[..., None].expand_as(rows[0])]
        if not tower.cfg.attn_only:
            rows.append(_dot(cache[f"blocks.{below}.hook_mlp_out"], u))
    return torch.stack(rows)


@torch.no_grad()
def key_parts(
    streams: Streams, layer: int, gauge: str = "canonical"
) -> Float[Tensor, "part example head key"]:
    """Scores of the pooled query by what wrote the key: the parts of `part_names`, then bias.

    score_j = sum over parts c of (ln1(c_j) W_K) . q / sqrt(d_head) + (ln1.b W_K + b_K) . q /
    sqrt(d_head), q the whole query with its bias, the scale of each key's norm held constant.
    """
    tower, residual = streams.tower, streams.residual(layer)
    attn, pooled = tower.blocks[layer].attn, at_pool(residual, streams)
    norm: Any = tower.blocks[layer].ln1 if tower.cfg.normalization_type else None
    read = norm(pooled[:, None])[:, 0] if norm else pooled
    query = einsum(read, attn.W_Q, "batch m, head m d -> batch head d") + attn.b_Q
    query = query / score_scale(tower)
    u = einsum(attn.W_K, query, "head m d, batch head d -> batch head m")
    bias = einsum(attn.b_K, query, "head d, batch head d -> batch head")
    if norm is not None and hasattr(norm, "b"):
        bias = bias + u @ norm.b
    parts = along(streams, layer, through_norm(norm, u), gauge)
    if norm is not None:
        parts = parts / centred_scale(residual, tower.cfg.eps)[:, None]
    return torch.cat([parts, bias[None, ..., None].expand_as(parts[:1])])


def through_norm(norm: Any, u: Directions) -> Directions:
    """Vectors to multiply a stream with, for those behind a norm; its scale is left out.

    (x - mean x) * w . u = x . (w u - mean(w u)).
    """
    if norm is None:
        return u
    weighted = u * norm.w if hasattr(norm, "w") else u
    return weighted - weighted.mean(-1, keepdim=True)


def _dot(
    x: Float[Tensor, "example pos d_model"], u: Directions
) -> Float[Tensor, "example which pos"]:
    return einsum(x, u, "batch pos m, batch which m -> batch which pos")


@dataclass(frozen=True, kw_only=True)
class MarginParts:
    """The margins of a tower's inputs by what wrote them: units of cosine, double precision."""

    names: tuple[str, ...]
    heads: tuple[str, ...]
    """The names that are heads, by layer."""
    margin: Float[np.ndarray, "example"]
    """Of the last stream as a whole."""
    parts: Float[np.ndarray, "part example"]
    by_key: Float[np.ndarray, "value head example key"]
    """What each head reads from each key for the pooled position, by `VALUE_PARTS`."""
    seen: Bool[np.ndarray, "example key"]
    """The keys that the pooled query attends to."""

    @classmethod
    @torch.no_grad()
    def of(cls, streams: Streams, direction: Embeddings) -> "MarginParts":
        """The parts of all inputs along a direction for each.

        Cost: about one more forward pass, for attention and MLPs; kept are 3 x heads x inputs x
        keys doubles, 11 MB for 64 pictures in the shape of ViT-B/32.
        """
        cfg = streams.tower.cfg
        layers = range(cfg.n_layers)
        u, constants, margin = reading(streams, direction)
        by_key = [read_from_keys(streams, layer, u) for layer in layers]
        rows = written(streams, by_key, u)
        return cls(
            names=(*part_names(streams.tower, len(layers)), *constants),
            heads=tuple(head_name(layer, head) for layer in layers for head in range(cfg.n_heads)),
            margin=margin.cpu().numpy(),
            parts=torch.stack([*rows, *constants.values()]).cpu().numpy(),
            by_key=torch.cat(by_key, dim=1).cpu().numpy(),
            seen=streams.seen.cpu().numpy(),
        )

    @property
    def whole(self) -> Float[np.ndarray, "example"]:
        """The sum of all parts."""
        return self.parts.sum(0)


def reading(streams: Streams, direction: Embeddings) -> tuple[Pooled, dict[str, Example], Example]:
    """What turns last streams into margins: u, and what is added behind them; and the margins.

    For the last stream at the pooled position, norm scale and |v| those of each example.
    """
    tower = streams.tower
    last = at_pool(streams.residual(tower.cfg.n_layers), streams).double()
    W_U, b_U = tower.unembed.W_U.double(), tower.unembed.b_U.double()
    norm: Any = tower.ln_final if tower.cfg.normalization_type else None
    weight, bias = (getattr(norm, name, None) for name in ("w", "b"))
    read, scale = last, torch.ones_like(last[:, :1])
    if norm is not None:
        scale = centred_scale(last[:, None], tower.cfg.eps)
        read = (last - last.mean(-1, keepdim=True)) / scale
    if weight is not None and bias is not None:
        read = read * weight.double() + bias.double()
    v = read @ W_U + b_U
    along = direction.double() / length(v)
    back = along @ W_U.T
    constants = {} if bias is None else {"ln_final.b": back @ bias.double()}
    u = through_norm(norm, back[:, None])[:, 0] / scale
    return u, constants | {"b_U": along @ b_U}, (v * along).sum(-1)


def read_from_keys(streams: Streams, layer: int, u: Pooled) -> ByKey:
    """What each head of a layer reads from each key, along u, by part of the value.

    No value vector is built: W_V W_O u is one vector for a head and example.
    """
    split = streams.split(layer, gauge_of(streams.tower, layer))
    read, attn = through_ln1(streams.tower, layer, split), streams.tower.blocks[layer].attn
    back = einsum(attn.W_O.double(), u, "head d m, n m -> n head d")
    through = einsum(attn.W_V.double(), back, "head m d, n head d -> n head m")
    content, position, constant = (
        einsum(part.expand_as(read.content).double(), through, "n key m, n head m -> head n key")
        for part in read.parts
    )
    bias = einsum(attn.b_V.double(), back, "head d, n head d -> head n")
    values = torch.stack([content, position, constant + bias[..., None]])
    pattern = streams.cache[f"blocks.{layer}.attn.hook_pattern"].transpose(1, 2)
    return values * at_pool(pattern, streams).double().transpose(0, 1)


def written(streams: Streams, by_key: Sequence[ByKey], u: Pooled) -> list[Example]:
    """The parts of the last stream along u, in the order of `part_names`."""
    tower = streams.tower
    first = streams.split(0, "canonical").at(streams.pool)
    begin = first.parts if hasattr(tower, "ln_pre") else first.parts[:2]
    rows = [(part[:, 0].double() * u).sum(-1) for part in begin]
    for layer, keys in enumerate(by_key):
        rows += [*keys.sum((0, -1)), u @ tower.blocks[layer].attn.b_O.double()]
        if not tower.cfg.attn_only:
            mlp = at_pool(streams.cache[f"blocks.{layer}.hook_mlp_out"], streams)
            rows.append((mlp.double() * u).sum(-1))
    return rows


def at_pool(
    stream: Float[Tensor, "example pos *rest"], streams: Streams
) -> Float[Tensor, "example *rest"]:
    """The pooled position of each example."""
    return stream[torch.arange(len(stream), device=stream.device), streams.pool]


def length(v: Float[Tensor, "example d_embed"]) -> Float[Tensor, "example 1"]:
    """|v|, kept away from 0."""
    return v.norm(dim=-1, keepdim=True).clamp(min=SHORTEST)
