"""How each statistic of a claim is computed: one number a seed, then their mean with an interval.

All are of `standard` models where nothing else is said, on the pictures of held-out pairs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.analysis.gradient.fit import WHOLE
from lrinterp.reproduction.design import UNTRAINED
from lrinterp.reproduction.measures import Measures
from lrinterp.stats import (
    COSINE,
    GAP,
    LINEAR,
    SHARE,
    Interval,
    Scale,
    seed_interval,
)

__all__ = ["OF_MODELS", "WHOLE", "Found", "by_seed"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A statistic: its interval over seeds, and the number of each seed."""

    interval: Interval
    seeds: Mapping[int, float] = field(default_factory=dict)
    """Empty where the statistic is not a mean over seeds."""
    n_examples: int | None = None
    """Pictures or captions that the number of a seed rests on."""
    reason: str = ""
    """Why there is no value."""


def by_seed(
    values: pd.Series, n_examples: Any = None, reason: str = "", *, scale: Scale = LINEAR
) -> Found:
    """The mean of one number a seed; without any, nothing but the reason."""
    known = values.dropna()
    seeds = {int(str(seed)): float(value) for seed, value in known.items()}
    n = None if n_examples is None else int(n_examples)
    if not seeds:
        return Found(interval=Interval(value=None), reason=reason or "not measured")
    interval = seed_interval(np.array(list(seeds.values())), scale)
    lacking = len(values) - len(seeds)
    why = f"{lacking} of {len(values)} models have no such number" if lacking else ""
    return Found(interval=interval, seeds=seeds, n_examples=n, reason=why)


def summary(
    analysis: str, key: str, arm: str = "standard", scale: Scale = SHARE
) -> Callable[[Measures], Found]:
    """A scalar of an analysis' summary."""

    def found(measures: Measures) -> Found:
        rows = measures.summary(arm, analysis, key)
        values = rows.set_index("seed")["value"].astype(float)
        return by_seed(values, largest(rows["n"]), scale=scale)

    return found


def largest(counts: pd.Series) -> Any:
    """The largest count that is known, or None."""
    known = counts.dropna()
    return known.max() if len(known) else None


def intact(measures: Measures, arm: str = "standard") -> pd.Series:
    """Order of each model."""
    return measures.number(arm, "accuracy", "unseen_pair_order")


def pictures(measures: Measures) -> Any:
    """Pictures of held-out pairs that a standard model is tested on."""
    return largest(measures.summary("standard", "accuracy", "unseen_pair_order")["n"])


def order_gained(measures: Measures) -> Found:
    """Order of the trained models minus that of the same models before their first step."""
    gained = intact(measures) - intact(measures, UNTRAINED)
    return by_seed(gained, pictures(measures), scale=GAP)


def left(
    terms: str, kind: str = "zero", gauge: str = "raw", measured: str = "order/pair"
) -> Callable[[Measures], Found]:
    """An accuracy under an ablation."""

    def found(measures: Measures) -> Found:
        values = measures.ablated("standard", terms, kind, gauge, measured)
        return by_seed(values, pictures(measures), scale=SHARE)

    return found


def lost(terms: str, kind: str = "zero", gauge: str = "raw") -> Callable[[Measures], Found]:
    """Intact order minus order under an ablation, model by model."""

    def found(measures: Measures) -> Found:
        after = measures.ablated("standard", terms, kind, gauge)
        return by_seed(intact(measures) - after, pictures(measures), scale=GAP)

    return found


def monotone(term: str) -> Callable[[Measures], Found]:
    """|Spearman| of a raw term along the row of the headline head."""

    def found(measures: Measures) -> Found:
        return by_seed(
            measures.of_headline("standard", term, "raw", "spearman").abs(), scale=COSINE
        )

    return found


def widest(arm: str) -> Callable[[Measures], Found]:
    """The span of key-position in the head where it is largest."""

    def found(measures: Measures) -> Found:
        cells = measures.cells("positional_gradient", arm=arm, term=WHOLE, gauge="canonical")
        return by_seed(cells.groupby("seed")["span"].max())

    return found


def weight_share(measures: Measures) -> Found:
    """Shares of EE, EP, PE and PP in the variance of the CLS row, added up: raw, all heads."""
    cells = measures.cells(
        "attention_terms", arm="standard", encoder="image", gauge="raw", head=None
    )
    weights = cells[cells["term"].isin(["EE", "EP", "PE", "PP"])]
    return by_seed(weights.groupby("seed")["share"].sum(), pictures(measures))


def rotation_raw(measures: Measures) -> Found:
    """Cosine of the token embeddings of held-out labels as they stand."""
    cells = measures.cells("procrustes", arm="standard", site="W_E", group="held out")
    return by_seed(cells.groupby("seed")["raw_cosine"].mean(), scale=COSINE)


def rotation_gained(measures: Measures) -> Found:
    """Cosine of held-out labels after the rotation, minus after one of shuffled labels."""
    aligned, shuffled = (
        measures.number("standard", "procrustes", f"W_E_{name}")
        for name in ("aligned_cosine", "shuffled_mean")
    )
    return by_seed(aligned - shuffled)


OF_MODELS: dict[str, Callable[[Measures], Found]] = {
    "order": summary("accuracy", "unseen_pair_order"),
    "order_gained": order_gained,
    "weight_share": weight_share,
    "spearman_EP": monotone("EP"),
    "spearman_PP": monotone("PP"),
    "spearman_bP": monotone("bP"),
    "without_EP": left("EP"),
    "lost_PE": lost("PE"),
    "lost_PP": lost("PP"),
    "lost_bP": lost("bP"),
    "label_set_EP": left("EP", measured="label_set/closed"),
    "label_set_key_position": left(WHOLE, "flatten", "canonical", "label_set/closed"),
    "order_both_1": summary("accuracy", "unseen_pair_order", "both_1"),
    "span_both_1": widest("both_1"),
    "order_few": summary("accuracy", "unseen_pair_order", "few"),
    "span_few": widest("few"),
    "first_consistency": summary("order_bias", "first_head_consistency"),
    "first_difference": summary("order_bias", "first_head_difference", scale=COSINE),
    "rotation_raw": rotation_raw,
    "rotation_aligned": summary("procrustes", "W_E_aligned_cosine", scale=COSINE),
    "rotation_gained": rotation_gained,
    "order_both_2": summary("accuracy", "unseen_pair_order", "both_2"),
    "without_EP_VP": left("EP+VP"),
    "lost_VP": lost("VP", "zero", "canonical"),
    "lost_only": lost(WHOLE, "keep", "canonical"),
    "margin_gain": summary("similarity_attribution", "spearman_margin_gain", scale=COSINE),
    "margin_gain_within": summary("similarity_attribution", "spearman_within_pairs", scale=COSINE),
}
"""Statistics of the arms of models, by name."""
