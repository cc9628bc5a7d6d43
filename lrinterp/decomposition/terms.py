"""The nine terms of an attention score.

s_ij = ((E_i + P_i) W_Q + b_Q) . ((E_j + P_j) W_K + b_K) / sqrt(d_head) splits into nine products,
query {E, P, b} x key {E, P, b}, first letter query. With LayerNorm the scale of each example's
residual stream is held as a constant, and the norm's bias counts to b on both sides.
In the first layer E and P are token and position embedding; above it they are the content and
position parts of the residual stream, see `lrinterp.decomposition.streams`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from lrinterp.axes import Tokens
from lrinterp.decomposition.streams import Embedding, ResidualSplit, centred_scale
from lrinterp.encoders import Tower

__all__ = [
    "KEY_CONTENT",
    "KEY_POSITION",
    "TERMS",
    "score_scale",
    "score_terms",
    "split_terms",
    "term_scores",
    "through_ln1",
    "total",
    "why_not",
]

TERMS = ("EE", "EP", "Eb", "PE", "PP", "Pb", "bE", "bP", "bb")
KEY_CONTENT = ("EE", "PE", "bE")
KEY_POSITION = ("EP", "PP", "bP")

TermScores = Float[Tensor, "term batch head query key"]
Rows = Float[Tensor, "batch head query key"]


def why_not(tower: Tower) -> str | None:
    """Why the nine terms do not exist for a tower, or None where they do."""
    cfg = tower.cfg
    if cfg.positional_embedding_type != "standard":
        return f"positions enter by {cfg.positional_embedding_type}, not by an added embedding"
    if cfg.normalization_type not in (None, "LN", "LNPre"):
        return f"normalization {cfg.normalization_type} is not linear in its input at fixed scale"
    return None


@torch.no_grad()
def score_terms(
    tower: Tower, tokens: Tokens, embedding: Embedding, *, pooled: bool = True
) -> TermScores:
    """The nine terms of each first-layer score, in the order of TERMS.

    For the pooled query row or all rows. Masked keys are not marked: compare where the causal
    mask lets a key be seen.
    Source: arXiv 2601.12809, section 4; LayerNorm as in Elhage et al. 2021.
    """
    E = embedding.W_E[tokens.ids]
    P = embedding.W_pos[: tokens.ids.shape[1]].expand_as(E)
    return split_terms(
        tower, 0, ResidualSplit(E, P, torch.zeros_like(E[:1, :1])), tokens.pool, pooled=pooled
    )


@torch.no_grad()
def split_terms(
    tower: Tower,
    layer: int,
    split: ResidualSplit,
    pool: Int[Tensor, "batch"],
    *,
    pooled: bool = True,
) -> TermScores:
    """The nine terms of the scores of any layer, from a split of the stream that it reads."""
    attn, read = tower.blocks[layer].attn, through_ln1(tower, layer, split)
    queries = _projections(read.at(pool) if pooled else read, attn.W_Q, attn.b_Q)
    keys = _projections(read, attn.W_K, attn.b_K)
    return torch.stack([einsum(q, k, _SCORES) / score_scale(tower) for q in queries for k in keys])


@torch.no_grad()
def term_scores(
    tower: Tower,
    layer: int,
    split: ResidualSplit,
    terms: Iterable[str],
    pool: Int[Tensor, "batch"] | None = None,
) -> Rows:
    """The sum of some terms of a layer's scores, from a split of the stream that it reads.

    Formula: sum over key parts b of (sum of the query parts a with ab among the terms) . k_b. Of
    the rows `pool` alone, or of all query rows for None. Where all three query parts go with a key
    part, the query is projected whole.
    """
    attn, read, chosen = tower.blocks[layer].attn, through_ln1(tower, layer, split), set(terms)
    asking = read if pool is None else read.at(pool)
    scores: Any = 0
    for key, vectors in zip("EPb", read.parts, strict=True):
        if letters := [letter for letter in "EPb" if letter + key in chosen]:
            parts = zip("EPb", asking.parts, strict=True)
            asked: Any = sum(part for letter, part in parts if letter in letters)
            query = _project(asked, attn.W_Q)
            query = query + attn.b_Q if "b" in letters else query
            bias = attn.b_K if key == "b" else None
            scores = scores + _against(query, vectors, attn.W_K, bias)
    return (scores / score_scale(tower)).expand(len(split.content), -1, -1, -1)


def score_scale(tower: Tower) -> float:
    """What a tower divides its scores by."""
    return tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0


def total(terms: Any, names: Iterable[str]) -> Any:
    """The sum of some of the nine terms, the first axis of a tensor or an array."""
    index = [TERMS.index(name) for name in names]
    return terms[index].sum(0)


def through_ln1(tower: Tower, layer: int, split: ResidualSplit) -> ResidualSplit:
    """What the attention of a layer reads: its norm at fixed scale, the norm's bias constant."""
    if tower.cfg.normalization_type is None:
        return split
    norm: Any = tower.blocks[layer].ln1
    scale = centred_scale(split.residual, tower.cfg.eps)[..., None]
    weight, bias = getattr(norm, "w", 1.0), getattr(norm, "b", 0.0)
    content, position, constant = (
        (x - x.mean(-1, keepdim=True)) / scale * weight for x in split.parts
    )
    return ResidualSplit(content, position, constant + bias)


def _projections(
    split: ResidualSplit,
    W: Float[Tensor, "head d_model d_head"],
    bias: Float[Tensor, "head d_head"],
) -> list[Float[Tensor, "batch pos head d_head"]]:
    """Queries or keys by what they are made of, in the order E, P, b."""
    content, position, constant = (_project(part, W) for part in split.parts)
    return [content, position.expand_as(content), (constant + bias).expand_as(content)]


_SCORES = "batch query head d, batch key head d -> batch head query key"


def _against(
    query: Float[Tensor, "#batch query head d_head"],
    vectors: Float[Tensor, "#batch #pos d_model"],
    W_K: Float[Tensor, "head d_model d_head"],
    bias: Float[Tensor, "head d_head"] | None,
) -> Rows:
    """Scores of queries with the keys of some vectors; of one query the cheaper product first."""
    if query.shape[1] > 1 or bias is not None:
        keys = _project(vectors, W_K)
        return einsum(query, keys if bias is None else keys + bias, _SCORES)
    asked = einsum(query, W_K, "batch query head d, head d_model d -> batch query head d_model")
    return einsum(
        asked, vectors, "batch query head d_model, batch key d_model -> batch head query key"
    )


def _project(
    x: Float[Tensor, "batch pos d_model"], W: Float[Tensor, "head d_model d_head"]
) -> Float[Tensor, "batch pos head d_head"]:
    return einsum(x, W, "batch pos d_model, head d_model d_head -> batch pos head d_head")
