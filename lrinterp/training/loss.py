"""The contrastive loss, of one model and of a stack."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["contrastive_loss", "stacked_contrastive_loss"]


def contrastive_loss(
    images: Float[Tensor, "batch d_embed"],
    captions: Float[Tensor, "batch d_embed"],
    log_scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE: the i-th caption belongs to the i-th picture, all others do not.

    Formula: with S = exp(log_scale) * images @ captions.T, the mean of the two cross entropies of
    S against its diagonal, by rows and by columns. Embeddings are unit vectors.

    Source: Radford et al., "Learning transferable visual models" (arXiv 2103.00020), fig. 3.
    """
    scores = log_scale.exp() * images @ captions.T
    target = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


def stacked_contrastive_loss(
    images: Float[Tensor, "model batch d_embed"],
    captions: Float[Tensor, "model batch d_embed"],
    log_scale: Float[Tensor, "model"],
) -> Float[Tensor, "model"]:
    """`contrastive_loss` of each model of a stack."""
    scores = (log_scale.exp()[:, None, None] * images) @ captions.transpose(1, 2)
    return _CrossEntropies.apply(scores)


class _CrossEntropies(torch.autograd.Function):
    """Both cross entropies against the diagonal, in few passes over the scores.

    d loss / d S = (softmax over rows + softmax over columns - 2 I) / (2 batch).
    """

    @staticmethod
    def forward(ctx: Any, scores: Float[Tensor, "model batch batch"]) -> Float[Tensor, "model"]:
        rows, columns = scores.softmax(2), scores.softmax(1)
        ctx.save_for_backward(rows, columns)
        right = torch.stack([p.diagonal(dim1=1, dim2=2) for p in (rows, columns)])
        return -right.clamp(min=torch.finfo(right.dtype).tiny).log().mean((0, 2))

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Float[Tensor, "model batch batch"]:
        rows, columns = ctx.saved_tensors
        change = rows + columns
        change.diagonal(dim1=1, dim2=2).sub_(2)
        return change.mul_((outer[0] / (2 * rows.shape[1]))[:, None, None])
