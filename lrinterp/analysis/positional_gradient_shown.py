"""What was found of positional gradients, and how it is shown: in sentences and in figures."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrinterp.analysis.positional_gradient_rows import (
    ENOUGH,
    PERMUTATIONS,
    TERM_SETS,
    UNTRAINED_MODELS,
    WHOLE,
    Grid,
    fit_in,
    whole_rows,
)
from lrinterp.analysis.read import NO_GRADIENT
from lrinterp.analysis.subject import SET_WORDS
from lrinterp.charts import bars, heatmap, lines
from lrinterp.decomposition import gauges_at
from lrinterp.result import Figure, Metric, Result
from lrinterp.wording import counted, head_name, signed

__all__ = ["Gradients"]

SIDES = {
    "object": ("right-hand object", "left-hand one"),
    "half": ("right half", "left half"),
}
SCORE = "score (logits)"
GAINED = {"attention_gain": "attention gained", "gain_low": "low", "gain_high": "high"}
GAUGE_WORDS = {
    "canonical": ("key-position", ""),
    "means": ("key-position", " Position is the mean over the pictures."),
    "raw": (
        "EP, PP, bP and their sum in the raw weights",
        " The height of a line means nothing, only its slope does: a constant along the row "
        "cancels in the softmax.",
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients(Result):
    """Fits to the positional rows of every head, and the one head that is spoken of."""

    table: pd.DataFrame
    """Fits by layer, head, term and gauge; attention gained beside key-position as a whole."""
    rows: pd.DataFrame
    """The fitted values themselves: logits by gauge, term, layer, head and pixel."""
    null: str
    """`untrained` or `permuted`."""
    headline: int
    """The head that the summary speaks of."""
    headline_layer: int
    """The layer of that head."""
    headline_by: str
    """How it was chosen."""
    focus: str
    normed: bool
    """Does LayerNorm scale the rows by picture?"""
    layers: int
    """Layers of the image tower."""
    grid: Grid
    """Rows and columns of pixels or patches."""
    unit: str
    """What a position of the grid holds: a pixel of the toy world, or a patch."""
    side: str
    """What is known of a side: where its object is, or no more than the half of the picture."""
    gain: Metric
    """Attention that the headline head gives the right side over the left, over the pictures."""

    @property
    def headline_name(self) -> str:
        """The headline head as it is written: L0H2."""
        return head_name(self.headline_layer, self.headline)

    @property
    def headline_row(self) -> dict[str, Any]:
        """The table row of the headline head, key-position as a whole."""
        return self.fit_of(self.headline, layer=self.headline_layer)

    @property
    def headline_rows(self) -> pd.DataFrame:
        """The fitted values of key-position of all heads in the headline's layer."""
        return whole_rows(self.rows[self.rows["layer"] == self.headline_layer])

    def fit_of(
        self, head: int, term: str = WHOLE, gauge: str | None = None, *, layer: int = 0
    ) -> dict[str, Any]:
        """The table row of one head and term; gauge None is the layer's first."""
        return fit_in(self.table, (layer, head), term, gauge)

    @property
    def finding(self) -> str:
        """The gradient of the headline head against its null, and the attention gained."""
        row, gain, (right, left) = self.headline_row, self.gain, SIDES[self.side]
        rho = "undefined" if row["spearman"] is None else signed(row["spearman"], 2)
        shape, across = ("line", "row") if self.grid[0] == 1 else ("plane", "width")
        return (
            f"Key-position in {self.headline_name} ({self.headline_by}) {self._verdict()}: the "
            f"fitted {shape} spans {row['span']:.3g} logits across the {across}, Spearman {rho}. "
            f"{self._null()} {row['null_span']:.2g} logits.{self._downwards()} The attention "
            f"difference, {right} minus {left}, is {gain.phrase} ({counted(gain.n, 'picture')}, "
            f"{counted(gain.n_units, 'label')})."
        )

    def _verdict(self) -> str:
        """Whether the scores rise or fall to the right and by how much per step, or neither."""
        slope, flat = self.headline_row["slope"], self.grid[0] == 1
        if self.headline_row["span"] < max(NO_GRADIENT, self.headline_row["null_span"]):
            return f"has no gradient{'' if flat else ' from left to right'}"
        step = self.unit if flat else f"column of {UNITS[self.unit]}"
        way = "rises" if slope > 0 else "falls"
        return f"{way} from left to right by {abs(slope):.2f} logits per {step}"

    def _downwards(self) -> str:
        """The span from top to bottom, where there are rows."""
        row = self.headline_row
        if row["slope_y"] is None:
            return ""
        rising = f"rising towards the {'bottom' if row['slope_y'] > 0 else 'top'}"
        flat = row["span_y"] < max(NO_GRADIENT, row["null_span_y"])
        return (
            f" From top to bottom it spans {row['span_y']:.3g} logits, "
            f"{'no gradient' if flat else rising} (null {row['null_span_y']:.2g})."
        )

    def _null(self) -> str:
        """What the null is, up to its number."""
        return NULL_WORDS[self.null].format(unit=UNITS[self.unit])

    @property
    def caveats(self) -> tuple[str, ...]:
        """Exactness, sign, gauge and the size of the null."""
        return (
            NORMED if self.normed else (EXACT if self.headline_layer == 0 else ABOVE_EXACT),
            "Heads may differ in sign, also between models trained alike.",
            "In the canonical gauge CLS carries no position part, so PP is 0 and EP + bP is all "
            "of key-position; in the raw gauge the same rows are divided as training left them.",
            f"{self._null()} {self.headline_row['null_span']:.2g} logits. The null is easy to "
            f"exceed, so a span under {NO_GRADIENT} logits counts as no gradient even where it "
            "exceeds the null.",
            *([DEEP] if self.layers > 1 else []),
        )

    def figures(self) -> tuple[Figure, ...]:
        """Lines for a row of pixels, a map for a grid; a tower of several layers has all slopes."""
        if self.grid[0] > 1:
            return (map_figure(self), slopes_figure(self), gains_map(self))
        shown = [lines_figure(self, gauge) for gauge in gauges_at(self.headline_layer)]
        if self.layers == 1:
            return (*shown, gains(self))
        return (*shown, slopes_figure(self), gains_map(self))


