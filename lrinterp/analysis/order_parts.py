"""Order taken apart: by relation word, by label, by distance, and against the other word."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from lrinterp.analysis.contrast import caption_of, stating
from lrinterp.analysis.subject import SET_WORDS, as_index, focus, over_pictures
from lrinterp.charts import bars, lines, reference
from lrinterp.result import Figure, Metric
from lrinterp.run import Run
from lrinterp.scenes import Examples
from lrinterp.scoring import credit, order_credit
from lrinterp.stats import Sample, mean_interval

__all__ = [
    "MOST_LABELS",
    "by_distance",
    "by_template",
    "distance_figure",
    "label_figure",
    "mean_of",
    "order_by_label",
    "word_credits",
]

MOST_LABELS = 30
"""Labels that are drawn, those with the lowest order."""


def by_template(recording: Run, name: str) -> dict[str, Metric]:
    """By key: swap accuracy on a set by template of the captions, where there are several."""
    templates = recording.examples.templates
    if len(templates) < 2 or name not in recording.examples.image_set:
        return {}
    orders = {template: order_on(recording, name, template) for template in templates}
    return {f"{name}_order_{k}": mean_of(part, v, part.chance) for k, (part, v) in orders.items()}


def order_by_label(recording: Run) -> Iterator[dict[str, Any]]:
    """Swap accuracy on the pictures of the focus set that show a label, the lowest first.

    An interval over a few labels cannot tell whether others fail: so the single ones are shown.
    """
    if not set(recording.examples.image_set) & set(SET_WORDS):
        return
    part, values = order_on(recording, focus(recording.examples))
    rows = []
    for label in np.unique(part.image_labels[part.image_labels >= 0]).tolist():
        here = values[(part.image_labels == label).any(1)]
        rows.append({"label": part.label_words[label], "value": float(here.mean()), "n": len(here)})
    yield from sorted(rows, key=lambda row: (row["value"], row["label"]))


def by_distance(recording: Run) -> Iterator[dict[str, Any]]:
    """Order on held-out pairs, a row for each smallest distance between objects."""
    if "unseen_pair" not in recording.examples.image_set:
        return
    part, values = order_on(recording, "unseen_pair")
    distance = np.diff(part.image_pixels, axis=1).min(1)
    for pixels in np.unique(distance).tolist():
        here = np.flatnonzero(distance == pixels)
        yield {"distance": pixels, **vars(mean_interval(values[here], part.image_units.at(here)))}


def order_on(
    recording: Run, name: str, template: str | None = None
) -> tuple[Examples, Float[np.ndarray, "image"]]:
    """The pictures of a set, and the order credit of each: with one template, or over all."""
    index = recording.examples.where(name)
    part = recording.examples.at(index)
    return part, order_credit(recording.scores[as_index(index)], part, template)


def mean_of(part: Examples, values: Float[np.ndarray, "image"], chance: float | None) -> Metric:
    """The mean credit of the pictures of one set, which it remembers."""
    return over_pictures(part, Sample.mean(values[None], part.image_units), chance=chance)


def word_credits(recording: Run) -> Float[np.ndarray, "image"]:
    """Credit of each picture, its true captions against those with the other relation word.

    Both name the objects in the same order: the other one states the reverse, in the other
    template. Ties are shared; the mean is over both templates.
    """
    examples, scores = recording.examples, recording.scores
    pictures = np.arange(len(examples))
    good = torch.tensor([True, False], device=scores.device).expand(len(examples), 2)
    parts = []
    for template, other in (examples.templates, examples.templates[::-1]):
        turned = stating(examples, examples.image_labels[:, ::-1], other)
        both = np.stack([caption_of(examples, pictures, template), turned], axis=1)
        parts.append(credit(scores[pictures[:, None], both], good))
    return torch.stack(parts).cpu().double().mean(0).numpy()


def label_figure(labels: pd.DataFrame, chance: float) -> Figure:
    """Order on the pictures of each label, the lowest first."""
    shown = labels.head(MOST_LABELS).rename(columns={"value": "swap accuracy"})
    return Figure(
        key="labels",
        title="Swap accuracy by label, the lowest first",
        how_to_read=f"Each dot is the share right of the pictures that show a label; {chance:.2g} "
        "is chance. The interval over labels does not allow for a rare label on which the model "
        "fails outright.",
        plot=reference(bars(shown, x="swap accuracy", y="label", mark="dot"), chance, "chance"),
        table=labels,
    )


def distance_figure(distances: pd.DataFrame, chance: float) -> Figure:
    """Swap accuracy by the smallest distance between objects."""
    table = distances.rename(columns={"value": "swap accuracy"})
    return Figure(
        key="distance",
        title="Swap accuracy on held-out pairs by the distance between the objects",
        how_to_read="Across: pixels between the two nearest objects, 1 for neighbours; up: share "
        f"of pictures whose true caption beats its swap, with a 95 % interval; {chance:.2g} is "
        "chance.",
        plot=reference(lines(table, x="distance", y="swap accuracy"), chance, "chance"),
        table=distances,
    )
