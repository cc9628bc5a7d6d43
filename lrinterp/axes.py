"""The shape vocabulary: what the axes of every array in lrinterp are called.

Axis names: `image` and `caption` count examples, `batch` either of them; `pos` is a position of
a tower's context; `query` and `key` are positions in an attention map; `term` runs over the nine
score terms of `lrinterp.decomposition`.
"""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Embeddings", "Occurrence", "Scores", "Tokens"]

Embeddings = Float[Tensor, "batch d_embed"]
Scores = Float[Tensor, "image caption"]
Occurrence = Bool[Tensor, "token pos"]


@dataclass(frozen=True)
class Tokens:
    """What one tower reads: token ids, and the position whose residual becomes the embedding."""

    ids: Int[Tensor, "batch pos"]
    pool: Int[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, index: slice | Int[Tensor, "some"] | Bool[Tensor, "batch"]) -> Self:
        """The selected examples, in the order asked for."""
        return type(self)(self.ids[index], self.pool[index])

    def to(self, device: str | torch.device) -> Self:
        """The same tokens on another device."""
        return type(self)(self.ids.to(device), self.pool.to(device))
