"""Ablation of key-position or key-content in any layers, computed while the tower runs.

Above the first layer what attention reads has changed once an earlier layer was edited. So the
change of a layer's scores is computed from the stream that this layer reads in the same run; only
the position vectors are fixed, as the intact run gave them (`Streams.positions`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrinterp.decomposition.ablation import Ablation, Groups, added, row_delta
from lrinterp.decomposition.streams import MEANS, Split, Streams
from lrinterp.decomposition.terms import KEY_CONTENT, KEY_POSITION, key_sides
from lrinterp.encoders import Tower

__all__ = ["PositionVectors", "edited_layers", "position_vectors"]


@dataclass(frozen=True)
class PositionVectors:
    """What counts as position in the stream before a layer, the same for every input."""

    layer: int
    vectors: Float[Tensor, "pos d_model"]
    gauge: str


def position_vectors(streams: Streams, layer: int) -> PositionVectors:
    """Canonical position embeddings in the first layer, means over the inputs above it.

    Behind a pre-norm, whose scale differs by input, the first layer takes means too.
    """
    if layer == 0 and not hasattr(streams.tower, "ln_pre"):
        return PositionVectors(layer, streams.split(0, "canonical").position[0], "canonical")
    return PositionVectors(layer, streams.positions(layer), MEANS)


@contextmanager
def edited_layers(
    tower: Tower,
    ablations: Mapping[int, Ablation],
    positions: Mapping[int, PositionVectors],
    groups: Groups,
    pool: Int[Tensor, "batch"],
) -> Iterator[None]:
    """Inside, the scores of some layers lose (or keep alone) key-position or key-content.

    `groups` of the pooled row edit that row alone, those of all rows the whole square. Any head,
    any kind but `resample`; `terms` must be KEY_POSITION or KEY_CONTENT, else ValueError. Leaving
    restores the tower, also when the body raises.
    """
    for ablation in ablations.values():
        if ablation.terms not in (KEY_POSITION, KEY_CONTENT):
            known = f"{'+'.join(KEY_POSITION)} or {'+'.join(KEY_CONTENT)}"
            raise ValueError(f"terms: expected {known}, got {'+'.join(ablation.terms)}")
    hooks = []
    for layer, ablation in ablations.items():
        edit = _Edit(tower, ablation, positions[layer], groups, pool)
        hooks.append((f"blocks.{layer}.hook_resid_pre", edit.read))
        hooks.append((f"blocks.{layer}.attn.hook_attn_scores", edit.write))
    with tower.hooks(fwd_hooks=hooks):
        yield


class _Edit:
    """The edit of one layer: sees the stream go by, then changes the scores made of it."""

    def __init__(
        self,
        tower: Tower,
        ablation: Ablation,
        positions: PositionVectors,
        groups: Groups,
        pool: Int[Tensor, "batch"],
    ) -> None:
        self.tower, self.ablation, self.positions = tower, ablation, positions
        self.groups, self.pool = groups, pool

    def read(self, activation: Tensor, hook: object) -> None:
        """Keep the stream."""
        self.stream = activation

    def write(self, activation: Tensor, hook: object) -> Tensor:
        """Add the change."""
        vectors = self.positions.vectors[None]
        split = Split(self.stream - vectors, vectors, torch.zeros_like(vectors[:, :1]))
        pooled = self.groups.seen.shape[1] == 1
        sides = key_sides(self.tower, self.positions.layer, split, self.pool, pooled=pooled)
        content, position = sides
        chosen, others = (
            (position, content) if self.ablation.terms == KEY_POSITION else (content, position)
        )
        return added(activation, row_delta(chosen, others, self.ablation, self.groups), self.pool)
