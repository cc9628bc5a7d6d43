"""Figures of positional gradients: rows of pixels, maps over patches, slopes, attention gained."""

from typing import TYPE_CHECKING

import pandas as pd

from lrinterp.analysis.gradient.fit import TERM_SETS, WHOLE
from lrinterp.analysis.subject import SET_WORDS
from lrinterp.charts import bars, heatmap, lines
from lrinterp.decomposition import gauges_at
from lrinterp.result import Figure
from lrinterp.wording import head_name

if TYPE_CHECKING:
    from lrinterp.analysis.gradient.positional_gradient import PositionalGradient

__all__ = ["gradient_figures"]

SIDES = {
    "object": ("right-hand object", "left-hand one"),
    "half": ("right half", "left half"),
}
GAINED = {"attention_gain": "attention gained", "gain_low": "low", "gain_high": "high"}
GAUGE_WORDS = {
    "canonical": ("key-position", ""),
    "means": ("key-position", " Position is the mean over the pictures."),
    "raw": (
        "EP, PP, bP and their sum as the weights stand",
        " The height of a line means nothing, only its slope does: a constant along the row "
        "cancels in the softmax.",
    ),
}


def gradient_figures(result: "PositionalGradient") -> tuple[Figure, ...]:
    """Lines for a row of pixels, a map for a grid; a tower of several layers has all slopes."""
    deep, layer = result.layers > 1, result.headline_layer
    if result.grid[0] > 1:
        return (map_figure(result), slopes_figure(result), gains_map(result))
    shown = [lines_figure(result, gauge) for gauge in gauges_at(layer)]
    return (*shown, *([slopes_figure(result), gains_map(result)] if deep else [gains(result)]))


def lines_figure(result: "PositionalGradient", gauge: str) -> Figure:
    """The rows of the headline's layer in one gauge, a line a head."""
    terms = TERM_SETS if gauge == "raw" else (WHOLE,)
    layer, rows = result.headline_layer, result.rows
    part = rows[(rows["gauge"] == gauge) & rows["term"].isin(terms) & (rows["layer"] == layer)]
    shown = part.rename(columns={"value": "score (logits)"})[
        ["pixel", "score (logits)", "head", "term"]
    ]
    what, height = GAUGE_WORDS[gauge]
    null = result.fit_of(result.headline, gauge=gauge, layer=layer)["null_span"]
    where = f", layer {layer}" if result.layers > 1 else ""
    convention = "position by means" if gauge == "means" else f"{gauge} gauge"
    return Figure(
        key=f"rows-{gauge}",
        title=f"Score of each {result.unit}'s position{where}, {convention}: {what}",
        how_to_read="Each line is one head: what the pooled token's score gains, in logits, "
        f"from a key standing at that {result.unit}; the accented head is "
        f"{result.headline_name}. Without a gradient a line lies flat (null span "
        f"{null:.2g} logits).{height}",
        plot=lines(
            shown,
            x="pixel",
            y="score (logits)",
            by="head",
            facet="term" if len(terms) > 1 else None,
            highlight=result.headline_name,
        ),
        table=part,
    )


def map_figure(result: "PositionalGradient") -> Figure:
    """Key-position of the headline head where each patch lies in the picture."""
    rows = result.headline_rows
    part = rows[rows["head"] == result.headline_name]
    centred = part["value"] - part["value"].mean()
    shown = part.assign(score=centred)[["row", "column", "score"]]
    shown = shown.rename(columns={"score": "score (logits)"})
    row = result.headline_row
    return Figure(
        key="map",
        title=f"Score of each patch's position in {result.headline_name}: key-position",
        how_to_read="Cells lie as the patches do in the picture, columns from left to right, rows "
        "from the top; a cell is what the pooled token's score gains, in logits relative to the "
        "mean over patches, from a key standing there. Without a gradient colours have no trend "
        f"(null spans {row['null_span']:.2g} logits to the right, {row['null_span_y']:.2g} "
        "downwards).",
        plot=heatmap(shown, x="column", y="row", z="score (logits)"),
        table=part,
    )


def slopes_figure(result: "PositionalGradient") -> Figure:
    """Slopes of all heads of all layers, to the right and, on a grid, downwards."""
    part, row, flat = whole_rows(result), result.headline_row, result.grid[0] == 1
    step = result.unit if flat else "column or row"
    name = f"slope (logits a {step})"
    directions = {"slope": "to the right", **({} if flat else {"slope_y": "downwards"})}
    shown = pd.concat(
        [
            part.assign(**{name: part[column], "direction": words})
            for column, words in directions.items()
        ]
    )[["layer", "head", name, "direction"]]
    nulls = "" if flat else f" to the right, {row['null_high_y']:.2g} downwards"
    return Figure(
        key="slopes",
        title="Slope of key-position by layer and head",
        how_to_read="One row a layer, one column a head; a cell is the fitted slope in logits a "
        f"{step}, positive towards the right{'' if flat else ', or the bottom'}. The headline is "
        f"{result.headline_name}; the null's steepest head has {row['null_high']:.2g}{nulls}.",
        plot=heatmap(shown, x="head", y="layer", z=name, facet="direction"),
        table=part,
    )


def gains_map(result: "PositionalGradient") -> Figure:
    """Attention gained by layer and head."""
    right, left = SIDES[result.side]
    table = whole_rows(result)[["layer", "head", *GAINED]].rename(columns=GAINED)
    return Figure(
        key="gain",
        title=f"Attention the {right} gains over the {left}, by layer and head",
        how_to_read=f"One row a layer, one column a head; a cell is the weight of the {right} "
        f"minus that of the {left} in the pooled row, summed over their positions, "
        f"mean over {SET_WORDS[result.focus]}; 0 is no preference, negative prefers the left. "
        "Hover to read the 95 % interval.",
        plot=heatmap(table, x="head", y="layer", z="attention gained"),
        table=table,
    )


def gains(result: "PositionalGradient") -> Figure:
    """Attention gained by head, with intervals."""
    heads = [head_name(0, head) for head in result.whole["head"]]
    table = result.whole.assign(head=heads)[["head", *GAINED]].rename(columns=GAINED)
    return Figure(
        key="gain",
        title="Attention the right-hand object gains over the left-hand one",
        how_to_read="Each bar is the weight of the right-hand object minus that of the "
        f"left-hand one in the pooled row, mean over {SET_WORDS[result.focus]} with a 95 % "
        "interval; 0 is no preference, a negative bar prefers the left.",
        plot=bars(table, x="attention gained", y="head", highlight=result.headline_name),
        table=table,
    )


def whole_rows(result: "PositionalGradient") -> pd.DataFrame:
    """The table's rows of key-position as a whole, layers and heads in words."""
    part = result.whole
    return part.assign(layer="L" + part["layer"].astype(str), head="H" + part["head"].astype(str))
