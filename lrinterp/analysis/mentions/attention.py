"""What the pooled token of the text tower gives to the first and to the last object of a caption.

All relation captions are read at once, for every layer and head. For attention of the image tower
see `attention_gain`; for what the embedding takes from where it looks, see patching.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.analysis.subject import as_index, label_groups, random_twins, relation_captions
from lrinterp.encoders import DualEncoder
from lrinterp.result import Metric, NotApplicable
from lrinterp.run import TowerRun
from lrinterp.scenes import Examples
from lrinterp.stats import COSINE, SHARE, WEIGHT, Interval, Sample, ratio_intervals

__all__ = [
    "ALL",
    "Mentions",
    "by_label",
    "choose",
    "head_rows",
    "mention_attention",
    "patterns_of",
    "random_null",
    "sets_of",
]

ALL = "all"
SETS = (ALL, "seen_pair", "unseen_pair", "mixed_pair")
TIE = 1e-6
"""Difference of attention that rounding may make."""
FIRST_SEED = 1000
"""Seeds of models of random weights, far from those that people train with."""

Pattern = Float[Tensor, "caption head query key"]
ELSEWHERE = ("SOT", "relation", "words", "EOT")
"""Roles of positions that name no object."""

Attention = Float[np.ndarray, "layer head caption mention"]

SCALES = {
    "first": WEIGHT,
    "second": WEIGHT,
    "difference": COSINE,
    "consistency": SHARE,
    "side_difference": COSINE,
}
"""By column: where its numbers lie."""


@dataclass(frozen=True)
class Mentions:
    """Captions, and the positions at which they name their first and their last object."""

    examples: Examples
    index: Int[np.ndarray, "caption"]
    """These captions among all captions of the examples."""
    position: Int[np.ndarray, "caption mention"]
    names: tuple[str, str]
    """Roles of the two: first, and second or whichever is last."""

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """All relation captions; NotApplicable where there is none."""
        index = relation_captions(examples)
        if not len(index):
            raise NotApplicable("no caption states a relation")
        roles = examples.roles["text"]
        objects = [name for name in roles if name not in ELSEWHERE]
        names = (objects[0], objects[-1])
        position = [roles[name][as_index(index)].int().argmax(1).numpy() for name in names]
        return cls(examples, index, np.stack(position, axis=1), names)

    def of_set(self, captions: str) -> Self:
        """The captions of one set; ALL stands for any."""
        here = self.where(ALL, captions)
        return type(self)(self.examples, self.index[here], self.position[here], self.names)

    def where(self, template: str, captions: str) -> Bool[np.ndarray, "caption"]:
        """Which captions have a template and belong to a set; ALL stands for any."""
        templates = np.array(self.examples.caption_template, dtype=object)[self.index]
        sets = np.array(self.examples.caption_set, dtype=object)[self.index]
        either = (templates == template) | (template == ALL)
        return either & ((sets == captions) | (captions == ALL))

    @property
    def words(self) -> np.ndarray:
        """[caption, mention]: the labels by name, also those of several tokens."""
        if self.examples.caption_swap == "word":
            labels = self.examples.caption_labels[self.index]
            templates = np.array(self.examples.caption_template, dtype=object)[self.index]
            said = np.where((templates == "left")[:, None], labels, labels[:, ::-1])
            return np.array(self.examples.label_words)[said]
        rows, positions = as_index(self.index)[:, None], torch.from_numpy(self.position)
        ids = self.examples.text.ids[rows, positions]
        return np.array(self.examples.words["text"])[ids.numpy()]

    @property
    def side(self) -> Float[np.ndarray, "caption"]:
        """1 where the object named first stands left of the other, -1 where it stands right."""
        left = np.array(self.examples.label_words)[self.examples.caption_labels[self.index, 0]]
        return np.where(self.words[:, 0] == left, 1.0, -1.0)


def mention_attention(patterns: Sequence[Pattern], mentions: Mentions) -> Attention:
    """From attention maps of these captions, a layer each: what the pooled token gives to both."""
    device = patterns[0].device
    pool = mentions.examples.text.pool[as_index(mentions.index)].to(device)[:, None]
    rows = torch.arange(len(pool), device=device)[:, None]
    key = torch.from_numpy(mentions.position).to(device)
    picked = torch.stack([pattern[rows, :, pool, key] for pattern in patterns])
    ordered = rearrange(picked, "layer caption mention head -> layer head caption mention")
    return ordered.cpu().double().numpy()


def patterns_of(run: TowerRun, mentions: Mentions) -> list[Pattern]:
    """The attention maps of these captions, a layer each."""
    some = run.at(as_index(mentions.index))
    return [some.cache["pattern", layer] for layer in range(run.n_layers)]


def random_null(model: DualEncoder, mentions: Mentions, seed: int) -> float:
    """Largest |mean difference| over all heads of models of random weights."""

    def largest(twin: DualEncoder) -> float:
        patterns = patterns_of(TowerRun(twin, "text", mentions.examples.text), mentions)
        gap = gap_of(mention_attention(patterns, mentions))
        return float(np.abs(gap.mean(-1)).max())

    return max(map(largest, random_twins(model, "text", FIRST_SEED + seed)))


def gap_of(
    attention: Float[np.ndarray, "*head caption mention"],
) -> Float[np.ndarray, "*head caption"]:
    """What the first mention gets more than the last one."""
    return attention[..., 0] - attention[..., 1]


def head_rows(attention: Attention, mentions: Mentions) -> Iterator[dict[str, Any]]:
    """Means with intervals, over labels, for each template, set of captions and head.

    A set without captions has rows with n = 0 and no values.
    """
    units = mentions.examples.caption_units.at(mentions.index)
    columns = columns_of(attention, mentions)
    heads = list(product(*map(range, attention.shape[:2])))
    for template, captions in product((ALL, *mentions.examples.templates), SETS):
        here = mentions.where(template, captions)
        own = units.at(np.flatnonzero(here))
        found = {
            name: ratio_intervals(
                rearrange(values[..., here], "layer head c -> (layer head) c"),
                np.ones(here.sum()),
                own,
                scale=SCALES[name],
            )
            for name, values in columns.items()
        }
        for k, (layer, head) in enumerate(heads):
            place = {"layer": layer, "head": head, "template": template, "set": captions}
            yield {**place, **flattened({name: every[k] for name, every in found.items()})}


def columns_of(
    attention: Float[np.ndarray, "*head caption mention"], mentions: Mentions
) -> dict[str, Float[np.ndarray, "*head caption"]]:
    """What is averaged over captions, by name."""
    gap = gap_of(attention)
    return {
        "first": attention[..., 0],
        "second": attention[..., 1],
        "difference": gap,
        "consistency": (gap > TIE) + 0.5 * (np.abs(gap) <= TIE),
        "side_difference": gap * mentions.side,
    }


def head_samples(
    attention: Float[np.ndarray, "caption mention"], mentions: Mentions, of_set: str
) -> dict[str, Sample]:
    """By `template/number`: the numbers of one head on a set of captions, as in `head_rows`."""
    units, found = mentions.examples.caption_units.at(mentions.index), {}
    for template in (ALL, *mentions.examples.templates):
        here = np.flatnonzero(mentions.where(template, of_set))
        for name, values in columns_of(attention, mentions).items():
            sample = Sample.mean(values[None, here], units.at(here), SCALES[name])
            found[f"{template}/{name}"] = sample
    return found


def flattened(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    """Intervals as columns of one row; the ends of the difference are plain `low` and `high`."""
    row: dict[str, Any] = {}
    for name, one in intervals.items():
        ends = ("low", "high") if name == "difference" else (f"{name}_low", f"{name}_high")
        row |= dict(zip((name, *ends), (one.value, one.low, one.high), strict=True))
    return row | {"n": one.n, "n_units": one.n_units}


def number_of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One number of a row of `head_rows`, with its ends and counts under their plain names."""
    ends = ("low", "high") if name == "difference" else (f"{name}_low", f"{name}_high")
    return {**row, "value": row[name], "low": row[ends[0]], "high": row[ends[1]]}


