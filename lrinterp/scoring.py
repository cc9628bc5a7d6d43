"""Scoring: swap accuracy, retrieval and object-set accuracy of scores of candidate captions.

Used alike during training, by `lrinterp evaluate` and by the analyses. A k-way tie for the first
place (within 1e-6) earns the share of the tied captions that are right: 1/k with one right one.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.axes import Scores
from lrinterp.scenes import Examples
from lrinterp.stats import Interval, mean_interval

__all__ = ["METRICS", "accuracy_rows", "credit", "credits", "margin_weights", "order_credit"]

METRICS = (
    ("order", "pair"),
    ("retrieval", "closed"),
    ("retrieval", "open"),
    ("label_set", "closed"),
    ("label_set", "open"),
)
"""Each metric with its candidates: `pair` = a caption and its swaps, `closed` = the captions of
the same set, `open` = every caption of the world. `order` is swap accuracy, a true caption against
its swaps; `label_set` is object-set accuracy, whether the best caption names the right objects."""

TIE = 1e-6


def credit(
    scores: Float[Tensor, "image candidate"], good: Bool[Tensor, "image candidate"]
) -> Float[Tensor, "image"]:
    """The share of the best-scored candidates, ties included, that are good.

    >>> credit(torch.tensor([[0.5, 0.5, 0.1]]), torch.tensor([[True, False, False]])).item()
    0.5
    """
    best = scores >= scores.amax(dim=1, keepdim=True) - TIE
    return (best & good).sum(1) / best.sum(1)


def credits(
    scores: Scores, examples: Examples, metric: str, candidates: str
) -> Float[np.ndarray, "image"]:
    """The credit of each picture under one metric. All pictures must be of one set.

    Raises ValueError for an unknown pair of metric and candidates.
    """
    if (metric, candidates) not in METRICS:
        known = ", ".join(f"{m} ({c})" for m, c in METRICS)
        raise ValueError(f"metric: expected one of {known}, got {metric} ({candidates})")
    if metric == "order":
        return order_credit(scores, examples)
    stated, true = {
        "retrieval": (examples.caption_meaning, examples.image_meaning),
        "label_set": (examples.caption_label_set, examples.image_label_set),
    }[metric]
    if candidates == "closed":
        own = examples.image_set[0]
        chosen = np.array([i for i, name in enumerate(examples.caption_set) if name == own])
        scores, stated = scores[:, chosen], stated[chosen]
    good = torch.from_numpy(stated[None] == true[:, None]).to(scores.device)
    return credit(scores, good).cpu().double().numpy()


def order_credit(
    scores: Scores, examples: Examples, template: str | None = None
) -> Float[np.ndarray, "image"]:
    """Swap accuracy: each true caption against the other orders of its labels.

    Of one template, or averaged over all of them.
    """
    parts = []
    for name in [template] if template else examples.templates:
        rivals = orders(examples, name)
        candidates = torch.from_numpy(rivals).to(scores.device)
        good = examples.caption_meaning[rivals] == examples.image_meaning[:, None]
        chosen = torch.gather(scores, 1, candidates)
        parts.append(credit(chosen, torch.from_numpy(good).to(scores.device)))
    return torch.stack(parts).cpu().double().mean(0).numpy()


def margin_weights(examples: Examples) -> Float[Tensor, "image caption"]:
    """What each caption counts in a picture's order margin, the sum of weight times cosine.

    1 for the true caption and minus the mean over the other orders, averaged over templates.
    """
    weights = torch.zeros(len(examples), len(examples.caption_text))
    for template in examples.templates:
        rivals = torch.from_numpy(orders(examples, template))
        good = torch.from_numpy(examples.caption_meaning)[rivals]
        good = good == torch.from_numpy(examples.image_meaning)[:, None]
        right, wrong = (m / m.sum(1, keepdim=True).clamp(min=1) for m in (good, ~good))
        weights.scatter_add_(1, rivals, (right - wrong).float() / len(examples.templates))
    return weights


def orders(examples: Examples, template: str) -> Int[np.ndarray, "image order"]:
    """The captions of one template that name each picture's labels, in any order."""
    of_template = np.array([t == template for t in examples.caption_template])
    captions = np.flatnonzero(of_template)
    label_set = examples.caption_label_set[captions]
    order = np.argsort(label_set, kind="stable")
    first = np.searchsorted(label_set[order], examples.image_label_set)
    n_orders = int(np.bincount(np.unique(label_set, return_inverse=True)[1]).max())
    return captions[order[first[:, None] + np.arange(n_orders)]]


def accuracy_rows(scores: Scores, examples: Examples, sets: Iterable[str]) -> list[dict[str, Any]]:
    """One row for each set, metric and candidates, with intervals over labels.

    A set without pictures, and order on single objects, give n = 0 and a reason.
    """
    rows = []
    for name in sets:
        index = examples.where(name)
        part, matrix = examples.at(index), scores[torch.from_numpy(index).to(scores.device)]
        for metric, candidates in METRICS:
            found, missing = Interval(value=None), _missing(part, name, metric)
            if not missing:
                values = credits(matrix, part, metric, candidates)
                found = mean_interval(values, part.image_units)
            row = {"set": name, "metric": metric, "candidates": candidates}
            rows.append({**row, **vars(found), "reason": missing})
    return rows


def _missing(part: Examples, name: str, metric: str) -> str | None:
    if not len(part):
        return part.empty.get(name, "no pictures of this set were recorded")
    return "order is not defined for one object" if (name, metric) == ("single", "order") else None