def lines_figure(result: Gradients, gauge: str) -> Figure:
    """The rows of the headline's layer in one gauge, a line a head."""
    terms = TERM_SETS if gauge == "raw" else (WHOLE,)
    layer, rows = result.headline_layer, result.rows
    part = rows[(rows["gauge"] == gauge) & rows["term"].isin(terms) & (rows["layer"] == layer)]
    what, height = GAUGE_WORDS[gauge]
    null = result.fit_of(result.headline, gauge=gauge, layer=layer)["null_span"]
    where = f", layer {layer}" if result.layers > 1 else ""
    convention = "dataset-mean basis" if gauge == "means" else f"{gauge} gauge"
    return Figure(
        key=f"rows-{gauge}",
        title=f"Score of each {result.unit}'s position{where}, {convention}: {what}",
        how_to_read="Each line is one head: what the pooled token's score gains, in logits, "
        f"from a key standing at that {result.unit}; the accented head is "
        f"{result.headline_name}. Without a gradient a line lies flat (null span "
        f"{null:.2g} logits).{height}",
        plot=lines(
            part.rename(columns={"value": SCORE})[["pixel", SCORE, "head", "term"]],
            x="pixel",
            y=SCORE,
            by="head",
            facet="term" if len(terms) > 1 else None,
            highlight=result.headline_name,
        ),
        table=part,
    )


def map_figure(result: Gradients) -> Figure:
    """Key-position of the headline head where each patch lies in the picture."""
    rows, row = result.headline_rows, result.headline_row
    part = rows[rows["head"] == result.headline_name]
    shown = part[["row", "column"]].assign(**{SCORE: part["value"] - part["value"].mean()})
    return Figure(
        key="map",
        title=f"Score of each patch's position in {result.headline_name}: key-position",
        how_to_read="Cells lie as the patches do in the picture, columns from left to right, rows "
        "from the top; a cell is what the pooled token's score gains, in logits relative to the "
        "mean over patches, from a key standing there. Without a gradient colours have no trend "
        f"(null spans {row['null_span']:.2g} logits to the right, {row['null_span_y']:.2g} "
        "downwards).",
        plot=heatmap(shown, x="column", y="row", z=SCORE),
        table=part,
    )


