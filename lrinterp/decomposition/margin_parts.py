"""The margin of a tower as a direct sum over all that wrote its last residual stream.

With r the last stream at the pooled position, s the scale of the final norm there, and
v = norm(r) W_U + b_U, the margin along a direction w is

    v . w / |v| = r . u + (norm.b W_U . w + b_U . w) / |v|,   u = through_norm(W_U w / |v|) / s,

and r is the sum of `part_names`: embedding, position, every head, bias and MLP. A head's part
divides further by key, and by what the value at a key is made of, in the split of that layer:

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
from lrinterp.decomposition.parts import part_names, through_norm
from lrinterp.decomposition.streams import Streams, centred_scale, gauge_of
from lrinterp.decomposition.terms import through_ln1
from lrinterp.wording import head_name

__all__ = ["VALUE_PARTS", "MarginParts", "at_pool", "length"]

VALUE_PARTS = ("E", "P", "b")
"""What a value vector is made of: content, position, biases."""
SHORTEST = 1e-12
"""Below this length an embedding is not divided by it, as in torch's `normalize`."""

Pooled = Float[Tensor, "example d_model"]
Example = Float[Tensor, "example"]
ByKey = Float[Tensor, "value head example key"]


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
        einsum(x.expand_as(read.content).double(), through, "n key m, n head m -> head n key")
        for x in (read.content, read.position, read.constant)
    )
    bias = einsum(attn.b_V.double(), back, "head d, n head d -> head n")
    values = torch.stack([content, position, constant + bias[..., None]])
    pattern = streams.cache[f"blocks.{layer}.attn.hook_pattern"].transpose(1, 2)
    return values * at_pool(pattern, streams).double().transpose(0, 1)


def written(streams: Streams, by_key: Sequence[ByKey], u: Pooled) -> list[Example]:
    """The parts of the last stream along u, in the order of `part_names`."""
    tower = streams.tower
    first = streams.split(0, "canonical").at(streams.pool)
    begin = [first.content, first.position]
    begin += [first.constant] if hasattr(tower, "ln_pre") else []
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
