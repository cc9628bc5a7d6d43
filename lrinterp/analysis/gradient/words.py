"""What is said of positional gradients: the finding, and what to know before leaning on it."""

from typing import TYPE_CHECKING

from lrinterp.analysis.gradient.fit import ENOUGH, PERMUTATIONS, UNTRAINED_MODELS
from lrinterp.analysis.read import NO_GRADIENT, has_gradient
from lrinterp.wording import counted, signed

if TYPE_CHECKING:
    from lrinterp.analysis.gradient.positional_gradient import PositionalGradient

__all__ = ["found", "notes"]

EXACT = "Slopes depend on weights alone and are exact for this model: they have no interval."
ABOVE_EXACT = "Slopes are those of mean rows over the pictures: they have no interval."
NORMED = (
    "LayerNorm scales rows by picture: the fitted row is their mean, and it depends on the gauge."
)
DEEP = (
    "Above the first layer the split is a convention: position is the mean of the residual stream "
    "at each position over the pictures that were analysed (gauge “means”), so what these "
    "pictures share at a place counts as position. The null takes the steepest of all heads of all "
    f"layers; that of untrained models is measured on at most {ENOUGH} of the pictures."
)
NULL_WORDS = {
    "untrained": f"The null, the steepest head of {UNTRAINED_MODELS} untrained models, spans",
    "permuted": "The null, the 95 % quantile of the steepest head when the {unit} of these rows "
    f"change places at random ({PERMUTATIONS:,} times), spans",
}
UNITS = {"pixel": "pixels", "patch": "patches"}
SIDE_WORDS = {
    "object": "right-hand object minus attention to the left-hand one",
    "half": "right half minus attention to the left half",
}


def found(result: "PositionalGradient") -> str:
    """The gradient of the headline head against its null, and the attention gained."""
    row, gain = result.headline_row, result.metrics["right_object_attention_gain"]
    rho = "undefined" if row["spearman"] is None else signed(row["spearman"], 2)
    shape, across = ("line", "row") if result.grid[0] == 1 else ("plane", "width")
    return (
        f"Key-position in {result.headline_name} ({result.headline_by}) {verdict(result)}: the "
        f"fitted {shape} spans {row['span']:.3g} logits over the {across}, Spearman {rho}. "
        f"{null_words(result)} {row['null_span']:.2g} logits.{downwards(result)} Attention to the "
        f"{SIDE_WORDS[result.side]} is {gain.phrase} "
        f"({counted(gain.n, 'picture')}, {counted(gain.n_units, 'label')})."
    )


def verdict(result: "PositionalGradient") -> str:
    """Which way the scores rise and by how much a step, or that they do not."""
    slope, flat = result.headline_row["slope"], result.grid[0] == 1
    if not has_gradient(result.metrics):
        return f"has no gradient{'' if flat else ' from left to right'} to speak of"
    step = result.unit if flat else f"column of {UNITS[result.unit]}"
    side = "right" if slope > 0 else "left"
    return f"rises towards the {side} by {abs(slope):.2f} logits a {step}"


def downwards(result: "PositionalGradient") -> str:
    """The span from top to bottom, where there are rows."""
    row = result.headline_row
    if row["slope_y"] is None:
        return ""
    rising = f"rising towards the {'bottom' if row['slope_y'] > 0 else 'top'}"
    flat = row["span_y"] < max(NO_GRADIENT, row["null_span_y"])
    return (
        f" From top to bottom it spans {row['span_y']:.3g} logits, "
        f"{'no gradient' if flat else rising} (null {row['null_span_y']:.2g})."
    )


def notes(result: "PositionalGradient") -> tuple[str, ...]:
    """Exactness, sign, gauge and the size of the null."""
    exact = EXACT if result.headline_layer == 0 else ABOVE_EXACT
    return (
        NORMED if result.normed else exact,
        "Heads may disagree in sign; the sign of a head is its own, also in models trained alike.",
        "In the canonical gauge CLS carries no position part, so PP is 0 and EP + bP is all of "
        "key-position; in the raw gauge the same rows divide as training left them.",
        f"{null_words(result)} {result.headline_row['null_span']:.2g} logits. That "
        f"is easy to beat, so a span under {NO_GRADIENT} logits counts as no gradient even "
        "where it exceeds the null.",
        *([DEEP] if result.layers > 1 else []),
    )


def null_words(result: "PositionalGradient") -> str:
    """What the null is, up to its number."""
    return NULL_WORDS[result.null].format(unit=UNITS[result.unit])
