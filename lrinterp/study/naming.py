"""Names in words: factors, their values, measured columns, arms."""

from collections.abc import Sequence
from typing import Any

from lrinterp.stats import COSINE, LINEAR, SHARE, Scale
from lrinterp.wording import counted

__all__ = [
    "ABLATED",
    "MEASURED",
    "METRICS",
    "SETS",
    "column_words",
    "factor_named",
    "factor_words",
    "level",
    "measured_words",
    "scale_of",
    "seeds_words",
    "source_words",
]

FACTORS = {
    "world.n_pixels": "pixels",
    "world.n_labels": "labels in the world",
    "world.n_objects": "objects in a picture",
    "world.template": "caption template",
    "split.n_pair": "labels in pairs",
    "split.n_val": "held-out labels",
    "split.positions_per_label": "positions per label",
    "split.layouts_per_pair": "layouts per pair",
    "encoder.image_layers": "image layers",
    "encoder.text_layers": "text layers",
    "encoder.n_heads": "heads",
    "encoder.d_model": "width of the model",
    "encoder.std_W_E": "spread of token embeddings",
    "encoder.std_W_pos": "spread of position embeddings",
    "fit.steps": "training steps",
    "fit.learning_rate": "learning rate",
    "fit.weight_decay": "weight decay",
    "fit.batch_size": "batch size",
}
SETS = {
    "unseen_pair": "held-out pairs",
    "mixed_pair": "pairs of a trained and a held-out label",
    "seen_pair": "trained pairs in new layouts",
    "single": "single objects at new positions",
}
"""Sets of pictures, the one that matters most first."""
METRICS = {
    "order": "order",
    "retrieval_closed": "retrieval (closed)",
    "retrieval_open": "retrieval (open)",
    "label_set_closed": "label set (closed)",
    "label_set_open": "label set (open)",
}
"""Accuracies of a set, as its columns end."""
WITHOUT = "without_"
ABLATED = ("EP", "PP", "bP", "key_position")
"""What is taken away in the columns that begin with `without_`."""
MEASURED = (
    *(f"{name}_{m}" for name in SETS for m in METRICS if (name, m) != ("single", "order")),
    *(f"{WITHOUT}{term}_{metric}" for term in ABLATED for metric in METRICS),
    *"headline_slope headline_span headline_spearman largest_slope loss seconds".split(),
)
"""Every column of numbers that a sweep measures of a model."""


def factor_words(name: str) -> str:
    """A field of the grid in words, or its dotted name where it has none."""
    return FACTORS.get(name, name)


def factor_named(name: str) -> str:
    """A field in words with its name once: `labels in pairs (split.n_pair)`."""
    return f"{FACTORS[name]} ({name})" if name in FACTORS else name


def source_words(name: str) -> str:
    """A source of variance: a factor, `interaction`, or `seed` with all else inside a cell."""
    return "seed and chance in cells" if name == "seed" else factor_words(name)


def level(value: Any) -> int | float | str:
    """A value of a factor as a table or an axis shows it: numbers stay, the rest becomes text."""
    if value is None or value != value:  # a table of numbers holds None as nan
        return "none"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number else str(value)


def seeds_words(counts: Sequence[int]) -> str:
    """How many seeds some numbers rest on: `8 seeds`, `5 to 8 seeds`."""
    least, most = min(counts, default=0), max(counts, default=0)
    return counted(most, "seed") if least == most else f"{least} to {most} seeds"


def measured_words(column: str, statistic: str, of: str) -> str:
    """A statistic of a column: `order, held-out pairs: labels in pairs, 15 minus 3`."""
    how = "" if statistic == "contrast" else "share of variance by "
    return f"{column_words(column)}: {how}{of}"


def scale_of(column: str) -> Scale:
    """Where the numbers of a measured column lie: accuracies are shares of pictures."""
    if column.endswith((*METRICS, "deviation", "outside")):
        return SHARE
    return COSINE if column.endswith("spearman") else LINEAR


def column_words(column: str) -> str:
    """A measured column: `unseen_pair_order` becomes `order, held-out pairs`."""
    for name, words in SETS.items():
        metric = column.removeprefix(f"{name}_")
        if metric in METRICS:
            return f"{METRICS[metric]}, {words}"
    for metric, words in METRICS.items():
        if column.startswith(WITHOUT) and column.endswith(f"_{metric}"):
            term = column.removeprefix(WITHOUT).removesuffix(f"_{metric}")
            return f"{words} without {term.replace('_', '-')}, {SETS['unseen_pair']}"
    return column.replace("_", " ")
