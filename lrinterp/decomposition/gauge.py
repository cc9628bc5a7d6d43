"""Gauge: what of token and position embeddings a model's inputs identify.

Adding c to some E_t and subtracting it from some P_i changes nothing when every admissible input
pairs just those tokens with just those positions. Such sets are the connected components of the
graph that joins a token with each position it occurs at; each carries one free vector. The
canonical gauge centres P over the positions of each component and moves the mean to its tokens,
so a component of one position has P = 0.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import bmat, csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from lrinterp.axes import Occurrence
from lrinterp.encoders import Tower

__all__ = ["GAUGES", "Embedding", "Gauge", "components", "embedding_in", "in_gauge"]

Gauge = Literal["canonical", "raw"]
GAUGES: tuple[Gauge, Gauge] = ("canonical", "raw")


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


def in_gauge(embedding: Embedding, occurs: Occurrence, gauge: Gauge) -> Embedding:
    """Move the mean of P over each component's positions to the component's tokens (canonical).

    `raw` returns the weights as they are. Raises ValueError for another gauge.
    """
    if gauge not in GAUGES:
        raise ValueError(f"gauge: expected one of {', '.join(GAUGES)}, got {gauge!r}")
    if gauge == "raw":
        return embedding
    W_E, W_pos = embedding.W_E.clone(), embedding.W_pos.clone()
    of_token, of_position = (member.to(W_E.device) for member in components(occurs))
    for component in of_position.unique():
        positions = of_position == component
        mean = embedding.W_pos[: len(positions)][positions].mean(0)
        W_pos[: len(positions)][positions] -= mean
        W_E[of_token == component] += mean
    return Embedding(W_E, W_pos)


@torch.no_grad()
def embedding_in(tower: Tower, occurs: Occurrence, gauge: Gauge) -> Embedding:
    """A tower's embeddings in a gauge, detached from its weights."""
    weights = Embedding(tower.embed.W_E.detach(), tower.pos_embed.W_pos.detach())
    return in_gauge(weights, occurs, gauge)
