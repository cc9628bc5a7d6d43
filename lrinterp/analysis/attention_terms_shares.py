"""Shares of the attention scores on the pooled row of one tower, and how exactly they add up.

The scores are divided in two ways: by the nine terms, which ask whether a score comes from what
stands at a key or from where it stands, and by key parts, which ask who wrote it there (embed, pos,
each earlier head, MLP and bias; the query is whole). In a tower of one layer key parts say nothing
new.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.analysis.subject import focus, relation_captions
from lrinterp.decomposition import (
    KEY_CONTENT,
    KEY_POSITION,
    key_parts,
    part_names,
    split_terms,
    total,
)
from lrinterp.encoders import DualEncoder
from lrinterp.run import Run, TowerRun
from lrinterp.scenes import Examples
from lrinterp.stats import Units, ratio_intervals
from lrinterp.wording import head_name

__all__ = [
    "BIAS",
    "NINE",
    "PARTS",
    "SPLIT",
    "Scored",
    "few_rows",
    "mean_rows",
    "nine_covariances",
    "nine_terms",
    "part_shares",
    "share_rows",
]

SPLIT = {"+".join(KEY_CONTENT): KEY_CONTENT, "+".join(KEY_POSITION): KEY_POSITION}
"""What the inputs identify: all that depends on the key's content, and on its position."""
NINE, PARTS = "nine terms", "key parts"
"""The ways of dividing the scores."""
BIAS = "bias"
"""What the norm's bias and b_K add; the last of the key parts."""
ROUNDING, SMALLEST = 1e-9, 1e-30
"""Scored of the variance below which a covariance is rounding: that of terms constant in a row."""
CHUNK = 64
"""Examples whose full attention maps are divided at once."""
MOST_ROWS = 2000
"""Table rows up to which key parts are also given by head."""

TermScores = Float[Tensor, "name example head key"]
Covariances = Float[np.ndarray, "name example head"]


@dataclass(frozen=True, eq=False)
class Scored:
    """One tower on the inputs that its scores are divided on, and their clusters."""

    run: TowerRun
    examples: Examples
    units: Units

    @classmethod
    def of(cls, recording: Run, tower: str) -> "Scored":
        """Focus pictures for the image tower, relation captions for the text tower."""
        examples = recording.examples
        if tower == "image":
            some = recording.of(focus(examples))
            return cls(some.towers[tower], some.examples, some.examples.image_units)
        index = relation_captions(examples)
        run = recording.towers[tower].of(torch.from_numpy(index))
        return cls(run, examples, examples.caption_units.at(index))


def nine_terms(part: Scored, layer: int, gauge: str) -> tuple[TermScores, float]:
    """The nine terms of the pooled rows, and how far the sum of all rows' is off.

    The error is the largest difference from the recorded scores where a key is seen, relative
    to their largest. Both come from one product of queries and keys.
    """
    cached = part.run.cache["attn_scores", layer]
    valid = part.run.streams.seen[:, None, None] & cached.isfinite()
    pooled, apart = [], 0.0
    for some, run in part.run.parts(CHUNK):
        split, pool = run.streams.split(layer, gauge), run.inputs.pool
        terms = split_terms(run.tower, layer, split, pool, pooled=False)
        apart = max(apart, largest_magnitude((terms.sum(0) - cached[some])[valid[some]]))
        pooled.append(terms[:, torch.arange(len(pool)), :, pool])
    return torch.cat(pooled).movedim(1, 0), apart / max(largest_magnitude(cached[valid]), SMALLEST)


def part_shares(part: Scored, layer: int, *, by_head: bool) -> tuple[list[dict[str, Any]], float]:
    """Rows of shares of the key parts of a layer, and the error of their sum.

    As `share_rows`, and the error as in `nine_terms`, of the pooled rows. embed and pos are divided
    in the canonical gauge.
    """
    run = part.run
    cached = run.cache["attn_scores", layer][torch.arange(len(run)), :, run.inputs.pool]
    valid = run.streams.seen[:, None].expand_as(cached)
    written = ("attn.hook_z", "hook_mlp_out")
    run.sites.load(f"blocks.{below}.{site}" for below in range(layer) for site in written)
    found, apart = [], 0.0
    for some, chunk in run.parts(CHUNK):
        scores = key_parts(chunk.streams, layer)
        apart = max(apart, largest_magnitude((scores.sum(0) - cached[some])[valid[some]]))
        found.append(covariances(scores, chunk.streams.seen))
    values = np.concatenate(found, axis=1)
    names = [*part_names(run.tower, layer), BIAS]
    place = {"encoder": run.name, "layer": layer, "gauge": "canonical", "split": PARTS}
    rows = share_rows(names, values, values.sum(0), part.units, by_head=by_head, **place)
    return list(rows), apart / max(largest_magnitude(cached[valid]), SMALLEST)


