"""The margin of one attention-only layer: as a sum of what is read, and as a path of attention.

Without norm and MLP the embedding of such a tower, before it is divided by its length, is a sum:

    v = (E_q + P_q + b_O) W_U + b_U + sum_h sum_j a_hj (E_j W_V + P_j W_V + b_V) W_O W_U,

q the pooled position, j the keys, a the attention; the margin is v . w / |v| along a direction w.
With a and |v| held it is a sum over heads, keys and parts of the values; with the values held it
depends on the scores alone, and gradients along a path of scores divide it among their terms.
Not for towers with more layers, a norm or an MLP: `why_not_a_sum` says why, `margin_at_depth`
takes those apart directly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.axes import Embeddings, Occurrence, Tokens
from lrinterp.decomposition import (
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    embedding_in,
    groups_of,
    row_change,
    score_terms,
    total,
    why_not,
)
from lrinterp.encoders import Tower

__all__ = ["DIRECT_PARTS", "VALUE_PARTS", "Attributed", "MarginParts", "attribute", "why_not_a_sum"]

VALUE_PARTS = ("E", "P", "b")
"""What a value vector is made of: token, position, bias b_V."""
DIRECT_PARTS = ("E", "P", "b_O", "b_U")
"""What reaches the embedding beside the heads."""
NODES = (32, 64, 128, 256)
"""Points of the path; the next number is tried where the last leaves too large an error."""
COMPLETE = 1e-5
"""Error of the parts' sum, in units of the margin, that is small enough."""
MOST_NUMBERS = 2**22
"""Doubles that the values of one chunk of examples may take: 32 MiB."""
SHORTEST = 1e-12
"""Below this length an embedding is not divided by it, as in torch's `normalize`."""


def why_not_a_sum(tower: Tower) -> str | None:
    """Why a tower's margin is no sum over heads and keys, or None where it is."""
    cfg = tower.cfg
    if cfg.n_layers != 1:
        return f"it has {cfg.n_layers} layers, and attention of one layer moves that of the next"
    if not cfg.attn_only:
        return "it has an MLP, which no sum over heads and keys describes"
    if cfg.normalization_type is not None:
        return f"its normalization ({cfg.normalization_type}) scales each key and the sum"
    return why_not(tower)


