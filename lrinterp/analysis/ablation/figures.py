"""Ablations as a reader sees them: in words, and as bars of order accuracy."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrinterp.analysis.subject import SET_WORDS
from lrinterp.charts import bars, reference, scatter
from lrinterp.result import Figure, Metric, records
from lrinterp.scenes.natural import PICTURES
from lrinterp.wording import head_name

__all__ = [
    "ablation_words",
    "estimate_figure",
    "heads_figure",
    "layers_figure",
    "order_figure",
    "order_rows",
    "pictures_of",
    "removals",
    "split_figure",
]

KIND_WORDS = {
    "none": "intact",
    "flatten": "without {}",
    "zero": "without {}",
    "keep": "{} alone",
    "keep_objects": "{}, objects told from empty pixels",
    "permute": "{} permuted",
    "resample": "{} of another picture",
    "placebo": "placebo for {}",
    "reverse": "{} reversed",
    "linear": "straight line of {}",
    "residual": "{} less its straight line",
    "residual_rescaled": "{} less its straight line, rescaled",
    "exchange": "attention of the objects exchanged",
    "equalise": "attention of the objects equalised",
}
WHOLE = "EP+PP+bP"
TERM_WORDS = {WHOLE: "key-position", "EE+PE+bE": "key-content"}
SHAPES = ("reverse", "linear", "residual", "residual_rescaled", "exchange", "equalise")
PIECES = ("EP", "PP", "bP", "EP+PP", "EP+bP", "PP+bP")
SPLIT_KINDS = {"flatten": "canonical, flattened", "zero": "raw, zero"}
MODEL_WORDS = {"trained": "", "untrained": "untrained model, "}
ALL, WITHOUT = " in all layers", "without key-position"
ONE = f"{WITHOUT} in "
"""What every label of a figure would repeat."""
TOWER_WORDS = {"image": "", "text": "text tower, ", "both": "both towers, "}


def ablation_words(row: Mapping[str, Any]) -> str:
    """A table row in words, such as "text tower, without key-position"."""
    terms = [TERM_WORDS.get(row["terms"], row["terms"])]
    if row["terms"].endswith("+VP"):
        whole = row["terms"].removesuffix("+VP")
        terms = [f"{TERM_WORDS.get(whole, whole)} and VP"]
    where = MODEL_WORDS[row["model"]] + TOWER_WORDS[row["encoder"]]
    return where + KIND_WORDS[row["kind"]].format(*terms)


def pictures_of(focus: str) -> str:
    """The pictures that were analysed, in words."""
    words = SET_WORDS[focus]
    return words if words.startswith("pictures") else f"pictures of {words}"


def place_words(row: Mapping[str, Any]) -> str:
    """Which layers and query rows of a deep tower a table row edits."""
    if row["kind"] == "none":
        return ""
    layers = "all layers" if row["layers"] == "all" else f"layer {row['layers']}"
    return f" in {layers}" + (", pooled row" if row["queries"] == "pooled" else "")


def order_rows(table: pd.DataFrame, focus: str) -> pd.DataFrame:
    """Order on one set, all heads, each ablation in words; of deep towers with its layers."""
    part = table[(table["set"] == focus) & (table["metric"] == "order") & (table["heads"] == "all")]
    rows = records(part)
    deep = {row["encoder"] for row in rows if row["layers"] != "0"}
    words = [ablation_words(r) + (place_words(r) if r["encoder"] in deep else "") for r in rows]
    if focus == PICTURES:
        words = [text.replace("empty pixels", "background") for text in words]
    return part.assign(ablation=words).rename(columns={"value": "order accuracy"})


def removals(rows: pd.DataFrame) -> pd.DataFrame:
    """Removals and controls of size, of wholes: no pieces, other courses over the row, or doses."""
    whole = ~rows["terms"].isin(PIECES) & (rows["gauge"] != "raw")
    return rows[whole & ~rows["kind"].isin(SHAPES) & rows["dose"].isin(("0", "1"))]


def of_one_layer(rows: pd.DataFrame) -> pd.Series:
    """Which rows edit one layer alone, in all query rows."""
    return (rows["layers"] != "all") & (rows["queries"] == "all")


def order_figure(rows: pd.DataFrame, focus: str, chance: float) -> Figure:
    """Order under each ablation of a whole: key-position, key-content, values."""
    part = removals(rows)
    part = part[~of_one_layer(part)]  # layers_figure
    shown = part[["ablation", "order accuracy", "low", "high", "terms", "kind"]]
    shown = shown.assign(ablation=[words.replace(ALL, "") for words in shown["ablation"]])
    deep = (part["layers"] != "0").any()
    taken = "the attention scores" if deep else "the pooled row"
    further = (
        " In a deep tower an edit is of all layers and query rows, or, where it says so, of the "
        "pooled row alone."
        if deep
        else ""
    )
    return Figure(
        key="order",
        title=f"Order accuracy when terms of {taken} are taken away",
        how_to_read=f"Each bar is the share of {pictures_of(focus)} whose true caption "
        f"beats its swap, with its 95 % interval; {chance:.2g} is chance, below it the wrong "
        "caption is preferred. Removing what order needs brings a bar to chance, and a random "
        "change of the same size (placebo) should then hurt less. Permuted: each key gets "
        "another key's value; VP: the position part of the values." + further,
        plot=reference(bars(shown, x="order accuracy", y="ablation"), chance, "chance"),
        table=part,
    )


def split_figure(rows: pd.DataFrame, chance: float) -> Figure:
    """Key-position and its pieces in both gauges."""
    part = rows[rows["terms"].isin((*PIECES, WHOLE)) & rows["kind"].isin(SPLIT_KINDS)]
    part = part[(part["encoder"] == "image") & (part["model"] == "trained")]
    part = part[(part["layers"] == "0") & (part["queries"] == "pooled") & (part["dose"] == "0")]
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


def layers_figure(rows: pd.DataFrame, focus: str, chance: float) -> Figure:
    """Order with the key-position of one layer flattened, and of all."""
    part = rows[(rows["encoder"] == "image") & (rows["model"] == "trained")]
    removed = (part["kind"] == "flatten") & (part["queries"] == "all") & (part["dose"] == "0")
    part = part[removed | (part["kind"] == "none")]
    words = [words.removeprefix(ONE) for words in part["ablation"]]
    shown = part.assign(removed=words)[["removed", "order accuracy", "low", "high"]]
    return Figure(
        key="layers",
        title="Order accuracy without the key-position of one layer",
        how_to_read=f"Each bar is the share of {pictures_of(focus)} whose true caption "
        "beats its swap with key-position flattened in one layer (every query row), beside all "
        "layers together and the intact tower, with its 95 % "
        f"interval; {chance:.2g} is chance. A layer that order does not need leaves the bar as "
        "long as the intact one.",
        plot=reference(bars(shown, x="order accuracy", y="removed"), chance, "chance"),
        table=part,
    )


def heads_figure(order_lost: Mapping[tuple[int, int], Metric]) -> Figure:
    """Order lost by head, the largest first."""
    rows = [{"head": head_name(*place), **lost.plain()} for place, lost in order_lost.items()]
    table = pd.DataFrame(rows).sort_values("value", ascending=False)
    return Figure(
        key="heads",
        title="Order lost when one head's key-position is flattened",
        how_to_read="Each bar is intact minus ablated order on the same pictures, with its paired "
        "95 % interval; a head that plays no part is at 0.",
        plot=bars(table.rename(columns={"value": "order lost"}), x="order lost", y="head"),
        table=table,
    )


def estimate_figure(changes: pd.DataFrame) -> Figure:
    """Estimated and exact change of the order margin, of the heads that have both."""
    exact, first = (changes[changes["candidates"] == c] for c in ("exact", "first order"))
    both = exact.merge(first[["layers", "heads", "value"]], on=["layers", "heads"])
    names = [head_name(int(r["layers"]), int(r["heads"])) for r in records(both)]
    table = both.assign(head=names).rename(
        columns={"value_x": "exact change", "value_y": "estimated change"}
    )
    table = table[["head", "estimated change", "exact change", "low", "high", "n"]]
    return Figure(
        key="estimate",
        title="Estimated and exact change of the order margin, by head",
        how_to_read="Each point is one head: across, the change of the mean order margin (cosine "
        "with the true caption minus its swap) that a first-order estimate promises when its "
        "key-position is flattened; up, the change that was measured, with its 95 % interval. "
        f"Points on the diagonal agree; a head that plays no part is at 0. n = {len(table)} heads.",
        plot=scatter(table, x="estimated change", y="exact change", label="head"),
        table=table,
    )
