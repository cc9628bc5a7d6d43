"""One tower under edits of any of its layers, run from the first layer that is edited.

The intact run is kept once (`Streams`): it gives the embeddings without an edit, the streams that
every edited run starts from, and what counts as position in each layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from lrinterp.axes import AnyInputs, Embeddings, Occurrence
from lrinterp.decomposition import (
    Ablation,
    Groups,
    PositionVectors,
    Streams,
    edited_layers,
    position_vectors,
)
from lrinterp.encoders import DualEncoder, Tower, batch_that_fits

__all__ = ["Depth", "of_batch"]


@dataclass(frozen=True, eq=False)
class Depth:
    """A tower on the inputs of a bench."""

    model: DualEncoder
    encoder: str
    inputs: AnyInputs
    occurs: Occurrence

    @property
    def tower(self) -> Tower:
        """The tower itself."""
        return self.model.towers[self.encoder]

    @cached_property
    def streams(self) -> Streams:
        """The intact run. Cost: one forward pass, three activations of each layer in memory."""
        return Streams.of(self.tower, self.inputs, self.occurs)

    @cached_property
    def vectors(self) -> dict[int, PositionVectors]:
        """What counts as position before each layer."""
        layers = range(self.tower.cfg.n_layers)
        return {layer: position_vectors(self.streams, layer) for layer in layers}

    @torch.no_grad()
    def intact(self) -> Embeddings:
        """Embeddings without an edit."""
        last = self.streams.residual(self.tower.cfg.n_layers)
        return self.model.project(self.encoder, last, self.inputs.pool)

    @torch.no_grad()
    def embed(self, edits: Mapping[int, Ablation], groups: Groups) -> Embeddings:
        """Embeddings with some layers edited, in the query rows that `groups` hold."""
        first, last, parts = min(edits), self.tower.cfg.n_layers, []
        start, size = self.streams.residual(first), batch_that_fits(self.tower, self.inputs)
        for i in range(0, len(self.inputs), size):
            chunk = slice(i, i + size)
            pool, own = self.inputs.pool[chunk], of_batch(groups, chunk)
            with edited_layers(self.tower, edits, self.vectors, own, pool):
                ended = self.tower(start[chunk], start_at_layer=first, stop_at_layer=last)
            parts.append(self.model.project(self.encoder, ended, pool))
        return torch.cat(parts)


def of_batch(groups: Groups, chunk: slice) -> Groups:
    """The groups of some of the inputs."""
    of_key = groups.of_key if len(groups.of_key) == 1 else groups.of_key[chunk]
    return Groups(of_key, groups.seen[chunk])
