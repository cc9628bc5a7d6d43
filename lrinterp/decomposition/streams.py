"""Residual streams of one tower at every layer, split into what stands there and where it stands.

Before layer 0 the stream is token (or patch) embedding plus position embedding, and the split is
that of the weights, in a gauge. Adding c to some E_t and subtracting it from some P_i changes
nothing when every admissible input pairs just those tokens with just those positions. Such sets are
the connected components of the graph that joins a token with each position it occurs at; each
carries one free vector. The canonical gauge centres P over the positions of each component and
moves the mean to its tokens, so a component of one position has P = 0.

Above layer 0 no weight says what is position: there `means` calls position the mean over the inputs
at that position, centred over the positions of a component, and content all the rest (after Song
and Zhong, arXiv 2310.04861). That split is a convention of the inputs; the sum is exact everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Bool, Float, Int
from scipy.sparse import bmat, csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from lrinterp.axes import Occurrence
from lrinterp.encoders import Tower

__all__ = [
    "GAUGES",
    "MEANS",
    "Embedding",
    "Gauge",
    "ResidualSplit",
    "Streams",
    "centred_scale",
    "components",
    "embedding_in",
    "gauge_of",
    "gauges_at",
]

Gauge = Literal["canonical", "raw"]
GAUGES: tuple[Gauge, Gauge] = ("canonical", "raw")
MEANS = "means"
"""The gauge of layers above the first: position is a mean over inputs."""

Residual = Float[Tensor, "batch pos d_model"]
ByCluster = Float[Tensor, "cluster pos d_model"]


@dataclass(frozen=True)
class ResidualSplit:
    """A residual stream as the sum of content, position and a constant."""

    content: Residual
    position: Float[Tensor, "#batch pos d_model"]
    constant: Float[Tensor, "#batch #pos d_model"]

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three, in this order: E, P and b of the terms."""
        return self.content, self.position, self.constant

    @property
    def residual(self) -> Residual:
        """The stream itself."""
        return self.content + self.position + self.constant

    def at(self, pool: Int[Tensor, "batch"]) -> "ResidualSplit":
        """One position of each input."""
        rows = torch.arange(len(pool), device=pool.device)
        return ResidualSplit(*(x.expand_as(self.content)[rows, pool][:, None] for x in self.parts))


@dataclass(frozen=True)
class Embedding:
    """Token and position embeddings in some gauge; their sums at occurring pairs are the same."""

    W_E: Float[Tensor, "token d_model"]
    W_pos: Float[Tensor, "pos d_model"]


def components(occurs: Occurrence) -> tuple[Int[Tensor, "token"], Int[Tensor, "pos"]]:
    """The component of every token and of every position, as numbers."""
    joined = csr_matrix(occurs.cpu().numpy().astype(np.int8))
    _, member = connected_components(bmat([[None, joined], [joined.T, None]]), directed=False)
    member = torch.from_numpy(member.astype(np.int64))
    return member[: occurs.shape[0]], member[occurs.shape[0] :]


def embedding_in(tower: Tower, occurs: Occurrence, gauge: Gauge) -> Embedding:
    """A tower's embeddings in a gauge, apart from its weights.

    Canonical: the mean of P over each component's positions moves to the component's tokens.
    """
    W_E, W_pos = (w.detach().clone() for w in (tower.embed.W_E, tower.pos_embed.W_pos))
    if gauge == "raw":
        return Embedding(W_E, W_pos)
    of_token, of_position = (member.to(W_E.device) for member in components(occurs))
    for component in of_position.unique():
        positions = torch.nonzero(of_position == component).flatten()
        mean = W_pos[positions].mean(0)
        W_pos[positions] -= mean
        W_E[of_token == component] += mean
    return Embedding(W_E, W_pos)


def gauges_at(layer: int) -> tuple[str, ...]:
    """The gauges that a layer knows: those of the weights before the first, means above."""
    return GAUGES if layer == 0 else (MEANS,)


def gauge_of(tower: Tower, layer: int) -> str:
    """A layer's native gauge; means also in the first layer where a pre-norm scales by input."""
    return MEANS if hasattr(tower, "ln_pre") else gauges_at(layer)[0]


