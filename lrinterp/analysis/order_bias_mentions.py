"""What the pooled token of the text tower gives to the first and to the last object of a caption.

All relation captions are read at once, for every layer and head. For attention of the image tower
see `attention_gain`; for what the embedding takes from where it looks, see patching.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, Int, Shaped

from lrinterp.analysis.subject import as_index, label_groups, random_twins, relation_captions
from lrinterp.encoders import DualEncoder
from lrinterp.result import NotApplicable
from lrinterp.run import TowerRun
from lrinterp.scenes import Examples
from lrinterp.stats import COSINE, SHARE, WEIGHT, Sample

__all__ = [
    "ALL",
    "Mentions",
    "by_label",
    "chosen_heads",
    "head_rows",
    "mention_attention",
    "random_null",
    "samples_of",
    "sets_of",
]

ALL = "all"
SETS = (ALL, "seen_pair", "unseen_pair", "mixed_pair")
TIE = 1e-6
"""Difference of attention that rounding may make."""
FIRST_SEED = 1000
"""Seeds of models of random weights, far from those that people train with."""
ELSEWHERE = ("SOT", "relation", "words", "EOT")
"""Roles of positions that name no object."""

OfHead = Float[np.ndarray, "caption mention"]
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
        return replace(self, index=self.index[here], position=self.position[here])

    def where(self, template: str, captions: str) -> Int[np.ndarray, "some"]:
        """Which of these captions have a template and belong to a set; ALL stands for any."""
        sets = np.array(self.examples.caption_set, dtype=object)[self.index]
        of_template = (self.templates == template) | (template == ALL)
        return np.flatnonzero(of_template & ((sets == captions) | (captions == ALL)))

    @cached_property
    def templates(self) -> Shaped[np.ndarray, "caption"]:
        """The template of each caption."""
        return np.array(self.examples.caption_template, dtype=object)[self.index]

    @property
    def labels(self) -> Int[np.ndarray, "caption mention"]:
        """The labels that are named first and last: from left to right, or the other way round."""
        stated = self.examples.caption_labels[self.index][:, [0, -1]]
        return np.where((self.templates == "left")[:, None], stated, stated[:, ::-1])


def mention_attention(run: TowerRun, mentions: Mentions) -> Attention:
    """What the pooled token of these captions gives to both mentions, in a run of all captions."""
    some = run.at(as_index(mentions.index))
    pool = some.inputs.pool[:, None]
    rows = torch.arange(len(pool), device=pool.device)[:, None]
    key = torch.from_numpy(mentions.position).to(pool.device)
    picked = torch.stack(
        [some.cache["pattern", layer][rows, :, pool, key] for layer in range(run.n_layers)]
    )
    ordered = rearrange(picked, "layer caption mention head -> layer head caption mention")
    return ordered.cpu().double().numpy()


def random_null(model: DualEncoder, mentions: Mentions, seed: int) -> float:
    """Largest |mean difference| over all heads of models of random weights."""

    def largest(twin: DualEncoder) -> float:
        run = TowerRun(twin, "text", mentions.examples.text)
        first, last = np.moveaxis(mention_attention(run, mentions), -1, 0)
        return float(np.abs((first - last).mean(-1)).max())

    return max(map(largest, random_twins(model, "text", FIRST_SEED + seed)))


def samples_of(
    attention: OfHead, mentions: Mentions, template: str, captions: str
) -> dict[str, Sample]:
    """By column of the table: the numbers of one head on the captions of a template and a set."""
    here = mentions.where(template, captions)
    units = mentions.examples.caption_units.at(mentions.index[here])
    first, last = attention[here].T
    gap = first - last
    columns = {
        "first": first,
        "second": last,
        "difference": gap,
        "consistency": (gap > TIE) + 0.5 * (np.abs(gap) <= TIE),
        "side_difference": np.where(mentions.templates[here] == "left", gap, -gap),
    }
    return {name: Sample.mean(one[None], units, SCALES[name]) for name, one in columns.items()}


def head_rows(attention: Attention, mentions: Mentions) -> Iterator[dict[str, Any]]:
    """Means with intervals, over labels, for each template, set of captions and head.

    The ends of the difference are plain `low` and `high`. A set without captions has rows with
    n = 0 and no values.
    """
    for template, captions, (layer, head) in product(
        (ALL, *mentions.examples.templates), SETS, np.ndindex(attention.shape[:2])
    ):
        samples = samples_of(attention[layer, head], mentions, template, captions)
        found = {name: sample.interval for name, sample in samples.items()}
        row = {"layer": layer, "head": head, "template": template, "set": captions}
        for name, one in found.items():
            lead = "" if name == "difference" else f"{name}_"
            row |= {name: one.value, f"{lead}low": one.low, f"{lead}high": one.high}
        yield {**row, "n": found["first"].n, "n_units": found["first"].n_units}


def sets_of(examples: Examples) -> tuple[str, str]:
    """The captions to choose heads on, and those to measure them on: trained and held-out labels.

    Without trained pairs both are all captions, without held-out labels both are trained ones.
    """
    if "seen_pair" not in examples.caption_set:
        return ALL, ALL
    return "seen_pair", next(
        name for name in ("unseen_pair", "mixed_pair", "seen_pair") if name in examples.caption_set
    )


def chosen_heads(rows: pd.DataFrame) -> tuple[tuple[int, int], tuple[int, int] | None]:
    """Layer and head of the largest |difference|, and of the largest above 0 if there is one."""
    places = list(zip(rows["layer"].tolist(), rows["head"].tolist(), strict=True))
    gaps = rows["difference"].to_numpy(float)
    return places[np.abs(gaps).argmax()], places[gaps.argmax()] if gaps.max() > 0 else None


def by_label(attention: OfHead, mentions: Mentions) -> pd.DataFrame:
    """Mean attention of one head to each label, named first and named last."""
    words = np.array(mentions.examples.label_words)
    named, values = np.tile(mentions.names, len(attention)), attention.ravel()
    means = (
        pd.DataFrame({"named": named, "label": words[mentions.labels.ravel()], "value": values})
        .groupby(["named", "label"])["value"]
        .agg(attention="mean", n="size")
    )
    every = pd.MultiIndex.from_product([mentions.names, words], names=["named", "label"])
    table = means.reindex(every).assign(group=label_groups(mentions.examples) * 2).reset_index()
    table["n"] = table["n"].fillna(0).astype(int)
    return table[["label", "named", "attention", "group", "n"]]
