"""Ablation of key-position or key-content in any layers, computed while the tower runs.

Above the first layer what attention reads has changed once an earlier layer was edited. So the
change of a layer's scores is computed from the stream that this layer reads in the same run; only
the position vectors are fixed, as the intact run gave them (`Streams.positions`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor

from lrinterp.decomposition.ablation import Ablation, Groups, added, row_delta
from lrinterp.decomposition.parts import through_norm
from lrinterp.decomposition.streams import Streams, centred_scale
from lrinterp.decomposition.terms import KEY_CONTENT, KEY_POSITION
from lrinterp.encoders import Tower

__all__ = ["PositionVectors", "edited_layers", "position_vectors"]


@dataclass(frozen=True)
class PositionVectors:
    """What counts as position in the stream before a layer, the same for every input."""

    layer: int
    vectors: Float[Tensor, "pos d_model"]
    gauge: str


def position_vectors(streams: Streams, layer: int) -> PositionVectors:
    """The positions of the split in the gauge of `Streams.gauge`."""
    gauge = streams.gauge(layer)
    return PositionVectors(layer, streams.split(layer, gauge).position[0], gauge)


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
        hooks.append((f"blocks.{layer}.hook_resid_pre", edit.read_stream))
        hooks.append((f"blocks.{layer}.attn.hook_q", edit.read_query))
        hooks.append((f"blocks.{layer}.attn.hook_k", edit.read_key))
        hooks.append((f"blocks.{layer}.attn.hook_attn_scores", edit.write))
    with tower.hooks(fwd_hooks=hooks):
        yield


class _Edit:
    """The edit of one layer: sees stream, queries and keys go by, then changes the scores.

    The position vectors are projected once; what is left of a score without them is content, up to
    a constant along the row, which no softmax sees.
    """

    def __init__(
        self,
        tower: Tower,
        ablation: Ablation,
        positions: PositionVectors,
        groups: Groups,
        pool: Int[Tensor, "batch"],
    ) -> None:
        self.ablation, self.groups, self.pool = ablation, groups, pool
        block: Any = tower.blocks[positions.layer]
        self.eps = tower.cfg.eps if tower.cfg.normalization_type else None
        norm = block.ln1 if self.eps is not None else None
        u = rearrange(block.attn.W_K, "head m d -> head d m")
        keys = einsum(positions.vectors, through_norm(norm, u), "pos m, head d m -> head pos d")
        self.attn_scale = tower.cfg.attn_scale if tower.cfg.use_attn_scale else 1.0
        self.positions = keys / self.attn_scale

    def read_stream(self, activation: Tensor, hook: object) -> None:
        """Keep the scale of each key's norm."""
        self.scale = None if self.eps is None else centred_scale(activation, self.eps)

    def read_query(self, activation: Tensor, hook: object) -> None:
        """Keep the queries, with their bias."""
        self.query = activation

    def read_key(self, activation: Tensor, hook: object) -> None:
        """Keep the keys, with their bias."""
        self.key = activation

    def write(self, activation: Tensor, hook: object) -> Tensor:
        """Add the change."""
        query = self.query
        if self.groups.seen.shape[1] == 1:
            query = query[torch.arange(len(self.pool), device=self.pool.device), self.pool][:, None]
        position = einsum(query, self.positions, "n q head d, head key d -> n head q key")
        if self.scale is not None:
            position = position / self.scale[:, None, None]
        if self.ablation.terms == KEY_POSITION and self.ablation.kind != "keep":
            delta = row_delta(position, None, self.ablation, self.groups)
            return added(activation, delta, self.pool)
        whole = einsum(query, self.key, "n q head d, n key head d -> n head q key")
        content = whole / self.attn_scale - position
        both = (position, content) if self.ablation.terms == KEY_POSITION else (content, position)
        return added(activation, row_delta(*both, self.ablation, self.groups), self.pool)
