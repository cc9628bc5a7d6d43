"""Which products of content and position make the attention scores, and who wrote the keys?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from lrinterp.analysis.attention_terms_figures import (
    deep_figures,
    rows_figure,
    shares_figure,
    text_figure,
)
from lrinterp.analysis.attention_terms_shares import (
    NINE,
    PARTS,
    SPLIT,
    Scored,
    few_rows,
    mean_rows,
    nine_covariances,
    nine_terms,
    part_shares,
    share_rows,
)
from lrinterp.analysis.subject import decomposable, over_pictures, relation_captions
from lrinterp.decomposition import GAUGES, TERMS, gauges_at
from lrinterp.result import Check, Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run
from lrinterp.stats import Sample
from lrinterp.wording import counted

__all__ = ["AttentionTerms", "attention_terms"]

EXACT = 1e-4
"""Error of the sum beyond which the terms are not those of the scores: float32 in deep towers."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionTerms(Result):
    """Shares of the nine terms and of the key's makers, and how exactly either adds up."""

    name: ClassVar[str] = "attention_terms"
    question: ClassVar[str] = "Which products of token and position make the attention scores?"
    primary: ClassVar[str] = "image_key_position_share"

    table: pd.DataFrame
    """Share of each term, or part, by tower, layer, head (null: all heads) and gauge."""
    rows: pd.DataFrame
    """Mean value of each term at each key position on the pooled row."""
    pattern: Float[np.ndarray, "head query key"]
    """Attention of the text tower's last layer on one caption."""
    words: tuple[str, ...]
    """The words of that caption."""
    error: float
    normed: bool
    """Does LayerNorm scale the keys of a tower?"""
    layers: Mapping[str, int]
    """By tower: how many layers it has."""
    notes: tuple[str, ...]
    metrics: Mapping[str, Metric] = field()
    """The reconstruction error and the split of the image tower's first and last layer."""

    @property
    def deep(self) -> bool:
        """Has a tower more than one layer?"""
        return max(self.layers.values()) > 1

    @cached_property
    def more(self) -> Mapping[str, Metric]:
        """The share of EE, EP, PE and PP in the image tower's first layer, raw, over all heads."""
        rows = self.table.query(
            "split == @NINE and encoder == 'image' and layer == 0 and gauge == 'raw'"
        )
        own = rows[rows["head"].isna() & rows["term"].isin(["EE", "EP", "PE", "PP"])]
        n = int(own["n"].max()) if len(own) else None
        whole = {"value": own["value"].sum(min_count=1), "n": n}
        return {"image_weight_terms_share": Metric.of(whole, estimator="ratio")}

    @property
    def finding(self) -> str:
        """The split of the image tower, and the exactness of the sum."""
        what = "Nine terms and key parts add up" if self.deep else "The nine terms add up"
        exact = f"{what} to the cached scores to {self.error:.0e} of their largest."
        if self.primary not in self.metrics:
            return exact
        position, content = self.metrics[self.primary], self.metrics["image_key_content_share"]
        if position.value is None:
            return f"All scores of the image tower's pooled row are equal. {exact}"
        where = ", first layer," if self.layers["image"] > 1 else ""
        return (
            f"{'By convention (see caveats), on' if self.normed else 'On'} the pooled row of the "
            f"image tower{where} {position.phrase} of the variance of the scores "
            f"comes from where the key is, {content.phrase} from what it is "
            f"({counted(position.n, 'picture')}).{self._last()} {exact}"
        )

    def _last(self) -> str:
        """Position and the strongest part in the last layer of a deep image tower."""
        layer = self.layers["image"] - 1
        parts = self.table.query(
            f"split == '{PARTS}' and encoder == 'image' and layer == {layer} and head.isna()"
        ).dropna(subset=["value"])
        if not layer or parts.empty:
            return ""
        best = records(parts.sort_values("value"))[-1]
        share = self.metrics["image_last_key_position_share"]
        return (
            f" In the last, L{layer}, {share.phrase} comes from where the key is, by means over "
            f"these pictures; of all parts that wrote its keys {best['term']} has most, "
            f"{Metric.of(best).phrase}."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is identified, and what is convention."""
        whole = (
            "With LayerNorm, whose scale differs by key, every split is a convention, also that of "
            "key-content (EE+PE+bE) and key-position (EP+PP+bP)"
            if self.normed
            else "Only two things are identified, up to a constant per component of positions: "
            "key-content (EE+PE+bE) and key-position (EP+PP+bP). How key-position divides into EP, "
            "PP and bP is a convention"
        )
        return (
            f"{whole}: a vector can move between token and position embeddings without changing "
            "any output. The canonical gauge centres the position embeddings; the raw gauge shows "
            "the weights as training left them.",
            "A share is cov(term, scores) / var(scores), centred within the row over the keys "
            "that are seen. It may be negative; shares sum to 1. Eb, Pb and bb are constant along "
            "a row.",
            *([ABOVE, ONCE] if self.deep else []),
            LONE,
            *self.notes,
        )

    def frame(self) -> pd.DataFrame:
        """The shares, with the column `share` for the value."""
        return self.table.rename(columns={"value": "share"})

    def figures(self) -> tuple[Figure, ...]:
        """Shares by head in both gauges, mean rows by position, attention of the text tower.

        With several layers also shares by layer, key-position by head, and who wrote the keys.
        """
        nine = self.table[self.table["split"] == NINE]
        first = [shares_figure(nine, gauge, deep=self.deep) for gauge in GAUGES]
        return (
            *(deep_figures(self.table) if self.deep else ()),
            *first,
            rows_figure(self.rows, nine),
            text_figure(self.pattern, self.words, self.layers["text"] - 1),
        )

    @property
    def checks(self) -> tuple[Check, ...]:
        """The sum of the terms against the scores that the model itself computed."""
        return (
            Check(
                key="reconstruction",
                what="sum of the terms minus the cached scores, as a share of the largest score",
                value=self.error,
                bound=EXACT,
            ),
        )


LONE = (
    "A key that stands alone in its component (CLS, [EOT]) has no position part: what sets it "
    "apart from the other keys counts as content."
)
ABOVE = (
    "Above the first layer no weight says what is position: there the position part (dataset-mean "
    "basis) is the mean of the residual stream at each position over the examples of other label "
    "pairs (so that accidents of few pictures do not count as position), and content is all the "
    "rest. That split is a convention of these examples."
)
ONCE = (
    "Key parts divide the key alone, by who wrote it (embed, pos, each earlier head and MLP, "
    "biases), the query whole; a norm's scale is held as it was. What a head wrote may be copied "
    "from elsewhere: a part says who wrote last, not where it comes from."
)


def attention_terms(recording: Run) -> AttentionTerms:
    """Split the scores of every layer of both towers into nine terms, and by who wrote the key.

    share(t) = sum over examples and keys of centred(t) * centred(s) / sum of centred(s)^2 on the
    pooled row, s the sum; interval: labels left out in turn. The reconstruction error
    is max |sum of terms - hook_attn_scores| / max |hook_attn_scores| where a key is seen, the
    larger of both ways to divide. The first layer has the gauges of its weights, layers above it
    the gauge `means`. Source: arXiv 2601.12809, section 4; arXiv 2310.04861 for means. Raises
    NotApplicable where neither tower can be split.
    """
    tables, rows, notes, summary, n = [], [], [], {}, 0
    by_head = few_rows(recording.model)
    for tower in recording.model.towers:
        try:
            decomposable(recording, tower)
        except NotApplicable as reason:
            notes.append(f"{reason}.")
            continue
        part = Scored.of(recording, tower)
        n += len(part.run)
        for layer in range(part.run.n_layers):
            found, means, split = layer_shares(part, layer, by_head=by_head)
            tables += found
            rows += means
            summary |= split
    if not tables:
        raise NotApplicable(notes[0])
    table = pd.DataFrame(tables).astype({"head": "Int64"})
    error = float(table["reconstruction_error"].max())
    return AttentionTerms(
        table=table,
        rows=pd.DataFrame(rows),
        **one_caption(recording),
        error=error,
        normed=any(t.cfg.normalization_type is not None for t in recording.model.towers.values()),
        layers={name: tower.cfg.n_layers for name, tower in recording.model.towers.items()},
        notes=tuple(notes),
        metrics={"reconstruction_error": Metric(value=error, n=n, estimator="exact")} | summary,
    )


def layer_shares(
    part: Scored, layer: int, *, by_head: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Metric]]:
    """Shares of one layer with its reconstruction error, mean rows, and what is in the summary.

    In a tower of one layer the parts of a key are no more than its content and position.
    """
    deep = part.run.n_layers > 1
    written, error = part_shares(part, layer, by_head=deep and by_head)
    found, means, errors, split = [], [], [error], {}
    for gauge in gauges_at(layer):
        terms, error = nine_terms(part, layer, gauge)
        values, variance = nine_covariances(part, terms)
        place = {"encoder": part.run.name, "layer": layer, "gauge": gauge, "split": NINE}
        found += share_rows([*TERMS, *SPLIT], values, variance, part.units, **place)
        means += mean_rows(part, terms, layer, gauge)
        errors.append(error)
        split = split or in_summary(part, layer, values, variance)
    found += written if deep else []
    return [{**row, "reconstruction_error": max(errors)} for row in found], means, split


def in_summary(
    part: Scored,
    layer: int,
    values: Float[np.ndarray, "name example head"],
    variance: Float[np.ndarray, "example head"],
) -> dict[str, Metric]:
    """By summary key: the split of the image tower's first or last layer over all heads."""
    if part.run.name != "image" or layer not in (0, part.run.n_layers - 1):
        return {}
    whole, found = variance.sum(-1), {}
    for side, top in zip(("key_content", "key_position"), values[-2:].sum(-1), strict=True):
        sample = Sample(top=top[None], bottom=whole, units=part.units)
        found[f"{'image_last' if layer else 'image'}_{side}_share"] = (
            over_pictures(part.examples, sample)
            if whole.sum() > 0
            else Metric(value=None, n=len(whole), n_units=part.units.n)
        )
    return found


def one_caption(recording: Run) -> dict[str, Any]:
    """Words and last-layer attention of the first caption that states a relation."""
    first = int(relation_captions(recording.examples)[0])
    run = recording.towers["text"].at(torch.tensor([first]))
    text, length = run.inputs, int(run.inputs.pool[0]) + 1
    pattern = run.cache["pattern", run.n_layers - 1][0]
    vocabulary = recording.examples.words["text"]
    return {
        "pattern": pattern[:, :length, :length].float().cpu().numpy(),
        "words": tuple(vocabulary[i] for i in text.values[0, :length].tolist()),
    }
