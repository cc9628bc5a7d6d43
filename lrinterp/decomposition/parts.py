"""Everything that has written into a residual stream, by name, along any direction.

stream before layer l = embed + pos (+ bias of the pre-norm) + for each earlier layer its heads
(z W_O), b_O and MLP. The sum is exact. A part is never built: its product with a vector u is
computed where it is cheapest, z (W_O u) for a head, so that all parts of twelve layers fit.
With a norm behind it the scale is held as a constant, which keeps every part linear.
"""

from typing import Any

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from lrinterp.decomposition.streams import Streams, centred_scale
from lrinterp.encoders import Tower

__all__ = ["along", "key_parts", "part_names", "through_norm"]

Directions = Float[Tensor, "batch which d_model"]


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
) -> Float[Tensor, "part batch which pos"]:
    """The product of each part of the stream before a layer with some vectors of each input.

    `gauge` divides embed and pos. The sum over parts is the stream itself along u.
    """
    tower, cache = streams.tower, streams.cache
    first = streams.split(0, gauge)
    rows = [_dot(first.content, u), _dot(first.position.expand_as(first.content), u)]
    if hasattr(tower, "ln_pre"):
        rows.append(_dot(first.constant.expand_as(first.content), u))
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
) -> Float[Tensor, "part batch head key"]:
    """Scores of the pooled query by what wrote the key: the parts of `part_names`, then bias.

    score_j = sum over parts c of (ln1(c_j) W_K) . q / sqrt(d_head) + (ln1.b W_K + b_K) . q /
    sqrt(d_head), q the whole query with its bias, the scale of each key's norm held constant.
    """
    tower = streams.tower
    attn = tower.blocks[layer].attn
    residual = streams.residual(layer)
    rows = torch.arange(len(residual), device=residual.device)
    pooled = residual[rows, streams.pool]
    norm: Any = tower.blocks[layer].ln1 if tower.cfg.normalization_type else None
    query = einsum(norm(pooled[:, None])[:, 0] if norm else pooled, attn.W_Q, _QUERY) + attn.b_Q
    query = query / (tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0)
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


_QUERY = "batch m, head m d -> batch head d"


def _dot(x: Float[Tensor, "batch pos d_model"], u: Directions) -> Float[Tensor, "batch which pos"]:
    return einsum(x, u, "batch pos m, batch which m -> batch which pos")
