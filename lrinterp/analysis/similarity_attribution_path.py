"""The margin along a path of attention, for one attention-only layer without norm.

The embedding of such a tower, before it is divided by its length, is a sum over its values,

    v = (x_q + b_O) W_U + b_U + sum_h sum_j a_hj (x_j W_V + b_V) W_O W_U,

q the pooled position, j the keys, a the attention. With the values held the margin v . w / |v|
depends on the scores alone, and gradients along a path of scores divide it among their terms.
A closed form of this simplest case, in which attention moves no later attention: `why_no_path`
says why another tower has none. `margin_parts` takes towers of any depth apart directly.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.analysis.contrast import Contrast
from lrinterp.axes import Embeddings
from lrinterp.decomposition import (
    KEY_CONTENT,
    KEY_POSITION,
    Groups,
    Streams,
    split_terms,
    total,
    why_not,
)
from lrinterp.decomposition.margin_parts import MarginParts, at_pool, length
from lrinterp.encoders import Tower
from lrinterp.run import TowerRun
from lrinterp.run.memory import part_size

__all__ = [
    "COMPLETE",
    "MISSED",
    "AttentionPath",
    "ScoreSpace",
    "TakenApart",
    "all_apart",
    "chunk_size",
    "in_chunks",
    "why_no_path",
]

NODES = (32, 64, 128, 256)
"""Points of the path; the next number is tried where the last leaves too large an error."""
COMPLETE = 1e-5
"""Error of the parts' sum, in units of the margin, that is small enough."""
MOST_NUMBERS = 2**22
"""Doubles that the values of a chunk of examples, and two copies, may take: 32 MiB."""

ScoreRow = Float[Tensor, "example head key"]


