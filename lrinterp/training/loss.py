"""The contrastive loss."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["contrastive_loss"]


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