@dataclass(frozen=True)
class MarginParts:
    """One tower on some inputs, in double precision, tokens and positions in canonical gauge."""

    direction: Float[Tensor, "example d_embed"]
    terms: Float[Tensor, "term example head key"]
    """The nine score terms of the pooled query, centred over the keys it sees; 0 elsewhere."""
    flattening: Float[Tensor, "example head key"]
    """What flattening key-position adds to the scores."""
    seen: Bool[Tensor, "example key"]
    direct: Float[Tensor, "direct example d_embed"]
    written: Float[Tensor, "part example head key d_embed"]
    """What a key adds to v under all of a head's attention, by part of its value."""

    @classmethod
    @torch.no_grad()
    def of(
        cls, tower: Tower, tokens: Tokens, occurs: Occurrence, direction: Embeddings
    ) -> "MarginParts":
        """The parts of some inputs along a direction for each."""
        space = embedding_in(tower, occurs, "canonical")
        groups = groups_of(tower, tokens, occurs)
        rows = score_terms(tower, tokens, space).double()
        flattening = row_change("flatten", total(rows, KEY_POSITION), groups)[:, :, 0]
        seen, terms = groups.seen[:, 0], rows[:, :, :, 0]
        mask = seen[:, None].double()
        centred = (terms - (terms * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)) * mask
        attn, W_U = tower.blocks[0].attn, tower.unembed.W_U.double()
        out = einsum(attn.W_O.double(), W_U, "head d m, m e -> head d e")
        through = einsum(attn.W_V.double(), out, "head m d, head d e -> head m e")
        used, ids = tokens.ids.unique(return_inverse=True)
        positions = torch.arange(tokens.ids.shape[1], device=ids.device).expand_as(ids)
        E, P = space.W_E[used].double(), space.W_pos[: ids.shape[1]].double()
        by_token, by_position = (
            einsum(x, through, "which m, head m e -> which head e") for x in (E, P)
        )
        bias = einsum(attn.b_V.double(), out, "head d, head d e -> head e")
        each = (by_token[ids], by_position[positions], bias.expand(*ids.shape, *bias.shape))
        query = ids[torch.arange(len(tokens), device=ids.device), tokens.pool]
        pooled = (E[query], P[tokens.pool], attn.b_O.double().expand(len(ids), -1))
        direct = [x @ W_U for x in pooled] + [tower.unembed.b_U.double().expand(len(ids), -1)]
        return cls(
            direction=direction.double(),
            terms=centred,
            flattening=flattening,
            seen=seen,
            direct=torch.stack(direct),
            written=rearrange([*each], "part example key head e -> part example head key e"),
        )

    @cached_property
    def values(self) -> Float[Tensor, "example head key d_embed"]:
        """What a key adds under all of a head's attention."""
        return self.written.sum(0)

    def attention(self, along: float = 1.0) -> Float[Tensor, "example head key"]:
        """Attention of the pooled query with its centred scores scaled: 0 uniform, 1 intact."""
        return self.softmax(along * self.terms.sum(0))

    def softmax(
        self, scores: Float[Tensor, "example head key"]
    ) -> Float[Tensor, "example head key"]:
        """Weights over the keys that are seen."""
        return scores.masked_fill(~self.seen[:, None], -torch.inf).softmax(-1)

    def embedding(
        self, attention: Float[Tensor, "example head key"]
    ) -> Float[Tensor, "example d_embed"]:
        """v, the embedding before it is divided by its length."""
        moved = einsum(attention, self.values, "n head key, n head key e -> n e")
        return self.direct.sum(0) + moved

    def margin(self, attention: Float[Tensor, "example head key"]) -> Float[Tensor, "example"]:
        """The margin, v . w / |v|."""
        v = self.embedding(attention)
        return (v * self.direction).sum(-1) / length(v)[:, 0]

    def alone(self, terms: Sequence[str]) -> Float[Tensor, "example"]:
        """The margin where some terms make the scores, all others left out."""
        kept = [TERMS.index(term) for term in terms]
        return self.margin(self.softmax(self.terms[kept].sum(0)))

    def contributions(
        self,
    ) -> tuple[Float[Tensor, "direct example"], Float[Tensor, "part example head key"]]:
        """Summands of the margin, attention and |v| held: beside the heads, and by head and key."""
        attention = self.attention()
        read = self.direction / length(self.embedding(attention))
        direct = einsum(self.direct, read, "part n e, n e -> part n")
        moved = einsum(self.written, read, "part n head key e, n e -> part n head key")
        return direct, moved * attention

    def gradient(self, along: float) -> Float[Tensor, "example head key"]:
        """Derivative of the margin by each score, |v| free, at a point of the path.

        With u = v / |v|: dm/dv = (w - (w . u) u) / |v|, then the derivative of the softmax. Sums
        to 0 over the keys of a head.
        """
        attention = self.attention(along)
        v = self.embedding(attention)
        unit = v / length(v)
        across = self.direction - (self.direction * unit).sum(-1, keepdim=True) * unit
        by_weight = einsum(self.values, across / length(v), "n head key e, n e -> n head key")
        return attention * (by_weight - (attention * by_weight).sum(-1, keepdim=True))

    def integrated(self, nodes: int) -> Float[Tensor, "term example head"]:
        """Integrated gradients of each term by Gauss and Legendre's rule.

        Sum over keys of term_j times the integral of dm/ds_j over the path from uniform attention
        to the model's own. Over heads and terms they add up to the margin minus that of uniform
        attention. Source: Sundararajan et al. 2017 (arXiv 1703.01365), section 3.
        """
        places, weights = np.polynomial.legendre.leggauss(nodes)
        total = torch.zeros_like(self.terms[0])
        for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
            total += weight / 2 * self.gradient((place + 1) / 2)
        return (self.terms * total).sum(-1)


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """The margins of a tower's inputs, taken apart in both ways."""

    margin: Float[np.ndarray, "example"]
    uniform: Float[np.ndarray, "example"]
    """The margin under uniform attention."""
    attention: Float[np.ndarray, "example head key"]
    flat_margin: Float[np.ndarray, "example"]
    """The margin with key-position flattened, and the attention then."""
    flat_attention: Float[np.ndarray, "example head key"]
    alone: Float[np.ndarray, "side example"]
    """The margin with key-position, and with key-content, alone in the scores."""
    direct: Float[np.ndarray, "direct example"]
    by_key: Float[np.ndarray, "part example head key"]
    by_term: Float[np.ndarray, "term example head"]
    nodes: int

    @property
    def attended(self) -> Bool[np.ndarray, "example key"]:
        """The keys that the pooled query sees."""
        return np.any(self.attention > 0, axis=1)

    @property
    def added(self) -> Float[np.ndarray, "side when example"]:
        """What key-position, then key-content, adds to the margin: first, last, Shapley value.

        First: alone minus uniform attention; last: the whole minus the other one alone; the Shapley
        value of two is the mean of both. They differ where the margin is not additive.
        """
        first = self.alone - self.uniform
        last = self.margin - self.alone[::-1]
        return np.stack([first, last, (first + last) / 2], axis=1)

    @property
    def whole(self) -> Float[np.ndarray, "example"]:
        """The sum of all direct parts."""
        return self.direct.sum(0) + self.by_key.sum((0, 2, 3))

    @property
    def completeness(self) -> float:
        """Largest error of the terms' sum."""
        error = self.by_term.sum((0, 2)) - (self.margin - self.uniform)
        return float(np.abs(error).max())