@dataclass(frozen=True, eq=False)
class Streams:
    """One tower on some inputs: what every layer reads, and what every part of a layer writes."""

    tower: Tower
    pool: Int[Tensor, "batch"]
    of_position: Int[Tensor, "pos"]
    """The component of each position."""
    seen: Bool[Tensor, "batch pos"]
    """Positions that can reach the pooled one: under a causal mask none behind it."""
    cache: Mapping[str, Tensor]
    """`hook_embed`, `hook_pos_embed`; by layer `hook_resid_pre`, `attn.hook_z`, `hook_mlp_out`;
    `hook_resid_post` of the last layer."""
    clusters: Int[Tensor, "batch"] | None = None
    """A number of each input; what counts as its position is learnt from other clusters alone."""
    among: tuple["Streams", Any] | None = None
    """The streams whose positions these share, and which of their inputs these are."""
    vectors: dict[int, tuple[ByCluster, Tensor | None]] = field(default_factory=dict)
    """`by_cluster` of each layer, made once."""

    def residual(self, layer: int) -> Residual:
        """What a layer reads; for `n_layers`, what the last one leaves."""
        last = self.tower.cfg.n_layers
        name = f"{last - 1}.hook_resid_post" if layer == last else f"{layer}.hook_resid_pre"
        return self.cache[f"blocks.{name}"]

    def split(self, layer: int, gauge: str) -> ResidualSplit:
        """The stream before a layer in a gauge of that layer; `means` works at any."""
        position, constant = self.apart(layer, gauge)
        if gauge == MEANS or hasattr(self.tower, "ln_pre"):
            return ResidualSplit(self.residual(layer) - position - constant, position, constant)
        place = self.tower.pos_embed.W_pos.detach()[: len(self.of_position)]
        moved = means_in(place, self.of_position) if gauge == "canonical" else 0.0
        return ResidualSplit(self.cache["hook_embed"] + moved, position, constant)

    def apart(
        self, layer: int, gauge: str
    ) -> tuple[Float[Tensor, "#batch pos d_model"], Float[Tensor, "1 1 d_model"]]:
        """Position and the constant part of the stream before a layer; content is the rest.

        Behind a pre-norm the scale of each position is held as a constant, and its bias is the
        constant part.
        """
        if gauge == MEANS:
            position = self.of_each(layer)
            return position, torch.zeros_like(position[:1, :1])
        if gauge not in gauges_at(layer):
            known = ", ".join(gauges_at(layer))
            raise ValueError(f"gauge: expected one of {known} in layer {layer}, got {gauge!r}")
        place = self.tower.pos_embed.W_pos.detach()[: len(self.of_position)]
        place = (self.centred(place) if gauge == "canonical" else place)[None]
        if not hasattr(self.tower, "ln_pre"):
            return place, torch.zeros_like(place[:, :1])
        norm: Any = self.tower.ln_pre
        whole = self.cache["hook_embed"] + self.tower.pos_embed.W_pos.detach()[None]
        scale = centred_scale(whole, self.tower.cfg.eps)[..., None]
        position = (place - place.mean(-1, keepdim=True)) / scale * norm.w.detach()
        return position, norm.b.detach().expand_as(place[:1, :1])

    def positions(self, layer: int) -> Float[Tensor, "pos d_model"]:
        """Mean over the inputs at each position, centred over the positions of its component."""
        weight = self.seen.to(self.residual(layer).dtype)[..., None]
        mean = (self.residual(layer) * weight).sum(0) / weight.sum(0).clamp(min=1)
        return self.centred(mean)

    def of_each(self, layer: int) -> Float[Tensor, "#batch pos d_model"]:
        """What counts as position of each input: the mean over *other* clusters' inputs.

        What the inputs of one cluster share by accident then counts as content, so that the share
        of position is 0 on average where positions mean nothing. Without clusters it is the mean
        over all.
        """
        table, number = self.by_cluster(layer)
        return table if number is None else table[number]

    def by_cluster(self, layer: int) -> tuple[ByCluster, Int[Tensor, "batch"] | None]:
        """The position vectors of each cluster, and the cluster of each input."""
        if self.among is not None:
            whole, index = self.among
            table, number = whole.by_cluster(layer)
            return table, None if number is None else number[index]
        if layer not in self.vectors:
            self.vectors[layer] = self.means(layer)
        return self.vectors[layer]

    def means(self, layer: int) -> tuple[ByCluster, Int[Tensor, "batch"] | None]:
        """`by_cluster`, computed; a position that no other cluster reads takes the mean of all."""
        if self.clusters is None or len(self.clusters.unique()) < 2:
            return self.positions(layer)[None], None
        residual, number = self.residual(layer), self.clusters.unique(return_inverse=True)[1]
        member = F.one_hot(number).T.to(residual.dtype)
        weight = self.seen.to(residual.dtype)
        read = einsum(member, weight, residual, "group n, n pos, n pos d -> group pos d")
        count = einsum(member, weight, "group n, n pos -> group pos")[..., None]
        others = count.sum(0) - count
        mean = (read.sum(0) - read) / others.clamp(min=1)
        mean = torch.where(others > 0, mean, read.sum(0) / count.sum(0).clamp(min=1))
        return torch.stack([self.centred(rows) for rows in mean]), number

    def centred(self, rows: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos d_model"]:
        """Each row minus the mean of its component; 0 for a component of one position."""
        return rows - means_in(rows, self.of_position)


def means_in(
    rows: Float[Tensor, "pos d_model"], of_position: Int[Tensor, "pos"]
) -> Float[Tensor, "pos d_model"]:
    """The mean of the rows of each row's component, to the last bit the same for all of them."""
    number = of_position.unique(return_inverse=True)[1]
    member = F.one_hot(number).T.to(rows.dtype)
    return (member @ rows / member.sum(1, keepdim=True))[number]


def centred_scale(
    residual: Float[Tensor, "batch pos d_model"], eps: float
) -> Float[Tensor, "batch pos"]:
    """The scale by which a norm divides each position."""
    return (residual.var(-1, unbiased=False) + eps).sqrt()
