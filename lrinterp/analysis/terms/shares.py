"""Shares of score terms on the pooled row of one tower, and how exactly the terms add up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.subject import focus, relation_captions
from lrinterp.axes import Inputs
from lrinterp.decomposition import (
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    Groups,
    Split,
    Streams,
    groups_of,
    split_terms,
)
from lrinterp.encoders import Tower
from lrinterp.run import Run, TowerRun
from lrinterp.stats import Sample, Units, ratio_intervals
from lrinterp.wording import head_name

__all__ = [
    "NINE",
    "SPLIT",
    "Part",
    "chunks",
    "mean_rows",
    "share_rows",
    "shares",
    "split_samples",
]

SPLIT = {"+".join(KEY_CONTENT): KEY_CONTENT, "+".join(KEY_POSITION): KEY_POSITION}
"""What the inputs identify: all that depends on the key's content, and on its position."""
NINE = "nine terms"
"""The way of dividing the scores that this module is about."""
ROUNDING = 1e-9
"""Part of the variance below which a covariance is rounding: that of terms constant in a row."""
CHUNK = 64
"""Examples whose full attention maps are divided at once."""

PooledTerms = Float[Tensor, "term batch head 1 key"]


@dataclass(frozen=True, eq=False)
class Part:
    """One tower with the examples its terms are measured on, and their clusters."""

    recording: Run
    run: TowerRun
    units: Units
    groups: Groups

    @classmethod
    def of(cls, recording: Run, tower: str) -> "Part":
        """Focus pictures for the image tower, relation captions for the text tower."""
        examples = recording.examples
        if tower == "image":
            some = recording.of(focus(examples))
            run, units = some.towers[tower], some.examples.image_units
        else:
            index = relation_captions(examples)
            run = recording.towers[tower].of(torch.from_numpy(index))
            units = examples.caption_units.at(index)
        groups = groups_of(run.tower, run.inputs, examples.occurs[tower])
        return cls(recording, run, units, groups)

    @property
    def tower(self) -> str:
        """Its name."""
        return self.run.name

    @property
    def model(self) -> Tower:
        """The tower itself."""
        return self.run.tower

    @property
    def inputs(self) -> Inputs:
        """What it reads."""
        return self.run.inputs

    @property
    def streams(self) -> Streams:
        """Its streams."""
        return self.run.streams

    def terms(self, gauge: str, layer: int = 0) -> PooledTerms:
        """The nine terms of the pooled rows of a layer, in a gauge that the layer knows."""
        return split_terms(self.model, layer, self.streams.split(layer, gauge), self.inputs.pool)

    def cached(self, layer: int) -> Float[Tensor, "batch head query key"]:
        """The scores of a layer."""
        return self.run.cache["attn_scores", layer]

    def measured(self, layer: int, gauge: str) -> tuple[PooledTerms, float]:
        """The nine terms of the pooled rows, and how far the sum of all rows' is off.

        The error is the largest difference from the recorded scores where a key is seen, relative
        to their largest. Both come from one product of queries and keys.
        """
        cached, split = self.cached(layer), self.streams.split(layer, gauge)
        occurs = self.recording.examples.occurs[self.tower]
        seen = groups_of(self.model, self.inputs, occurs, pooled=False).seen[:, None]
        valid = seen.expand_as(cached) & torch.isfinite(cached)
        rows, apart = [], 0.0
        for some in chunks(len(self.inputs), CHUNK):
            pool = self.inputs.pool[some]
            terms = split_terms(self.model, layer, _some(split, some), pool, pooled=False)
            difference = (terms.sum(0) - cached[some])[valid[some]]
            apart = max(apart, float(difference.abs().max()))
            picked = terms[:, torch.arange(len(pool)), :, pool]
            rows.append(rearrange(picked, "batch term head key -> term batch head 1 key"))
        largest = float(cached[valid].abs().max().clamp(min=1e-30))
        return torch.cat(rows, dim=1), apart / largest


def chunks(n: int, size: int) -> Iterator[slice]:
    """Slices that cover n examples."""
    return (slice(start, start + size) for start in range(0, n, size))