def attribute(
    tower: Tower, tokens: Tokens, occurs: Occurrence, direction: Embeddings
) -> Attributed:
    """Both ways for all inputs, in chunks that bound memory.

    Cost: examples x heads x keys x d_embed multiplications for each point of the path; as many
    points as leave an error under 1e-5, at most 256.
    """
    numbers = len(VALUE_PARTS) * tokens.ids.shape[1] * tower.cfg.n_heads * direction.shape[1]
    size = max(1, MOST_NUMBERS // numbers)
    chunks = [slice(start, start + size) for start in range(0, len(tokens), size)]
    return joined(
        [apart(MarginParts.of(tower, tokens.at(c), occurs, direction[c])) for c in chunks]
    )


def apart(parts: MarginParts) -> Attributed:
    """The margins of one chunk, with the fewest points of the path that are exact enough."""
    attention, flat = parts.attention(), parts.softmax(parts.terms.sum(0) + parts.flattening)
    direct, by_key = parts.contributions()
    whole, uniform = parts.margin(attention), parts.margin(parts.attention(0.0))
    by_term, nodes = parts.integrated(NODES[0]), NODES[0]
    for more in NODES[1:]:
        if (by_term.sum((0, 2)) - (whole - uniform)).abs().max() < COMPLETE:
            break
        by_term, nodes = parts.integrated(more), more
    arrays = {
        "margin": whole,
        "uniform": uniform,
        "attention": attention,
        "flat_margin": parts.margin(flat),
        "flat_attention": flat,
        "alone": torch.stack([parts.alone(side) for side in (KEY_POSITION, KEY_CONTENT)]),
        "direct": direct,
        "by_key": by_key,
        "by_term": by_term,
    }
    return Attributed(**{name: x.cpu().numpy() for name, x in arrays.items()}, nodes=nodes)


def joined(chunks: Sequence[Attributed]) -> Attributed:
    """Chunks of examples as one."""
    names = [field.name for field in fields(Attributed) if field.name != "nodes"]
    axes = {name: int(name in ("alone", "direct", "by_key", "by_term")) for name in names}
    arrays = {n: np.concatenate([getattr(c, n) for c in chunks], axis) for n, axis in axes.items()}
    return Attributed(**arrays, nodes=max(chunk.nodes for chunk in chunks))


def length(v: Float[Tensor, "example d_embed"]) -> Float[Tensor, "example 1"]:
    """|v|, kept away from 0."""
    return v.norm(dim=-1, keepdim=True).clamp(min=SHORTEST)
