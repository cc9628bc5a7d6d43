"""Which numbers a sweep measures of each model, by `analysis.key`, and what they are called.

A study file may name others beside these (`measure`), and use the names that tables had before
numbers were named so. Fields of a grid and their values have their words here too.
"""

import re
from collections.abc import Sequence
from typing import Any

from lrinterp.stats import COSINE, LINEAR, SHARE, Scale
from lrinterp.wording import counted

__all__ = [
    "COSTS",
    "LARGEST_SLOPE",
    "METRICS",
    "NUMBERS",
    "OLD",
    "ORDER",
    "SETS",
    "accuracy_of",
    "factor_named",
    "factor_words",
    "full_name",
    "level",
    "measured_words",
    "scale_of",
    "seeds_words",
    "source_words",
    "without",
]

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
    "label_set_closed": "object-set accuracy (closed)",
    "label_set_open": "object-set accuracy (open)",
}
"""Accuracies of a set, as their keys end."""
METRIC = f"(?P<metric>{'|'.join(METRICS)})"
OF_A_SET = re.compile(f"accuracy\\.(?P<set>{'|'.join(SETS)})_{METRIC}")
UNDER_ABLATION = re.compile(f"term_ablation\\.{METRIC}_(?P<ablation>.+)")
ABLATED = ("EP", "PP", "bP", "key_position")
"""What is taken away."""
HEADLINE = ("headline_head", "headline_slope", "headline_span", "headline_spearman")
COSTS = ("loss", "seconds")
"""Numbers of a model that no analysis measures."""


def accuracy_of(pictures: str, metric: str) -> str:
    """The name of an accuracy on a set of pictures."""
    return f"accuracy.{pictures}_{metric}"


def without(term: str, metric: str = "order") -> str:
    """The name of an accuracy on held-out pairs after an ablation of the image tower."""
    return f"term_ablation.{metric}_without_{term}"


ORDER = accuracy_of("unseen_pair", "order")
LARGEST_SLOPE = "positional_gradient.largest_slope"
OLD: dict[str, str] = {
    **{
        f"{name}_{metric}": accuracy_of(name, metric)
        for name in SETS
        for metric in METRICS
        if (name, metric) != ("single", "order")
    },
    **{f"without_{term}_{m}": without(term, m) for term in ABLATED for m in METRICS},
    **{key: f"positional_gradient.{key}" for key in HEADLINE},
    "largest_slope": LARGEST_SLOPE,
}
"""By the name of a column in the tables of before: the name of the number."""
NUMBERS: Sequence[str] = tuple(OLD.values())


def full_name(name: str) -> str:
    """A number as it is named now.

    >>> full_name("unseen_pair_order")
    'accuracy.unseen_pair_order'
    """
    return OLD.get(name, name)


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
    """Where the numbers of a column lie: accuracies are shares of pictures."""
    ends = (*METRICS, "deviation", "outside", "consistency")
    if column.endswith(ends) or UNDER_ABLATION.fullmatch(column):
        return SHARE
    return COSINE if re.search("spearman|cosine|head_difference", column) else LINEAR


def column_words(column: str) -> str:
    """A measured column: `accuracy.unseen_pair_order` becomes `order, held-out pairs`."""
    if found := UNDER_ABLATION.fullmatch(column):
        words = found["ablation"].replace("key_position", "key-position").replace("_", " ")
        return f"{METRICS[found['metric']]} {words}, {SETS['unseen_pair']}"
    if found := OF_A_SET.fullmatch(column):
        return f"{METRICS[found['metric']]}, {SETS[found['set']]}"
    analysis, _, key = column.rpartition(".")
    return f"{key} ({analysis})".replace("_", " ") if analysis else column