def shares(part: Part, terms: PooledTerms, layer: int, gauge: str) -> Iterator[dict[str, Any]]:
    """Rows of shares: nine terms and the identified split, by head and over all heads."""
    values, variance = covariances(part, terms)
    place = {"encoder": part.tower, "layer": layer, "gauge": gauge, "split": NINE}
    heads = (*range(variance.shape[1]), None)
    for row in share_rows([*TERMS, *SPLIT], values, variance, part.units, heads):
        yield {**place, **row}


def covariances(
    part: Part, terms: PooledTerms
) -> tuple[Float[np.ndarray, "name example head"], Float[np.ndarray, "example head"]]:
    """Covariance of each term, then of both sides of the split, with the scores; their variance."""
    centred = _centre(part, terms)
    whole = centred.sum(0)
    covariance = (centred * whole).sum((-1, -2)).cpu().double().numpy()
    split = [covariance[[TERMS.index(t) for t in group]].sum(0) for group in SPLIT.values()]
    return np.concatenate([covariance, np.stack(split)]), covariance.sum(0)


def split_samples(part: Part, terms: PooledTerms) -> dict[str, Sample]:
    """The shares of key-content and key-position over all heads, by example; empty if all are 0."""
    values, variance = covariances(part, terms)
    kept = without_rounding(values, variance)[len(TERMS) :].sum(-1)
    bottom = variance.sum(-1)
    if not bottom.sum() > 0:
        return {}
    return {
        name: Sample(top=top[None], bottom=bottom, units=part.units)
        for name, top in zip(("key_content", "key_position"), kept, strict=True)
    }


def share_rows(
    names: Sequence[str],
    covariance: Float[np.ndarray, "name example head"],
    variance: Float[np.ndarray, "example head"],
    units: Units,
    heads: Sequence[int | None],
) -> Iterator[dict[str, Any]]:
    """Share of each name by head, None for all heads together, with intervals over labels.

    share = sum over examples of cov(part, whole) / sum of var(whole); `covariance` holds those of
    each example, summed over the keys of its row.
    """
    kept = without_rounding(covariance, variance)
    for head in heads:
        cov, var = (x.sum(-1) if head is None else x[..., head] for x in (kept, variance))
        for name, interval in zip(names, ratio_intervals(cov, var, units), strict=True):
            yield {"head": head, "term": name, **vars(interval)}


def without_rounding(
    covariance: Float[np.ndarray, "name example head"], variance: Float[np.ndarray, "example head"]
) -> Float[np.ndarray, "name example head"]:
    """Covariances, 0 where they are rounding."""
    return np.where(np.abs(covariance) < ROUNDING * variance, 0.0, covariance)


def mean_rows(part: Part, terms: PooledTerms, layer: int, gauge: str) -> Iterator[dict[str, Any]]:
    """The mean pooled row of key-content and key-position, centred, by head and position."""
    centred = _centre(part, terms)
    names = position_names(part, centred.shape[-1])
    for label, group in zip(("key-content", "key-position"), SPLIT.values(), strict=True):
        mean = centred[[TERMS.index(t) for t in group]].sum(0).mean(0)[:, 0]
        for head, row in enumerate(mean.tolist()):
            place = {"encoder": part.tower, "layer": layer, "head": head_name(layer, head)}
            for name, value in zip(names, row, strict=False):
                yield {**place, "gauge": gauge, "part": label, "position": name, "value": value}


def position_names(part: Part, length: int) -> list[str]:
    """Positions as they are shown, counted from 1 behind CLS.

    Of a text those that every caption has, of a grid of patches row and column.
    """
    if part.tower == "text":
        return [str(key) for key in range(int(part.inputs.pool.min()) + 1)]
    rows, columns = part.recording.examples.grid
    if rows == 1:
        return ["CLS", *map(str, range(1, length))]
    return ["CLS", *(f"{i + 1},{j + 1}" for i in range(rows) for j in range(columns))]


def _some(split: Split, some: slice) -> Split:
    parts = (split.content, split.position, split.constant)
    return Split(*(part.expand_as(split.content)[some] for part in parts))


def _centre(part: Part, terms: PooledTerms) -> PooledTerms:
    """Terms minus their row mean over seen keys; zero where unseen."""
    seen = part.groups.seen[:, None].to(terms.dtype)
    mean = (terms * seen).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True)
    return (terms - mean) * seen