def complement(share: Metric) -> Metric:
    """What a share leaves to 1."""
    parts = {"value": share.value, "low": share.high, "high": share.low}
    rest = {k: None if x is None else 1 - x for k, x in parts.items()}  # type: ignore[operator]
    own = share.sample
    sample = None if own is None else replace(own, top=own.bottom - own.top)
    return replace(share, **rest, sample=sample)  # type: ignore[arg-type]


def sets_of(examples: Examples) -> tuple[str, str]:
    """The captions to choose heads on, and those to measure them on: trained and held-out labels.

    Without trained pairs both are all captions, without held-out labels both are trained ones.
    """
    if "seen_pair" not in examples.caption_set:
        return ALL, ALL
    held_out = [name for name in ("unseen_pair", "mixed_pair") if name in examples.caption_set]
    return "seen_pair", next(iter(held_out), "seen_pair")


def choose(rows: pd.DataFrame) -> tuple[tuple[int, int], tuple[int, int] | None]:
    """Layer and head of the largest |difference|, and of the largest above 0 if there is one."""
    places = list(zip(rows["layer"].tolist(), rows["head"].tolist(), strict=True))
    gaps = rows["difference"].to_numpy(float)
    first = places[gaps.argmax()] if gaps.max() > 0 else None
    return places[np.abs(gaps).argmax()], first


def by_label(attention: Float[np.ndarray, "caption mention"], mentions: Mentions) -> pd.DataFrame:
    """Mean attention of one head to each label, named first and named last."""
    words, groups = mentions.examples.label_words, label_groups(mentions.examples)
    parts = []
    for name, named, values in zip(mentions.names, mentions.words.T, attention.T, strict=True):
        means = pd.Series(values).groupby(named).agg(["mean", "size"]).reindex(words)
        columns = {"label": words, "named": name, "attention": means["mean"].to_numpy()}
        counts = means["size"].fillna(0).astype(int).to_numpy()
        parts.append(pd.DataFrame({**columns, "group": groups, "n": counts}))
    return pd.concat(parts, ignore_index=True)
