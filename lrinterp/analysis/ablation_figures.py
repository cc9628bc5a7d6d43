"""Ablations as a reader sees them: in words, and as bars of order accuracy."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrinterp.analysis.subject import SET_WORDS, head_name
from lrinterp.charts import bars, reference
from lrinterp.result import Figure, Scalar, records

__all__ = ["ablation_words", "heads_figure", "order_figure", "order_rows", "split_figure"]

KIND_WORDS = {
    "none": "intact",
    "flatten": "without {}",
    "zero": "without {}",
    "keep": "{} alone",
    "keep_objects": "{}, objects told from empty pixels",
    "permute": "{} permuted",
    "resample": "{} of another picture",
    "placebo": "placebo for {}",
}
WHOLE = "EP+PP+bP"
TERM_WORDS = {WHOLE: "key-position", "EE+PE+bE": "key-content"}
PIECES = ("EP", "PP", "bP", "EP+PP", "EP+bP", "PP+bP")
SPLIT_KINDS = {"flatten": "canonical, flattened", "zero": "raw, zero"}
MODEL_WORDS = {"trained": "", "untrained": "untrained model, "}
TOWER_WORDS = {"image": "", "text": "text tower, "}


def ablation_words(row: Mapping[str, Any]) -> str:
    """A table row in words, such as "text tower, without key-position"."""
    terms = [TERM_WORDS.get(row["terms"], row["terms"])]
    if row["terms"].endswith("+VP"):
        whole = row["terms"].removesuffix("+VP")
        terms = [f"{TERM_WORDS.get(whole, whole)} and VP"]
    where = MODEL_WORDS[row["model"]] + TOWER_WORDS[row["encoder"]]
    return where + KIND_WORDS[row["kind"]].format(*terms)


def order_rows(table: pd.DataFrame, focus: str) -> pd.DataFrame:
    """Order on one set, all heads, each ablation in words."""
    part = table[(table["set"] == focus) & (table["metric"] == "order") & (table["heads"] == "all")]
    words = [ablation_words(row) for row in records(part)]
    return part.assign(ablation=words).rename(columns={"value": "order accuracy"})


def order_figure(rows: pd.DataFrame, focus: str, chance: float) -> Figure:
    """Order under each ablation of a whole: key-position, key-content, values."""
    part = rows[~rows["terms"].isin(PIECES) & (rows["gauge"] == "canonical")]  # raw: split_figure
    shown = part[["ablation", "order accuracy", "low", "high", "terms", "kind"]]
    return Figure(
        key="order",
        title="Order accuracy when terms of the pooled row are taken away",
        how_to_read=f"Each bar is the share of pictures of {SET_WORDS[focus]} whose true caption "
        f"beats its swap, with its 95 % interval; {chance:.2g} is chance, below it the wrong "
        "caption is preferred. Removing what order needs brings a bar to chance, and a random "
        "change of the same size (placebo) should then hurt less. Permuted: each pixel gets "
        "another pixel's value; VP: the position part of the values.",
        plot=reference(bars(shown, x="order accuracy", y="ablation"), chance, "chance"),
        table=part,
    )


def split_figure(rows: pd.DataFrame, chance: float) -> Figure:
    """Key-position and its pieces in both gauges."""
    part = rows[rows["terms"].isin((*PIECES, WHOLE)) & rows["kind"].isin(SPLIT_KINDS)]
    part = part[(part["encoder"] == "image") & (part["model"] == "trained")]
    kinds = [SPLIT_KINDS[kind] for kind in part["kind"]]
    shown = part.assign(split=kinds, removed=part["terms"])
    shown = shown[["split", "removed", "order accuracy", "low", "high"]]
    plot = bars(shown, x="order accuracy", y="removed", facet="split")
    return Figure(
        key="split",
        title="The same preference, divided in two ways",
        how_to_read="Each bar is order accuracy without some terms: first in the canonical gauge "
        "(flattened over the patches), then as the raw weights stand (set to zero). Only EP+PP+bP "
        "as a whole is meant to agree; how it divides depends on initialisation. "
        f"{chance:.2g} is chance.",
        plot=reference(plot, chance, "chance"),
        table=part,
    )


def heads_figure(order_lost: Mapping[int, Scalar]) -> Figure:
    """Order lost by head of the first layer, the largest first."""
    rows = [{"head": head_name(0, head), **lost.plain()} for head, lost in order_lost.items()]
    table = pd.DataFrame(rows).sort_values("value", ascending=False)
    return Figure(
        key="heads",
        title="Order lost when one head's key-position is flattened",
        how_to_read="Each bar is intact minus ablated order on the same pictures, with its paired "
        "95 % interval; a head that plays no part is at 0.",
        plot=bars(table.rename(columns={"value": "order lost"}), x="order lost", y="head"),
        table=table,
    )
