"""The nine terms of an attention score in the first layer.

s_ij = ((E_i + P_i) W_Q + b_Q) . ((E_j + P_j) W_K + b_K) / sqrt(d_head) splits into nine products,
query {E, P, b} x key {E, P, b}, first letter query. With LayerNorm the scale of each example's
residual stream is held as a constant, and the norm's bias counts to b on both sides.
Above the first layer this split does not exist.
"""

from collections.abc import Iterable
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from lrinterp.axes import Tokens
from lrinterp.decomposition.gauge import Embedding
from lrinterp.encoders import Tower
from lrinterp.store import InputError

__all__ = [
    "KEY_CONTENT",
    "KEY_POSITION",
    "TERMS",
    "parse_terms",
    "pooled_row",
    "position_values",
    "score_terms",
    "total",
    "why_not",
]

TERMS = ("EE", "EP", "Eb", "PE", "PP", "Pb", "bE", "bP", "bb")
KEY_CONTENT = ("EE", "PE", "bE")
KEY_POSITION = ("EP", "PP", "bP")

TermScores = Float[Tensor, "term batch head query key"]


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
    """The nine terms of each score, in the order of TERMS, for the pooled query row or all rows.

    Masked keys are not marked: compare where the causal mask lets a key be seen.
    Source: arXiv 2601.12809, section 4; LayerNorm as in Elhage et al. 2021.
    """
    attn = tower.blocks[0].attn
    E, P, b = _inputs(tower, tokens, embedding)
    rows = torch.arange(len(tokens), device=tokens.ids.device)
    query_E, query_P = (x[rows, tokens.pool][:, None] if pooled else x for x in (E, P))
    queries = [_project(query_E, attn.W_Q), _project(query_P, attn.W_Q)]
    queries.append((_project(b, attn.W_Q) + attn.b_Q).expand_as(queries[0]))
    keys = [_project(E, attn.W_K), _project(P, attn.W_K)]
    keys.append((_project(b, attn.W_K) + attn.b_K).expand_as(keys[0]))
    scale = tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0
    return torch.stack(
        [
            einsum(q, k, "batch query head d, batch key head d -> batch head query key") / scale
            for q in queries
            for k in keys
        ]
    )


@torch.no_grad()
def position_values(
    tower: Tower, tokens: Tokens, embedding: Embedding
) -> Float[Tensor, "batch pos head d_head"]:
    """The part of each value vector that the position embedding makes, P W_V."""
    _, P, _ = _inputs(tower, tokens, embedding)
    return _project(P, tower.blocks[0].attn.W_V)


def pooled_row(
    square: Float[Tensor, "batch head query key"], tokens: Tokens
) -> Float[Tensor, "batch head 1 key"]:
    """The query row that the embedding is read from."""
    rows = torch.arange(len(tokens), device=square.device)
    return square[rows, :, tokens.pool][:, :, None]


def total(terms: TermScores, names: Iterable[str]) -> Float[Tensor, "batch head query key"]:
    """The sum of some terms."""
    index = [TERMS.index(name) for name in names]
    return terms[index].sum(0)


def _inputs(tower: Tower, tokens: Tokens, embedding: Embedding) -> tuple[Tensor, Tensor, Tensor]:
    """Token part, position part and constant part of what the first attention layer reads."""
    E = embedding.W_E[tokens.ids]
    P = embedding.W_pos[: tokens.ids.shape[1]].expand_as(E)
    if tower.cfg.normalization_type is None:
        return E, P, torch.zeros_like(E[:1, :1])
    norm: Any = tower.blocks[0].ln1
    residual = E + P
    centred = residual - residual.mean(-1, keepdim=True)
    scale = (centred.pow(2).mean(-1, keepdim=True) + tower.cfg.eps).sqrt()
    weight, bias = (norm.w, norm.b) if hasattr(norm, "w") else (1.0, torch.zeros_like(E[:1, :1]))
    E, P = ((x - x.mean(-1, keepdim=True)) / scale * weight for x in (E, P))
    return E, P, bias.expand_as(E[:1, :1])


def _project(
    x: Float[Tensor, "batch pos d_model"], W: Float[Tensor, "head d_model d_head"]
) -> Float[Tensor, "batch pos head d_head"]:
    return einsum(x, W, "batch pos d_model, head d_model d_head -> batch pos head d_head")