def why_no_path(tower: Tower) -> str | None:
    """Why a tower's margin is no function of one layer's scores, or None where it is."""
    cfg = tower.cfg
    reasons = {
        f"it has {cfg.n_layers} layers, and attention of one layer moves that of the next": (
            cfg.n_layers != 1
        ),
        "it has an MLP, which no sum over heads and keys describes": not cfg.attn_only,
        f"its normalization ({cfg.normalization_type}) scales each key and the sum": (
            cfg.normalization_type is not None or hasattr(tower, "ln_pre")
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


@dataclass(frozen=True)
class ScoreSpace:
    """The margins of a tower's inputs as functions of the pooled query's scores, in doubles."""

    direction: Float[Tensor, "example d_embed"]
    terms: Float[Tensor, "term example head key"]
    """The nine score terms, canonical gauge, centred over the keys that are seen; 0 elsewhere."""
    flattened: ScoreRow
    """What key-position adds to the scores, which flattening takes away."""
    seen: Bool[Tensor, "example 1 key"]
    beside: Float[Tensor, "example d_embed"]
    """What reaches the embedding beside the heads."""
    values: Float[Tensor, "example head key d_embed"]
    """What a key adds under all of a head's attention."""

    @classmethod
    @torch.no_grad()
    def of(cls, streams: Streams, direction: Embeddings) -> "ScoreSpace":
        """Terms and values of some inputs along a direction for each."""
        split = streams.split(0, "canonical")
        rows = split_terms(streams.tower, 0, split, streams.pool).double()
        seen, member = streams.seen[:, None], streams.of_position[None]
        everywhere = Groups(torch.zeros_like(member), seen)
        attn, unembed = streams.tower.blocks[0].attn, streams.tower.unembed
        read, W_U = split.content.double() + split.position.double(), unembed.W_U.double()
        value = einsum(read, attn.W_V.double(), "n key m, head m d -> n head key d")
        value = value + attn.b_V.double()[:, None]
        out = einsum(attn.W_O.double(), W_U, "head d m, m e -> head d e")
        return cls(
            direction=direction.double(),
            terms=torch.stack([everywhere.centred(term) for term in rows])[:, :, :, 0],
            flattened=Groups(member, seen).centred(total(rows, KEY_POSITION))[:, :, 0],
            seen=seen,
            beside=(at_pool(read, streams) + attn.b_O.double()) @ W_U + unembed.b_U.double(),
            values=einsum(value, out, "n head key d, head d e -> n head key e"),
        )

    def attention(self, along: float = 1.0) -> ScoreRow:
        """Attention of the pooled query with its centred scores scaled: 0 uniform, 1 intact."""
        return self.softmax(along * self.terms.sum(0))

    def softmax(self, scores: ScoreRow) -> ScoreRow:
        """Weights over the keys that are seen."""
        return scores.masked_fill(~self.seen, -torch.inf).softmax(-1)

    def embedding(self, attention: ScoreRow) -> Float[Tensor, "example d_embed"]:
        """v, the embedding before it is divided by its length."""
        return self.beside + einsum(attention, self.values, "n head key, n head key e -> n e")

    def margin(self, attention: ScoreRow) -> Float[Tensor, "example"]:
        """The margin, v . w / |v|."""
        v = self.embedding(attention)
        return (v * self.direction).sum(-1) / length(v)[:, 0]

    @torch.enable_grad()
    def gradient(self, along: float) -> ScoreRow:
        """Derivative of the margin by each score, |v| free, at a point of the path.

        Sums to 0 over the keys of a head.
        """
        scores = (along * self.terms.sum(0)).detach().requires_grad_()
        return torch.autograd.grad(self.margin(self.softmax(scores)).sum(), scores)[0]

    def integrated(self, nodes: int) -> Float[Tensor, "term example head"]:
        """Integrated gradients of each term by Gauss and Legendre's rule.

        Sum over keys of term_j times the integral of dm/ds_j over the path from uniform attention
        to the model's own. Over heads and terms they add up to the margin minus that of uniform
        attention. Source: Sundararajan et al. 2017 (arXiv 1703.01365), section 3.
        """
        places, weights = np.polynomial.legendre.leggauss(nodes)
        slopes = (w / 2 * self.gradient((x + 1) / 2) for x, w in zip(places, weights, strict=True))
        return (self.terms * sum(slopes, torch.zeros_like(self.flattened))).sum(-1)


@dataclass(frozen=True, kw_only=True)
class AttentionPath:
    """What attention makes of the margins of a tower's inputs, in units of cosine."""

    margin: Float[np.ndarray, "example"]
    uniform: Float[np.ndarray, "example"]
    """The margin under uniform attention."""
    attention: Float[np.ndarray, "example head key"]
    flat_margin: Float[np.ndarray, "example"]
    """The margin with key-position flattened, and the attention then."""
    flat_attention: Float[np.ndarray, "example head key"]
    alone: Float[np.ndarray, "side example"]
    """The margin with key-position, and with key-content, alone in the scores."""
    by_term: Float[np.ndarray, "term example head"]
    nodes: Int[np.ndarray, "example"]
    """Points of the path."""

    @classmethod
    def of(cls, streams: Streams, direction: Embeddings) -> "AttentionPath":
        """The path of some inputs, with the fewest points that are exact enough.

        Cost: examples x heads x keys x d_embed multiplications for each point; as many points as
        leave an error under 1e-5, at most 256.
        """
        space = ScoreSpace.of(streams, direction)
        attention, flat = space.attention(), space.softmax(space.terms.sum(0) - space.flattened)
        whole, uniform = space.margin(attention), space.margin(space.attention(0.0))
        for nodes in NODES:
            by_term = space.integrated(nodes)
            if (by_term.sum((0, 2)) - (whole - uniform)).abs().max() < COMPLETE:
                break
        alone = [total(space.terms, side) for side in (KEY_POSITION, KEY_CONTENT)]
        arrays = {
            "margin": whole,
            "uniform": uniform,
            "attention": attention,
            "flat_margin": space.margin(flat),
            "flat_attention": flat,
            "alone": torch.stack([space.margin(space.softmax(scores)) for scores in alone]),
            "by_term": by_term,
            "nodes": torch.full_like(whole, nodes, dtype=torch.long),
        }
        return cls(**{name: x.cpu().numpy() for name, x in arrays.items()})

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
    def completeness(self) -> float:
        """Largest error of the terms' sum."""
        return float(np.abs(self.by_term.sum((0, 2)) - (self.margin - self.uniform)).max())


def chunk_size(run: TowerRun, direction: Embeddings) -> int:
    """Inputs whose values at every key fit into the memory that a chunk may take."""
    values = run.n_positions * run.tower.cfg.n_heads * direction.shape[1]
    return max(1, MOST_NUMBERS // (3 * values))


T = TypeVar("T")
MISSED = 1e-4
"""Error of the sum beyond which a tower computes something else than its configuration says."""
EXAMPLE = {"alone": 1, "by_term": 1, "parts": 1, "by_key": 2}
"""The axis of examples, where it is not the first."""


@dataclass(frozen=True)
class TakenApart:
    """One tower's margins: their direct parts, and the path of attention where there is one."""

    contrast: Contrast
    parts: MarginParts
    path: AttentionPath | None

    @classmethod
    def of(cls, contrast: Contrast) -> "TakenApart":
        """Of the clean inputs."""
        path, run, along = None, contrast.clean, contrast.direction
        if not why_no_path(run.tower):
            path = in_chunks(AttentionPath.of, run, along, chunk_size(run, along))
        parts = in_chunks(MarginParts.of, run, along, part_size(run.tower, run.n_positions))
        return cls(contrast, parts, path)

    @cached_property
    def errors(self) -> dict[str, Any]:
        """How exactly the parts add up: to the margins of the model, and along the path."""
        margins = self.contrast.margins().cpu().numpy()
        error, largest = (float(np.abs(x).max()) for x in (self.parts.whole - margins, margins))
        return {
            "encoder": self.contrast.tower,
            "reconstruction_error": error,
            "relative_error": error / largest if largest else None,
            "completeness_error": self.path.completeness if self.path else None,
            "nodes": int(self.path.nodes.max()) if self.path else None,
            "n": len(margins),
        }


def in_chunks(
    of: Callable[[Streams, Embeddings], T],
    run: TowerRun,
    direction: Embeddings,
    size: int,
) -> T:
    """What is made of some inputs and their directions, a chunk at a time to bound memory."""
    chunks: list[Any] = [of(part.streams, direction[some]) for some, part in run.parts(size)]
    arrays = {
        name: np.concatenate([getattr(chunk, name) for chunk in chunks], EXAMPLE.get(name, 0))
        for name, value in vars(chunks[0]).items()
        if isinstance(value, np.ndarray)
    }
    return replace(chunks[0], **arrays)


def all_apart(pairs: list[Contrast]) -> tuple[dict[str, TakenApart], list[str]]:
    """The margins of each tower taken apart, and what is left out and why."""
    found, notes = {}, []
    for contrast in pairs:
        name, reason = contrast.tower, why_not(contrast.clean.tower)
        if not reason:
            found[name] = TakenApart.of(contrast)
            error = found[name].errors["reconstruction_error"]
            if not error <= MISSED:
                reason = f"what it is made of misses its margin by {error:.1g}"
        if reason:
            found.pop(name, None)
            notes.append(f"The {name} tower is left out: {reason}.")
        elif reason := why_no_path(contrast.clean.tower):
            lacks = {"image": ", and its margins are not set beside the attention of one head"}
            notes.append(
                f"The {name} tower is taken apart directly alone, without parts through attention"
                f"{lacks.get(name, '')}: {reason}."
            )
    return found, notes
