"""A bench for ablations: one model, pictures of one set, and every accuracy after an edit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.axes import Embeddings, Scores, Tokens
from lrinterp.decomposition import (
    KEY_CONTENT,
    KEY_POSITION,
    Ablation,
    Gauge,
    Groups,
    edited,
    embedding_in,
    groups_of,
    position_values,
    score_delta,
    score_terms,
)
from lrinterp.encoders import DualEncoder, Tower
from lrinterp.scenes import Examples
from lrinterp.scoring import METRICS, credits
from lrinterp.stats import crossed_interval

__all__ = ["KEEP_OBJECTS", "Bench", "Row", "objects", "standard_rows"]

Measured = dict[tuple[str, str], Float[np.ndarray, "draw image"]]
"""By metric and candidates: the credit of every picture in every draw."""

KEEP_OBJECTS = "keep_objects"
"""Keep, with all other terms flattened over the objects and over the empty pixels apart: what
stands there is forgotten, that something stands there is not."""
CHUNK = 1024
DONOR_SEED = 7


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ablation of a table: a tower, terms of its pooled row (VP: of its values), a kind."""

    terms: tuple[str, ...] = ()
    kind: str = "none"
    gauge: Gauge = "canonical"
    heads: tuple[int, ...] | None = None
    encoder: str = "image"

    @property
    def cells(self) -> dict[str, str]:
        """The identifying columns of a table row."""
        return {
            "encoder": self.encoder,
            "terms": "+".join(self.terms) or "none",
            "heads": "all" if self.heads is None else ",".join(map(str, self.heads)),
            "kind": self.kind,
            "gauge": self.gauge,
        }

    def edit(self, seed: int) -> Ablation | None:
        """The edit of the scores; None where only values or nothing changes."""
        terms = tuple(term for term in self.terms if term != "VP")
        if not terms:
            return None
        kind = "keep" if self.kind == KEEP_OBJECTS else self.kind
        return Ablation(terms=terms, kind=kind, heads=self.heads, seed=seed)  # type: ignore[arg-type]


class Bench:
    """A model on the pictures of one set; embeddings and terms are computed once."""

    def __init__(self, model: DualEncoder, examples: Examples) -> None:
        self.model, self.examples = model, examples
        self.inputs = model.prepare(examples)
        self._terms: dict[tuple[str, str], Tensor] = {}

    @cached_property
    def embeddings(self) -> dict[str, Embeddings]:
        """Intact embeddings of both towers."""
        return {name: self.model.embed_all(name, self.inputs[name]) for name in self.inputs}

    def measure(self, row: Row, draws: int = 1) -> Measured:
        """Credit of every picture by metric and candidates, in each of some seeded draws."""
        runs = [self.scores(row, seed) for seed in range(draws)]
        return {
            pair: np.stack([credits(scores, self.examples, *pair) for scores in runs])
            for pair in METRICS
            if pair[0] != "order" or self.examples.image_set[0] != "single"
        }

    def table(self, row: Row, measured: Measured) -> Iterator[dict[str, Any]]:
        """Table rows of one measured ablation; intervals resample draws and clusters."""
        for (metric, candidates), values in measured.items():
            interval = vars(crossed_interval(values, self.examples.image_label_set))
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
        tower, tokens = self.model.towers[row.encoder], self.inputs[row.encoder]
        delta = self.delta(row, seed)
        parts = []
        for start in range(0, len(tokens), CHUNK):
            chunk = slice(start, start + CHUNK)
            some = tokens.at(chunk)
            values = self.values(row, tower, some) if "VP" in row.terms else None
            scores = None if delta is None else delta[chunk]
            with edited(tower, scores=scores, values=values, pool=some.pool):
                parts.append(self.model.embed(row.encoder, some))
        return torch.cat(parts)

    def delta(self, row: Row, seed: int) -> Float[Tensor, "batch head 1 key"] | None:
        """What a row adds to the scores of the pooled query; donors are other inputs."""
        ablation = row.edit(seed) if row.kind != "none" else None
        if ablation is None:
            return None
        terms, donors = self.terms(row.encoder, row.gauge), None
        if row.kind == "resample":
            shuffled = torch.Generator().manual_seed(DONOR_SEED + seed)
            donors = terms[:, torch.randperm(terms.shape[1], generator=shuffled)]
        groups = self.groups(row.encoder)
        if row.kind == KEEP_OBJECTS:
            groups = groups.apart(objects(self.examples.roles[row.encoder]).to(terms.device))
        return score_delta(terms, ablation, groups, donors)

    def values(
        self, row: Row, tower: Tower, tokens: Tokens
    ) -> Float[Tensor, "batch pos head d_head"]:
        """Minus the position part of the values, centred over the keys of each component."""
        occurs = self.examples.occurs[row.encoder]
        part = position_values(tower, tokens, embedding_in(tower, occurs, "canonical"))
        keep = torch.zeros(part.shape[2], dtype=part.dtype, device=part.device)
        keep[list(range(part.shape[2]) if row.heads is None else row.heads)] = 1
        return -part * keep[:, None]

    def terms(self, encoder: str, gauge: Gauge) -> Float[Tensor, "term batch head 1 key"]:
        """The nine terms of the pooled rows, computed once."""
        if (encoder, gauge) not in self._terms:
            tower = self.model.towers[encoder]
            space = embedding_in(tower, self.examples.occurs[encoder], gauge)
            self._terms[encoder, gauge] = score_terms(tower, self.inputs[encoder], space)
        return self._terms[encoder, gauge]

    def groups(self, encoder: str) -> Groups:
        """The components of a tower's keys."""
        occurs = self.examples.occurs[encoder]
        return groups_of(self.model.towers[encoder], self.inputs[encoder], occurs)


def objects(roles: Mapping[str, Bool[Tensor, "batch pos"]]) -> Bool[Tensor, "batch pos"]:
    """Where a tower reads an object: neither at its ends nor on empty pixels or other words."""
    elsewhere = ("CLS", "SOT", "EOT", "background", "words")
    return ~torch.stack([mask for name, mask in roles.items() if name in elsewhere]).any(0)


UNIONS = (
    ("EP",),
    ("PP",),
    ("bP",),
    ("EP", "PP"),
    ("EP", "bP"),
    ("PP", "bP"),
    KEY_POSITION,
)


def standard_rows(n_heads: int) -> Sequence[Row]:
    """The ablations of the standard table, in the order in which they are shown."""
    return (
        Row(),
        Row(terms=KEY_POSITION, kind="flatten"),
        Row(terms=KEY_POSITION, kind="placebo"),
        Row(terms=KEY_POSITION, kind="keep"),
        Row(terms=KEY_POSITION, kind=KEEP_OBJECTS),
        Row(terms=KEY_POSITION, kind="permute"),
        Row(terms=KEY_CONTENT, kind="resample"),
        *(Row(terms=union, kind="flatten") for union in UNIONS[:-1]),
        *(Row(terms=union, kind="zero", gauge="raw") for union in UNIONS),
        *(Row(terms=(term,), kind="zero", gauge="raw") for term in KEY_CONTENT),
        Row(terms=("VP",), kind="zero"),
        Row(terms=("EP", "VP"), kind="zero", gauge="raw"),
        Row(terms=(*KEY_POSITION, "VP"), kind="flatten"),
        *(Row(terms=KEY_POSITION, kind="flatten", heads=(head,)) for head in range(n_heads)),
        Row(terms=KEY_POSITION, kind="flatten", encoder="text"),
        Row(terms=KEY_POSITION, kind="keep", encoder="text"),
    )
