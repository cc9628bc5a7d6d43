"""The shape vocabulary: what the axes of every array in lrinterp are called.

Axis names: `image` and `caption` count examples, `batch` either of them; `pos` is a position of
a tower's context; `query` and `key` are positions in an attention map; `term` runs over the nine
score terms of `lrinterp.decomposition`; `channel`, `height` and `width` are those of a picture as
an image tower reads it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["AnyInputs", "Embeddings", "Inputs", "Occurrence", "Pixels", "Scores", "Tokens"]

Embeddings = Float[Tensor, "batch d_embed"]
Scores = Float[Tensor, "image caption"]
Occurrence = Bool[Tensor, "token pos"]


@dataclass(frozen=True)
class Inputs:
    """What one tower is called with, and the position whose residual becomes the embedding."""

    values: Tensor
    pool: Int[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.values)

    def at(self, index: slice | Int[Tensor, "some"] | Bool[Tensor, "batch"]) -> Self:
        """The selected examples, in the order asked for."""
        return type(self)(self.values[index], self.pool[index])

    def to(self, device: str | torch.device) -> Self:
        """The same inputs on another device."""
        return type(self)(self.values.to(device), self.pool.to(device))


@dataclass(frozen=True)
class Tokens(Inputs):
    """Token ids of captions, or of the pixels of a world's rows."""

    values: Int[Tensor, "batch pos"]

    @property
    def ids(self) -> Int[Tensor, "batch pos"]:
        """The values by their own name."""
        return self.values


@dataclass(frozen=True)
class Pixels(Inputs):
    """Real pictures, normalised as the checkpoint wants them; the class token, 0, is pooled."""

    values: Float[Tensor, "batch channel height width"]


if TYPE_CHECKING:
    AnyInputs = Any  # who made the examples knows which of the two they hold
else:
    AnyInputs = Inputs
