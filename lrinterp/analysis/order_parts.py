"""Order taken apart: by relation word, by distance, and against the caption with the other word."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from lrinterp.analysis.contrast import caption_of
from lrinterp.analysis.subject import SET_WORDS, focus
from lrinterp.run import Run
from lrinterp.scenes import Examples
from lrinterp.scenes.natural import PICTURES
from lrinterp.scoring import credit, credits, order_credit
from lrinterp.stats import mean_interval

__all__ = ["WORD", "by_distance", "by_label", "by_template", "word_credits", "word_row"]

WORD = "word"
"""Candidates of order: the caption with the other relation word."""


def by_template(recording: Run) -> Iterator[dict[str, Any]]:
    """Order on each set of pairs with the captions of one template, where there are several."""
    names = recording.examples.templates
    for name in dict.fromkeys(recording.examples.image_set) if len(names) > 1 else ():
        index = recording.examples.where(name)
        part = recording.examples.at(index)
        for template in names if name != "single" else ():
            scores = recording.scores[torch.from_numpy(index).to(recording.scores.device)]
            values = order_credit(scores, part, template)
            yield {
                "set": name,
                "template": template,
                **vars(mean_interval(values, part.image_units)),
            }


def by_label(recording: Run) -> Iterator[dict[str, Any]]:
    """Order on the pictures of the focus set that hold a label, the lowest first.

    An interval over a few labels cannot tell whether others fail: so the single ones are shown.
    """
    examples = recording.examples
    if not set(examples.image_set) & set(SET_WORDS):
        return
    index = examples.where(focus(examples))
    part = examples.at(index)
    values = credits(recording.scores[torch.from_numpy(index)], part, "order", "pair")
    rows = []
    for label in np.unique(part.image_labels[part.image_labels >= 0]).tolist():
        here = (part.image_labels == label).any(1)
        name, n = str(examples.label_words[label]), int(here.sum())
        rows.append({"label": name, "value": float(values[here].mean()), "n": n})
    yield from sorted(rows, key=lambda row: (row["value"], row["label"]))


def word_row(recording: Run) -> dict[str, Any]:
    """Order against the caption that differs in its relation word."""
    values = word_credits(recording)
    place = {"set": PICTURES, "metric": "order", "candidates": WORD}
    interval = mean_interval(values, recording.examples.image_units)
    return {**place, **vars(interval), "reason": None}


def word_credits(recording: Run) -> Float[np.ndarray, "image"]:
    """Credit of each picture, its true captions against their one-word swaps; ties are shared."""
    examples, scores = recording.examples, recording.scores
    pictures = np.arange(len(examples))
    good = torch.tensor([True, False], device=scores.device).expand(len(examples), 2)
    parts = []
    for template in examples.templates:
        true = caption_of(examples, pictures, template)
        swap = swapped_word(examples, true)
        both = torch.from_numpy(np.stack([true, swap], axis=1)).to(scores.device)
        parts.append(credit(torch.gather(scores, 1, both), good))
    return torch.stack(parts).cpu().double().mean(0).numpy()


def by_distance(recording: Run) -> Iterator[dict[str, Any]]:
    """Order on held-out pairs, a row for each smallest distance between objects."""
    index = recording.examples.where("unseen_pair")
    if not len(index):
        return
    part = recording.examples.at(index)
    values = credits(recording.scores[torch.from_numpy(index)], part, "order", "pair")
    distance = np.diff(part.image_pixels, axis=1).min(1)
    for pixels in np.unique(distance).tolist():
        here = distance == pixels
        interval = mean_interval(values[here], part.image_units.at(np.flatnonzero(here)))
        yield {"distance": pixels, **vars(interval)}


def swapped_word(
    examples: Examples, captions: Int[np.ndarray, "image"]
) -> Int[np.ndarray, "image"]:
    """Of each caption the one that names the objects in the same order with the other relation.

    It states the reverse, in the other template.
    """
    keys = zip(examples.caption_template, map(tuple, examples.caption_labels.tolist()), strict=True)
    place = {key: i for i, key in enumerate(keys)}
    one, other = examples.templates
    turned = {one: other, other: one}
    return np.array(
        [
            place[turned[examples.caption_template[i]], tuple(examples.caption_labels[i][::-1])]
            for i in captions.tolist()
        ]
    )
