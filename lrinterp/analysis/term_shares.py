"""Shares of score terms on the pooled row of one tower, and how exactly the terms add up."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrinterp.analysis.subject import focus, head_name, relation_captions
from lrinterp.axes import Tokens
from lrinterp.decomposition import (
    GAUGES,
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    Gauge,
    Groups,
    embedding_in,
    groups_of,
    score_terms,
)
from lrinterp.encoders import Tower
from lrinterp.recording import Recording
from lrinterp.stats import ratio_intervals

__all__ = ["SPLIT", "Part", "mean_rows", "shares"]

SPLIT = {"+".join(KEY_CONTENT): KEY_CONTENT, "+".join(KEY_POSITION): KEY_POSITION}
"""What the inputs identify: all that depends on the key's content, and on its position."""
ROUNDING = 1e-9
"""Part of the variance below which a covariance is rounding: that of terms constant in a row."""

PooledTerms = Float[Tensor, "term batch head 1 key"]


@dataclass(frozen=True)
class Part:
    """One tower with the examples its terms are measured on, and their clusters."""

    recording: Recording
    tower: str
    index: Int[np.ndarray, "batch"]
    clusters: Int[np.ndarray, "batch"]
    tokens: Tokens
    groups: Groups

    @classmethod
    def of(cls, recording: Recording, tower: str) -> "Part":
        """Focus pictures for the image tower, relation captions for the text tower."""
        examples = recording.examples
        if tower == "image":
            index, clusters = examples.where(focus(examples)), examples.image_label_set
        else:
            index, clusters = relation_captions(examples), examples.caption_label_set
        tokens = recording.inputs[tower].at(torch.from_numpy(index))
        groups = groups_of(recording.model.towers[tower], tokens, examples.occurs[tower])
        return cls(recording, tower, index, clusters[index], tokens, groups)

    @property
    def model(self) -> Tower:
        """The tower itself."""
        return self.recording.model.towers[self.tower]

    def terms(self, gauge: Gauge) -> PooledTerms:
        """The nine terms of the pooled rows."""
        space = embedding_in(self.model, self.recording.examples.occurs[self.tower], gauge)
        return score_terms(self.model, self.tokens, space)

    def error(self) -> float:
        """Largest relative error of the sum, over all query rows, in the worse gauge."""
        cached = self.recording.site(self.tower, "blocks.0.attn.hook_attn_scores")
        cached = cached[torch.from_numpy(self.index)]
        occurs = self.recording.examples.occurs[self.tower]
        groups = groups_of(self.model, self.tokens, occurs, pooled=False)
        seen = groups.seen[:, None].expand_as(cached)
        differences = []
        for gauge in GAUGES:
            space = embedding_in(self.model, occurs, gauge)
            summed = score_terms(self.model, self.tokens, space, pooled=False).sum(0)
            valid = seen & torch.isfinite(cached)
            largest = cached[valid].abs().max().clamp(min=1e-30)
            differences.append((summed - cached)[valid].abs().max() / largest)
        return float(max(differences))


def shares(part: Part, terms: PooledTerms, gauge: str) -> Iterator[dict[str, Any]]:
    """Rows of shares: nine terms and the identified split, by head and over all heads."""
    centred = _centre(part, terms)
    whole = centred.sum(0)
    covariance = (centred * whole).sum((-1, -2)).cpu().double().numpy()
    names = [*TERMS, *SPLIT]
    split = [covariance[[TERMS.index(t) for t in group]].sum(0) for group in SPLIT.values()]
    covariance = np.concatenate([covariance, np.stack(split)])
    variance = covariance[: len(TERMS)].sum(0)
    covariance[np.abs(covariance) < ROUNDING * variance] = 0.0
    for head in (*range(variance.shape[1]), None):
        cov, var = (x.sum(-1) if head is None else x[..., head] for x in (covariance, variance))
        for name, interval in zip(names, ratio_intervals(cov, var, part.clusters), strict=True):
            place = {"encoder": part.tower, "layer": 0, "head": head, "term": name, "gauge": gauge}
            yield {**place, **vars(interval)}


def mean_rows(part: Part, terms: PooledTerms, gauge: str) -> Iterator[dict[str, Any]]:
    """The mean pooled row of key-content and key-position, centred, by head and position."""
    centred = _centre(part, terms)
    length = int(part.tokens.pool.min()) + 1 if part.tower == "text" else centred.shape[-1]
    for label, group in zip(("key-content", "key-position"), SPLIT.values(), strict=True):
        mean = centred[[TERMS.index(t) for t in group]].sum(0).mean(0)[:, 0]
        for head, row in enumerate(mean.tolist()):
            for key, value in enumerate(row[:length]):
                position = key if part.tower == "text" else ("CLS" if key == 0 else f"{key}")
                place = {"encoder": part.tower, "head": head_name(0, head), "gauge": gauge}
                yield {**place, "part": label, "position": str(position), "value": value}


def _centre(part: Part, terms: PooledTerms) -> PooledTerms:
    """Terms minus their row mean over seen keys; zero where unseen."""
    seen = part.groups.seen[:, None].to(terms.dtype)
    mean = (terms * seen).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True)
    return (terms - mean) * seen
