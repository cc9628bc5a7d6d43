"""A bench for ablations: one model, pictures of one set, and every accuracy after an edit."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.analysis.ablation.depth import Depth
from lrinterp.analysis.ablation.rows import KEEP_OBJECTS, Row
from lrinterp.axes import Embeddings, Scores, Tokens
from lrinterp.decomposition import (
    Gauge,
    Groups,
    Split,
    edited,
    embedding_in,
    groups_of,
    score_delta,
    split_terms,
)
from lrinterp.decomposition.terms import embedded, through_ln1
from lrinterp.encoders import DualEncoder, batch_that_fits
from lrinterp.scenes import Examples
from lrinterp.scoring import METRICS, credits
from lrinterp.stats import Sample

__all__ = ["Bench", "knows_objects", "objects"]

Measured = dict[tuple[str, str], Float[np.ndarray, "draw image"]]
"""By metric and candidates: the credit of every picture in every draw."""

DONOR_SEED = 7
ELSEWHERE = ("CLS", "SOT", "EOT", "background", "words", "relation")
"""Roles of positions that hold no object."""


class Bench:
    """A model on the pictures of one set; embeddings and terms are computed once."""

    def __init__(self, model: DualEncoder, examples: Examples) -> None:
        self.model, self.examples = model, examples
        self.inputs = model.prepare(examples)
        self.depths = {
            name: Depth(model, name, inputs, examples.occurs[name])
            for name, inputs in self.inputs.items()
        }
        self._terms: dict[tuple[str, str], Tensor] = {}

    @cached_property
    def embeddings(self) -> dict[str, Embeddings]:
        """Intact embeddings of both towers; of a deep one from the run that its edits need too."""
        return {name: self._intact(name) for name in self.inputs}

    def measure(self, row: Row, draws: int = 1) -> Measured:
        """Credit of every picture by metric and candidates, in each of some seeded draws."""
        return self.credits([self.scores(row, seed) for seed in range(draws)])

    def credits(self, runs: Sequence[Scores]) -> Measured:
        """Credit of every picture in some score matrices, by metric and candidates."""
        return {
            pair: np.stack([credits(scores, self.examples, *pair) for scores in runs])
            for pair in METRICS
            if pair[0] != "order" or self.examples.image_set[0] != "single"
        }

    def table(self, row: Row, measured: Measured) -> Iterator[dict[str, Any]]:
        """Table rows of one measured ablation; intervals cover draws and labels."""
        for (metric, candidates), values in measured.items():
            interval = vars(Sample.mean(values, self.examples.image_units).interval)
            place = {"set": self.examples.image_set[0], "metric": metric, "candidates": candidates}
            yield {**row.cells, **place, **interval}

    def scores(self, row: Row, seed: int = 0) -> Scores:
        """Cosines of pictures and captions with one tower edited."""
        changed = {row.encoder: self.embed(row, seed)} if row.kind != "none" else {}
        both = self.embeddings | changed
        return both["image"] @ both["text"].T

    def attention(self, row: Row) -> Float[np.ndarray, "batch head key"]:
        """First-layer attention of the pooled query under an edit of its scores."""
        scores = self.terms(row.encoder, row.gauge).sum(0)
        delta = self.delta(row, seed=0)
        changed = scores if delta is None else scores + delta
        hidden = ~self.groups(row.encoder).seen[:, None]
        return changed.masked_fill(hidden, -torch.inf).softmax(-1)[:, :, 0].cpu().numpy()

    @torch.no_grad()
    def embed(self, row: Row, seed: int) -> Embeddings:
        """Embeddings of one tower under an edit."""
        if not row.is_first:
            depth = self.depths[row.encoder]
            return depth.embed(row.edits(seed, depth.tower.cfg.n_layers), self.groups_for(row))
        tower, inputs = self.model.towers[row.encoder], self.inputs[row.encoder]
        delta, size = self.delta(row, seed), batch_that_fits(tower, inputs)
        values = self.values(row) if "VP" in row.terms else None
        parts = []
        for start in range(0, len(inputs), size):
            chunk = slice(start, start + size)
            some = inputs.at(chunk)
            own = [None if whole is None else whole[chunk] for whole in (delta, values)]
            with edited(tower, scores=own[0], values=own[1], pool=some.pool):
                parts.append(self.model.embed(row.encoder, some))
        return torch.cat(parts)

    def delta(self, row: Row, seed: int) -> Float[Tensor, "batch head 1 key"] | None:
        """What a row adds to the first layer's scores of the pooled query; donors: other inputs."""
        ablation = row.edit(seed) if row.kind != "none" else None
        if ablation is None:
            return None
        terms, donors = self.terms(row.encoder, row.gauge), None
        if row.kind == "resample":
            shuffled = torch.Generator().manual_seed(DONOR_SEED + seed)
            donors = terms[:, torch.randperm(terms.shape[1], generator=shuffled)]
        return score_delta(terms, ablation, self.groups_for(row), donors)

    def values(self, row: Row) -> Float[Tensor, "batch pos head d_head"]:
        """Minus the position part of the values, centred over the keys of each component."""
        tower = self.model.towers[row.encoder]
        read = through_ln1(tower, 0, self.split(row.encoder, "canonical")).position
        W_V = tower.blocks[0].attn.W_V
        part = einsum(read, W_V, "batch pos m, head m d -> batch pos head d")
        keep = torch.zeros(part.shape[2], dtype=part.dtype, device=part.device)
        keep[list(range(part.shape[2]) if row.heads is None else row.heads)] = 1
        return -part * keep[:, None]

    def terms(self, encoder: str, gauge: Gauge) -> Float[Tensor, "term batch head 1 key"]:
        """The nine terms of the first layer's pooled rows, computed once."""
        if (encoder, gauge) not in self._terms:
            tower, pool = self.model.towers[encoder], self.inputs[encoder].pool
            self._terms[encoder, gauge] = split_terms(tower, 0, self.split(encoder, gauge), pool)
        return self._terms[encoder, gauge]

    def split(self, encoder: str, gauge: Gauge) -> Split:
        """What the first layer reads: from the weights where tokens are read, else from a run."""
        inputs = self.inputs[encoder]
        if isinstance(inputs, Tokens):
            space = embedding_in(self.model.towers[encoder], self.examples.occurs[encoder], gauge)
            return embedded(inputs, space)
        return self.depths[encoder].streams.split(0, gauge)

    def groups_for(self, row: Row) -> Groups:
        """The components of the keys that a row's kind averages over, in its query rows."""
        groups = self.groups(row.encoder, pooled=row.queries == "pooled")
        if row.kind == KEEP_OBJECTS:
            there = objects(self.examples.roles[row.encoder])
            return groups.apart(there.to(groups.seen.device))
        return groups

    def groups(self, encoder: str, *, pooled: bool = True) -> Groups:
        """The components of a tower's keys, as the pooled query row or all rows see them."""
        tower, occurs = self.model.towers[encoder], self.examples.occurs[encoder]
        return groups_of(tower, self.inputs[encoder], occurs, pooled=pooled)

    def _intact(self, name: str) -> Embeddings:
        if self.model.towers[name].cfg.n_layers == 1:
            return self.model.embed_all(name, self.inputs[name])
        return self.depths[name].intact()


def objects(roles: Mapping[str, Bool[Tensor, "batch pos"]]) -> Bool[Tensor, "batch pos"]:
    """Where a tower reads an object: neither at its ends nor on empty pixels or other words."""
    return ~torch.stack([mask for name, mask in roles.items() if name in ELSEWHERE]).any(0)


def knows_objects(roles: Mapping[str, Bool[Tensor, "batch pos"]]) -> bool:
    """Do the roles of pictures say where the objects are, and what is empty?"""
    return {"left", "right", "background"} <= set(roles)
