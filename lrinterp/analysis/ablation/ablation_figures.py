"""Ablations as a reader sees them: in words, as bars of swap accuracy, and by head and dose."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from lrinterp.analysis.ablation.ablations import UNIONS, WHOLE
from lrinterp.analysis.ablation.order_heads import CHANGE
from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import SET_WORDS
from lrinterp.charts import bars, lines, reference, scatter
from lrinterp.result import Figure, Metric, records
from lrinterp.scenes.natural import PICTURES
from lrinterp.wording import head_name

if TYPE_CHECKING:
    from lrinterp.analysis.ablation.term_ablation import TermAblation

__all__ = ["ablation_figures", "ablation_words", "order_rows", "pictures_of", "removals"]

KIND_WORDS = {
    "none": "intact",
    "flatten": "without {}",
    "zero": "without {}",
    "keep": "{} alone",
    "keep_objects": "{}, objects told from empty pixels",
    "permute": "{} permuted",
    "resample": "{} of another picture",
    "placebo": "norm-matched random control for {}",
    "reverse": "{} reversed",
    "linear": "straight line of {}",
    "residual": "{} less its straight line",
    "residual_rescaled": "{} less its straight line, rescaled",
    "exchange": "attention of the objects exchanged",
    "equalise": "attention of the objects equalised",
}
TERM_WORDS = {WHOLE: "key-position", "EE+PE+bE": "key-content"}
SHAPES = ("reverse", "linear", "residual", "residual_rescaled", "exchange", "equalise")
SPLIT_KINDS = {"flatten": "canonical, flattened", "zero": "raw, zero"}
MODEL_WORDS = {"trained": "", "untrained": "untrained model, "}
TOWER_WORDS = {"image": "", "text": "text tower, ", "both": "both towers, "}
ALL, ONE = " in all layers", "without key-position in "
"""What every label of a figure would repeat."""
DEEP = (
    " In a deep tower an edit is of all layers and query rows, or, where it says so, of the pooled "
    "row alone."
)
TIMES = "key-position multiplied by"
"""Across the figure of doses."""
COURSES = {
    "order_intact": "intact",
    "order_reversed": "reversed, left for right",
    "order_linear_only": "straight line only",
    "order_residual_only": "residual of the line",
    "order_residual_rescaled": "residual of the line, rescaled",
    "order_placebo": "norm-matched random control",
    "order_without_key_position": "removed",
    "order_exchanged": "object attention exchanged",
    "order_equalised": "object attention equalised",
}
"""What becomes of key-position, or of the attention that it makes, by summary key."""
ORDER = ["swap accuracy", "low", "high"]
TRAINED_IMAGE = "encoder == 'image' and model == 'trained'"
FLATTENED = ("heads", "key-position is flattened", "")
EXCHANGED = (
    "exchanged",
    "attention to the two objects is exchanged",
    ", when the weights that one head gives to the objects are exchanged after the softmax",
)
"""Key of a figure of heads, what is changed, and when its bars are measured."""


def ablation_figures(result: "TermAblation") -> tuple[Figure, ...]:
    """Swap accuracy under each ablation, controls of shape, the raw split, by head and dose."""
    rows, place = order_rows(result.table, result.focus), (result.focus, result.chance)
    changes = result.table[result.table["metric"] == CHANGE]
    return (
        order_figure(rows, *place),
        shape_figure(result),
        doses_figure(result),
        *([split_figure(rows, result.chance)] if (rows["gauge"] == "raw").any() else []),
        *([layers_figure(rows, *place)] if result.layers > 1 else []),
        heads_figure(result.order_lost),
        *([heads_figure(result.exchanged, exchanged=True)] if result.exchanged else []),
        *([estimate_figure(changes)] if len(changes) else []),
    )


def ablation_words(row: Mapping[str, Any]) -> str:
    """A table row in words, such as "text tower, without key-position"."""
    terms, values, _ = row["terms"].partition("+VP")
    words = TERM_WORDS.get(terms, terms) + values.replace("+", " and ")
    where = MODEL_WORDS[row["model"]] + TOWER_WORDS[row["encoder"]]
    return where + KIND_WORDS[row["kind"]].format(words)


def pictures_of(focus: str) -> str:
    """The pictures that were analysed, in words."""
    words = SET_WORDS[focus]
    return words if words.startswith("pictures") else f"pictures of {words}"


def order_rows(table: pd.DataFrame, focus: str) -> pd.DataFrame:
    """Order on one set, all heads, each ablation in words; of deep towers with its layers."""
    part = table.query("set == @focus and metric == 'order' and heads == 'all'")
    deep = set(part.loc[part["layers"] != "0", "encoder"])
    words = [
        ablation_words(row) + (place_words(row) if row["encoder"] in deep else "")
        for row in records(part)
    ]
    if focus == PICTURES:
        words = [text.replace("empty pixels", "background") for text in words]
    return part.assign(ablation=words).rename(columns={"value": "swap accuracy"})


def place_words(row: Mapping[str, Any]) -> str:
    """Which layers and query rows of a deep tower a table row edits."""
    if row["kind"] == "none":
        return ""
    layers = ALL if row["layers"] == "all" else f" in layer {row['layers']}"
    return layers + (", pooled row" if row["queries"] == "pooled" else "")


def removals(rows: pd.DataFrame) -> pd.DataFrame:
    """Removals and controls of size, of wholes: no pieces, other courses over the row, or doses."""
    wholes = "terms not in @UNIONS and gauge != 'raw'"
    return rows.query(f"{wholes} and kind not in @SHAPES and dose in ('0', '1')")


def order_figure(rows: pd.DataFrame, focus: str, chance: float) -> Figure:
    """Order under each ablation of a whole: key-position, key-content, values."""
    part = removals(rows).query("layers == 'all' or queries != 'all'")  # others: layers_figure
    labels = part["ablation"].str.replace(ALL, "", regex=False)
    shown = part.assign(ablation=labels)[["ablation", *ORDER, "terms", "kind"]]
    deep = (part["layers"] != "0").any()
    return Figure(
        key="order",
        title="Swap accuracy when terms of "
        f"{'the attention scores' if deep else 'the pooled row'} are taken away",
        how_to_read=f"Each bar is the share of {pictures_of(focus)} whose true caption beats its "
        f"swap, with its 95 % interval; {chance:.2g} is chance, below it the wrong caption is "
        "preferred. Removing what order needs brings a bar to chance, and a random change of the "
        "same size (the norm-matched random control) should then hurt less. Permuted: each key "
        f"gets another key's value; VP: the position part of the values.{DEEP if deep else ''}",
        plot=reference(bars(shown, x="swap accuracy", y="ablation"), chance, "chance"),
        table=part,
    )


def split_figure(rows: pd.DataFrame, chance: float) -> Figure:
    """Key-position and its pieces in both gauges."""
    part = rows[rows["terms"].isin((*UNIONS, WHOLE)) & rows["kind"].isin(SPLIT_KINDS)]
    part = part.query(f"{TRAINED_IMAGE} and layers == '0' and queries == 'pooled' and dose == '0'")
    shown = part.assign(split=part["kind"].map(SPLIT_KINDS), removed=part["terms"])
    plot = bars(shown[["split", "removed", *ORDER]], x="swap accuracy", y="removed", facet="split")
    return Figure(
        key="split",
        title="The same preference, divided in two ways",
        how_to_read="Each bar is swap accuracy without some terms: first in the canonical gauge "
        "(flattened over the patches), then in the raw weights (set to zero). Only EP+PP+bP as a "
        f"whole is meant to agree; how it divides depends on initialisation. {chance:.2g} is "
        "chance.",
        plot=reference(plot, chance, "chance"),
        table=part,
    )


def layers_figure(rows: pd.DataFrame, focus: str, chance: float) -> Figure:
    """Swap accuracy with the key-position of one layer flattened, and of all."""
    removed = "kind == 'none' or (kind == 'flatten' and queries == 'all' and dose == '0')"
    part = rows.query(TRAINED_IMAGE).query(removed)
    shown = part.assign(removed=part["ablation"].str.removeprefix(ONE))[["removed", *ORDER]]
    return Figure(
        key="layers",
        title="Swap accuracy without the key-position of one layer",
        how_to_read=f"Each bar is the share of {pictures_of(focus)} whose true caption "
        "beats its swap with key-position flattened in one layer (every query row), beside all "
        "layers together and the intact tower, with its 95 % "
        f"interval; {chance:.2g} is chance. A layer that order does not need leaves the bar as "
        "long as the intact one.",
        plot=reference(bars(shown, x="swap accuracy", y="removed"), chance, "chance"),
        table=part,
    )


def shape_figure(result: "TermAblation") -> Figure:
    """Order under each course of key-position over the row, beside what algebra predicts."""
    table = pd.DataFrame(list(shape_rows(result.numbers))).drop(columns="value")
    told = (
        "In one layer some rows are algebra, and the table says what it predicts: reversing "
        "shows the mirror image, exchanging about the swapped picture, equalising a bag of objects."
        if result.layers == 1
        else "In several layers nothing here is algebra."
    )
    plot = bars(table[["key-position", *ORDER]], x="swap accuracy", y="key-position")
    return Figure(
        key="shape",
        title="Does the slope carry order, or any difference between positions?",
        how_to_read="Each bar is swap accuracy with key-position of all layers changed as the "
        "label says, with its 95 % interval. If the slope carries order the straight line alone "
        "keeps it, its residual (rescaled: at the size of the term) does not, and reversal flips "
        f"it below chance; {result.chance:.2g} is chance. {told}",
        plot=reference(plot, result.chance, "chance"),
        table=table,
    )


def shape_rows(numbers: Mapping[str, Metric]) -> Iterator[dict[str, Any]]:
    """One row a control: measured order, prediction and gap."""
    for key, words in COURSES.items():
        order, gap = numbers[key], numbers.get(f"{key}_gap", Metric(value=None))
        if order.value is not None:
            known = order.is_number and gap.is_number
            yield {
                "key-position": words,
                "key": key,
                **order.plain(),
                "swap accuracy": order.value,
                "predicted": order.value - gap.value if known else None,  # type: ignore[operator]
                **{f"gap_{end}": getattr(gap, end) for end in ("value", "low", "high")},
            }


def doses_figure(result: "TermAblation") -> Figure:
    """Order with key-position multiplied by a number."""
    rows = [{TIMES: dose, **order.plain()} for dose, order in result.doses.items()]
    table = pd.DataFrame(rows).rename(columns={"value": "swap accuracy"})
    plot = lines(table[[TIMES, *ORDER]], x=TIMES, y="swap accuracy")
    return Figure(
        key="doses",
        title="Swap accuracy with more or less of key-position",
        how_to_read="Across, the number that key-position is multiplied with in all layers (1: "
        "intact, 0: removed, -1: reversed); up, swap accuracy with its 95 % interval. Where "
        f"key-position does not matter the line is flat; {result.chance:.2g} is chance.",
        plot=reference(plot, result.chance, "chance"),
        table=table,
    )


def heads_figure(lost: Mapping[Place, Metric], *, exchanged: bool = False) -> Figure:
    """Swap accuracy lost by head, the largest first: flattened, or its attention exchanged."""
    rows = [{"head": head_name(*place), **metric.plain()} for place, metric in lost.items()]
    table = pd.DataFrame(rows).sort_values("value", ascending=False)
    key, change, when = EXCHANGED if exchanged else FLATTENED
    return Figure(
        key=key,
        title=f"Swap accuracy lost when one head's {change}",
        how_to_read="Each bar is intact minus ablated swap accuracy on the same pictures, with "
        f"its paired 95 % interval{when}; a head that contributes nothing is at 0.",
        plot=bars(
            table.rename(columns={"value": "swap accuracy lost"}), x="swap accuracy lost", y="head"
        ),
        table=table,
    )


def estimate_figure(changes: pd.DataFrame) -> Figure:
    """Estimated and exact change of the order margin, of the heads that have both."""
    exact, first = (changes[changes["candidates"] == c] for c in ("exact", "first order"))
    both = exact.merge(first[["layers", "heads", "value"]], on=["layers", "heads"])
    names = [head_name(int(r["layers"]), int(r["heads"])) for r in records(both)]
    table = both.assign(head=names).rename(
        columns={"value_x": "exact change", "value_y": "estimated change"}
    )[["head", "estimated change", "exact change", "low", "high", "n"]]
    return Figure(
        key="estimate",
        title="Estimated and exact change of the order margin, by head",
        how_to_read="Each point is one head: across, the change of the mean order margin (cosine "
        "with the true caption minus its swap) that a first-order estimate predicts when its "
        "key-position is flattened; up, the change that was measured, with its 95 % interval. "
        f"Points on the diagonal agree; a head that contributes nothing is at 0. n = {len(table)} "
        "heads.",
        plot=scatter(table, x="estimated change", y="exact change", label="head"),
        table=table,
    )