def slopes_figure(result: Gradients) -> Figure:
    """Slopes of all heads of all layers, to the right and, on a grid, downwards."""
    part, row, flat = in_words(result), result.headline_row, result.grid[0] == 1
    step = result.unit if flat else "column or row"
    name = f"slope (logits per {step})"
    ways = {"slope": "to the right", **({} if flat else {"slope_y": "downwards"})}
    shown = part.rename(columns=ways).melt(["layer", "head"], [*ways.values()], "direction", name)
    nulls = "" if flat else f" to the right, {row['null_high_y']:.2g} downwards"
    return Figure(
        key="slopes",
        title="Slope of key-position by layer and head",
        how_to_read="One row a layer, one column a head; a cell is the fitted slope in logits per "
        f"{step}, positive towards the right{'' if flat else ', or the bottom'}. The headline is "
        f"{result.headline_name}; the null's steepest head has {row['null_high']:.2g}{nulls}.",
        plot=heatmap(shown, x="head", y="layer", z=name, facet="direction"),
        table=part,
    )


def gains_map(result: Gradients) -> Figure:
    """Attention gained by layer and head."""
    right, left = SIDES[result.side]
    table = in_words(result)[["layer", "head", *GAINED]].rename(columns=GAINED)
    return Figure(
        key="gain",
        title=f"Attention difference, {right} minus {left}, by layer and head",
        how_to_read=f"One row a layer, one column a head; a cell is the weight of the {right} "
        f"minus that of the {left} in the pooled row, summed over their positions, "
        f"mean over {SET_WORDS[result.focus]}; 0 is no preference, negative prefers the left. "
        "Hover to read the 95 % interval.",
        plot=heatmap(table, x="head", y="layer", z="attention gained"),
        table=table,
    )


def gains(result: Gradients) -> Figure:
    """Attention gained by head, with intervals."""
    whole = whole_rows(result.table)
    named = whole.assign(head=[head_name(0, head) for head in whole["head"]])
    table = named[["head", *GAINED]].rename(columns=GAINED)
    return Figure(
        key="gain",
        title="Attention difference, right-hand minus left-hand object",
        how_to_read="Each bar is the weight of the right-hand object minus that of the "
        f"left-hand one in the pooled row, mean over {SET_WORDS[result.focus]} with a 95 % "
        "interval; 0 is no preference, a negative bar prefers the left.",
        plot=bars(table, x="attention gained", y="head", highlight=result.headline_name),
        table=table,
    )


def in_words(result: Gradients) -> pd.DataFrame:
    """The table's rows of key-position as a whole, layers and heads in words."""
    part = whole_rows(result.table)
    return part.assign(layer="L" + part["layer"].astype(str), head="H" + part["head"].astype(str))


EXACT = "Slopes depend on weights alone and are exact for this model: they have no interval."
ABOVE_EXACT = "Slopes are those of mean rows over the pictures: they have no interval."
NORMED = (
    "LayerNorm scales rows by picture: the fitted row is their mean, and it depends on the gauge."
)
DEEP = (
    "Above the first layer the split is a convention: position is the mean of the residual stream "
    "at each position over the pictures that were analysed (dataset-mean basis, gauge “means”), so "
    "what these pictures share at a place counts as position. The null takes the steepest of all "
    f"heads of all layers; that of untrained models is measured on at most {ENOUGH} pictures."
)
NULL_WORDS = {
    "untrained": f"The null, the steepest head of {UNTRAINED_MODELS} untrained models, spans",
    "permuted": "The null, the 95 % quantile of the steepest head when the {unit} of these rows "
    f"change places at random ({PERMUTATIONS:,} times), spans",
}
UNITS = {"pixel": "pixels", "patch": "patches"}