def largest_magnitude(numbers: Tensor) -> float:
    """The largest magnitude."""
    return float(numbers.abs().max())


def centred(scores: TermScores, seen: Bool[Tensor, "example key"]) -> TermScores:
    """Scores minus their row mean over the keys that are not masked; zero where masked."""
    weight = seen[:, None].to(scores.dtype)
    mean = (scores * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)
    return (scores - mean) * weight


def covariances(scores: TermScores, seen: Bool[Tensor, "example key"]) -> Covariances:
    """Covariance of each summand with the whole score over seen keys, 0 where it is rounding."""
    summands = centred(scores, seen)
    found = (summands * summands.sum(0)).sum(-1).cpu().double().numpy()
    return np.where(np.abs(found) < ROUNDING * found.sum(0), 0.0, found)


def nine_covariances(
    part: Scored, terms: TermScores
) -> tuple[Float[np.ndarray, "row example head"], Float[np.ndarray, "example head"]]:
    """`covariances` of the nine terms, then of both sides of the split, and the variance."""
    found = covariances(terms, part.run.streams.seen)
    split = [total(found, group) for group in SPLIT.values()]
    return np.concatenate([found, split]), found.sum(0)


def share_rows(
    names: Sequence[str],
    covariance: Covariances,
    variance: Float[np.ndarray, "example head"],
    units: Units,
    *,
    by_head: bool = True,
    **place: Any,
) -> Iterator[dict[str, Any]]:
    """Share of each name, by head where asked and over all heads (None), with intervals.

    share = sum over examples of cov(part, whole) / sum of var(whole), centred within the row over
    seen keys; intervals leave out labels. `place` goes into every row.
    """
    heads = range(variance.shape[1]) if by_head else ()
    for head in (*heads, None):
        cov, var = (x.sum(-1) if head is None else x[..., head] for x in (covariance, variance))
        for name, interval in zip(names, ratio_intervals(cov, var, units), strict=True):
            yield {**place, "head": head, "term": name, **vars(interval)}


def mean_rows(part: Scored, terms: TermScores, layer: int, gauge: str) -> Iterator[dict[str, Any]]:
    """The mean pooled row of key-content and key-position, centred, by head and position."""
    means = centred(terms, part.run.streams.seen).mean(1)
    names = position_names(part, means.shape[-1])
    for label, group in zip(("key-content", "key-position"), SPLIT.values(), strict=True):
        for head, row in enumerate(total(means, group).tolist()):
            place = {"encoder": part.run.name, "layer": layer, "head": head_name(layer, head)}
            for name, value in zip(names, row, strict=False):
                yield {**place, "gauge": gauge, "part": label, "position": name, "value": value}


def position_names(part: Scored, length: int) -> list[str]:
    """Positions as they are shown, counted from 1 behind CLS.

    Of a text those that every caption has, of a grid of patches row and column.
    """
    if part.run.name == "text":
        return [str(key) for key in range(int(part.run.inputs.pool.min()) + 1)]
    rows, columns = part.examples.grid
    if rows == 1:
        return ["CLS", *map(str, range(1, length))]
    return ["CLS", *(f"{i + 1},{j + 1}" for i in range(rows) for j in range(columns))]


def few_rows(model: DualEncoder) -> bool:
    """Are the key parts of all layers few enough to be given by head?"""
    rows = [
        (len(part_names(tower, layer)) + 1) * (tower.cfg.n_heads + 1)
        for tower in model.towers.values()
        if tower.cfg.n_layers > 1
        for layer in range(tower.cfg.n_layers)
    ]
    return sum(rows) <= MOST_ROWS
