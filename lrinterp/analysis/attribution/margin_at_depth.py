"""The margin of a tower of any depth, as a sum over all that wrote its last residual stream.

With r the last stream at the pooled position, s the scale of the final norm there, and
v = norm(r) W_U + b_U, the margin along a direction w is

    v . w / |v| = r . u + (norm.b W_U . w + b_U . w) / |v|,   u = through_norm(W_U w / |v|) / s,

and r is the sum of `part_names`: embedding, position, every head, bias and MLP. A head's part
divides further by key: z = sum_j a_j (x_j W_V + b_V), so key j adds a_j (x_j W_V + b_V) W_O . u.
All of it is exact with s, |v| and the attention held. It is direct (Elhage et al. 2021; "direct
logit attribution"): what a part does by way of later layers counts to those.
Not for norms that are no linear map at fixed scale: `why_not` of the decomposition says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.analysis.subject import head_name
from lrinterp.axes import Embeddings
from lrinterp.decomposition import Streams, centred_scale, part_names, through_norm
from lrinterp.encoders import Tower

__all__ = ["AtDepth", "attribute_at_depth"]

Pooled = Float[Tensor, "example d_model"]
ByKey = Float[Tensor, "head example key"]


@dataclass(frozen=True, kw_only=True)
class AtDepth:
    """The margins of a tower's inputs by what wrote them, in double precision."""

    names: tuple[str, ...]
    heads: tuple[str, ...]
    """The names that are heads, by layer."""
    margin: Float[np.ndarray, "example"]
    """Of the last stream as a whole."""
    parts: Float[np.ndarray, "part example"]
    by_key: Float[np.ndarray, "head example key"]
    """What each head reads from each key for the pooled position."""
    attended: Bool[np.ndarray, "example key"]

    @property
    def whole(self) -> Float[np.ndarray, "example"]:
        """The sum of all parts."""
        return self.parts.sum(0)


@dataclass(frozen=True)
class Reading:
    """What turns a last stream into margins: u, and what is added behind the stream."""

    u: Pooled
    constants: dict[str, Float[Tensor, "example"]]
    margin: Float[Tensor, "example"]

    @classmethod
    def of(cls, tower: Tower, last: Pooled, direction: Embeddings) -> "Reading":
        """For the last stream at the pooled position, norm scale and |v| those of each example."""
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
        along = direction.double() / v.norm(dim=-1, keepdim=True)
        back = along @ W_U.T
        constants = {} if bias is None else {"ln_final.b": back @ bias.double()}
        return cls(
            u=through_norm(norm, back[:, None])[:, 0] / scale,
            constants=constants | {"b_U": along @ b_U},
            margin=(v * along).sum(-1),
        )


@torch.no_grad()
def attribute_at_depth(streams: Streams, direction: Embeddings) -> AtDepth:
    """The parts for all inputs."""
    tower, layers = streams.tower, range(streams.tower.cfg.n_layers)
    rows = torch.arange(len(streams.pool), device=streams.pool.device)
    attention = [
        streams.cache[f"blocks.{k}.attn.hook_pattern"][rows, :, streams.pool] for k in layers
    ]
    last = at_pool(streams.residual(len(layers)), streams).double()
    reading = Reading.of(tower, last, direction)
    by_key = [read_from_keys(streams, layer, attention[layer], reading.u) for layer in layers]
    rows = written(streams, by_key, reading.u)
    return AtDepth(
        names=(*part_names(tower, len(layers)), *reading.constants),
        heads=tuple(head_name(k, head) for k in layers for head in range(tower.cfg.n_heads)),
        margin=reading.margin.cpu().numpy(),
        parts=torch.stack([*rows, *reading.constants.values()]).cpu().numpy(),
        by_key=torch.cat(by_key).cpu().numpy(),
        attended=streams.seen.cpu().numpy(),
    )


def read_from_keys(
    streams: Streams, layer: int, attention: Float[Tensor, "example head key"], u: Pooled
) -> ByKey:
    """What each head of a layer reads from each key, along u: a_j (x_j W_V + b_V) W_O . u.

    No value vector is built: W_V W_O u is one vector for a head and example.
    """
    block = streams.tower.blocks[layer]
    read = streams.residual(layer)
    read = block.ln1(read) if streams.tower.cfg.normalization_type else read
    attn = block.attn
    back = einsum(attn.W_O.double(), u, "head d m, n m -> n head d")
    through = einsum(attn.W_V.double(), back, "head m d, n head d -> n head m")
    value = einsum(read.double(), through, "n key m, n head m -> head n key")
    bias = einsum(attn.b_V.double(), back, "head d, n head d -> head n")
    return attention.double().transpose(0, 1) * (value + bias[..., None])


def written(streams: Streams, by_key: Sequence[ByKey], u: Pooled) -> list[Float[Tensor, "example"]]:
    """The parts of the last stream along u, in the order of `part_names`."""
    tower = streams.tower
    first = streams.split(0, "canonical").at(streams.pool)
    begin = [first.content, first.position]
    begin += [first.constant] if hasattr(tower, "ln_pre") else []
    rows = [(part[:, 0].double() * u).sum(-1) for part in begin]
    for layer, keys in enumerate(by_key):
        rows += [*keys.sum(-1), u @ tower.blocks[layer].attn.b_O.double()]
        if not tower.cfg.attn_only:
            mlp = at_pool(streams.cache[f"blocks.{layer}.hook_mlp_out"], streams)
            rows.append((mlp.double() * u).sum(-1))
    return rows


def at_pool(stream: Float[Tensor, "example pos d_model"], streams: Streams) -> Pooled:
    """The pooled position of each example."""
    return stream[torch.arange(len(stream), device=stream.device), streams.pool]


def joined(chunks: Sequence[AtDepth]) -> AtDepth:
    """Batches of examples as one."""
    axes = {"margin": 0, "attended": 0, "parts": 1, "by_key": 1}
    arrays = {n: np.concatenate([getattr(c, n) for c in chunks], axis) for n, axis in axes.items()}
    return replace(chunks[0], **arrays)
