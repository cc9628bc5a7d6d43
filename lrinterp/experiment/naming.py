"""Names in words: factors, their values, measured columns, arms."""

import re
from collections.abc import Sequence
from typing import Any

from lrinterp.experiment.numbers import METRICS, SETS
from lrinterp.stats import COSINE, LINEAR, SHARE, Scale
from lrinterp.wording import counted

__all__ = [
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
    if column.endswith((*METRICS, "deviation", "outside", "consistency")) or ablation_of(column):
        return SHARE
    return COSINE if re.search("spearman|cosine|head_difference", column) else LINEAR


def ablation_of(column: str) -> tuple[str, str] | None:
    """Metric and ablation, of a column that is an accuracy under one."""
    key = column.removeprefix("term_ablation.")
    metric = next((one for one in sorted(METRICS, reverse=True) if key.startswith(f"{one}_")), "")
    return (metric, key[len(metric) + 1 :]) if metric and key != column else None


def column_words(column: str) -> str:
    """A measured column: `accuracy.unseen_pair_order` becomes `order, held-out pairs`."""
    if found := ablation_of(column):
        metric, ablation = found
        words = ablation.replace("key_position", "key-position").replace("_", " ")
        return f"{METRICS[metric]} {words}, {SETS['unseen_pair']}"
    for name, words in SETS.items():
        metric = column.removeprefix(f"accuracy.{name}_")
        if metric in METRICS:
            return f"{METRICS[metric]}, {words}"
    analysis, _, key = column.rpartition(".")
    return f"{key} ({analysis})".replace("_", " ") if analysis else column
