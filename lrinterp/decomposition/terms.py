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
from lrinterp.decomposition.gauge import Embedding
from lrinterp.decomposition.streams import Split, centred_scale
from lrinterp.encoders import Tower
from lrinterp.store import InputError

__all__ = [
    "KEY_CONTENT",
    "KEY_POSITION",
    "TERMS",
    "key_sides",
    "parse_terms",
    "pooled_row",
    "position_values",
    "score_terms",
    "split_terms",
    "through_ln1",
    "total",
    "why_not",
]

TERMS = ("EE", "EP", "Eb", "PE", "PP", "Pb", "bE", "bP", "bb")
KEY_CONTENT = ("EE", "PE", "bE")
KEY_POSITION = ("EP", "PP", "bP")

TermScores = Float[Tensor, "term batch head query key"]
Rows = Float[Tensor, "batch head query key"]


def parse_terms(text: str) -> tuple[str, ...]:
    """Read "EP+PP+bP"; an unknown term is an InputError that lists the known ones.

    >>> parse_terms("EP+bP")
    ('EP', 'bP')
    """
    terms = tuple(text.split("+"))
    if unknown := [term for term in terms if term not in (*TERMS, "VP")]:
        raise InputError(f"term: expected some of {', '.join(TERMS)}, VP, got {unknown[0]!r}")
    return terms


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
    return split_terms(tower, 0, embedded(tokens, embedding), tokens.pool, pooled=pooled)


@torch.no_grad()
def split_terms(
    tower: Tower, layer: int, split: Split, pool: Int[Tensor, "batch"], *, pooled: bool = True
) -> TermScores:
    """The nine terms of the scores of any layer, from a split of the stream that it reads."""
    attn, read = tower.blocks[layer].attn, through_ln1(tower, layer, split)
    keys = [_project(read.content, attn.W_K), _project(read.position, attn.W_K)]
    keys.append((_project(read.constant, attn.W_K) + attn.b_K).expand_as(keys[0]))
    if pooled:
        read = read.at(pool)
    queries = [_project(read.content, attn.W_Q), _project(read.position, attn.W_Q)]
    queries.append((_project(read.constant, attn.W_Q) + attn.b_Q).expand_as(queries[0]))
    scale = tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0
    return torch.stack([einsum(q, k, _SCORES) / scale for q in queries for k in keys])


@torch.no_grad()
def key_sides(
    tower: Tower, layer: int, split: Split, pool: Int[Tensor, "batch"], *, pooled: bool = True
) -> tuple[Rows, Rows]:
    """Key-content (EE+PE+bE) and key-position (EP+PP+bP) alone, at a fifth of the nine's cost."""
    attn, read = tower.blocks[layer].attn, through_ln1(tower, layer, split)
    whole = read.at(pool).residual if pooled else read.residual
    query = _project(whole, attn.W_Q) + attn.b_Q
    query = query / (tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0)
    content, position = (
        einsum(query, _project(x, attn.W_K), _SCORES) for x in (read.content, read.position)
    )
    return content, position


@torch.no_grad()
def position_values(
    tower: Tower, tokens: Tokens, embedding: Embedding
) -> Float[Tensor, "batch pos head d_head"]:
    """The part of each value vector that the position embedding makes, P W_V."""
    read = through_ln1(tower, 0, embedded(tokens, embedding))
    return _project(read.position, tower.blocks[0].attn.W_V)


def pooled_row(
    square: Float[Tensor, "batch head query key"], pool: Int[Tensor, "batch"]
) -> Float[Tensor, "batch head 1 key"]:
    """The query row that the embedding is read from."""
    rows = torch.arange(len(pool), device=square.device)
    return square[rows, :, pool][:, :, None]


def total(terms: TermScores, names: Iterable[str]) -> Float[Tensor, "batch head query key"]:
    """The sum of some terms."""
    index = [TERMS.index(name) for name in names]
    return terms[index].sum(0)


def embedded(tokens: Tokens, embedding: Embedding) -> Split:
    """Token and position embedding as the split that the first layer reads."""
    E = embedding.W_E[tokens.ids]
    P = embedding.W_pos[: tokens.ids.shape[1]].expand_as(E)
    return Split(E, P, torch.zeros_like(E[:1, :1]))


def through_ln1(tower: Tower, layer: int, split: Split) -> Split:
    """What the attention of a layer reads: its norm at fixed scale, the norm's bias constant."""
    if tower.cfg.normalization_type is None:
        return Split(split.content, split.position.expand_as(split.content), split.constant)
    norm: Any = tower.blocks[layer].ln1
    scale = centred_scale(split.residual, tower.cfg.eps)[..., None]
    parts = (split.content, split.position, split.constant)
    content, position, constant = ((x - x.mean(-1, keepdim=True)) / scale for x in parts)
    if not hasattr(norm, "w"):
        return Split(content, position, constant)
    return Split(content * norm.w, position * norm.w, constant * norm.w + norm.b)


_SCORES = "batch query head d, batch key head d -> batch head query key"


def _project(
    x: Float[Tensor, "batch pos d_model"], W: Float[Tensor, "head d_model d_head"]
) -> Float[Tensor, "batch pos head d_head"]:
    return einsum(x, W, "batch pos d_model, head d_model d_head -> batch pos head d_head")
