"""Real models: intervals from some of 20 held-out labels, held against all of their pairs.

Ten models with 20 held-out labels each are trained in one stack (seeds 500 to 509, used for nothing
else). The census of all 190 pairs is the truth; L labels are drawn again and again, and their
interval, which speaks of labels without number, is narrowed by the finite-population factor
sqrt(1 - L / 20) before it is held against those 20.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

import lrinterp as lr
from lrinterp.scoring import credits
from lrinterp.stats import SHARE, Interval, Units, mean_interval

__all__ = ["real_rows"]

SEEDS, HELD_OUT = range(500, 510), 20
SUBSETS = 400
"""Draws of labels for each model."""
METRICS = (("order", "pair"), ("retrieval", "open"))

Credit = Float[np.ndarray, "picture"]
Labels = Int[np.ndarray, "picture object"]


def real_rows() -> Iterator[dict[str, Any]]:
    """Coverage by metric and number of labels, over models and draws."""
    plans = [lr.Plan.from_plain(settings(seed), "coverage") for seed in SEEDS]
    fitted = lr.fit_many(plans)
    examples = [plan.scenes.examples(["unseen_pair"]) for plan in plans]
    scores = [lr.record(f.model, e, []).scores for f, e in zip(fitted, examples, strict=True)]
    for metric in METRICS:
        census = [credits(s, e, *metric) for s, e in zip(scores, examples, strict=True)]
        for n in (5, 10):
            found = [
                drawn(credit, one.image_labels, n, np.random.default_rng([n, k]))
                for k, (credit, one) in enumerate(zip(census, examples, strict=True))
            ]
            hits = np.array([hit for hit, _ in found])
            yield {
                "metric": " ".join(metric),
                "labels": n,
                "models": len(found),
                "values of the models": ", ".join(f"{credit.mean():.3f}" for credit in census),
                "coverage": float(hits.mean()),
                "lowest model": float(hits.min()),
                "median width": float(np.median([width for _, width in found])),
            }


def settings(seed: int) -> dict[str, Any]:
    """The default recipe with 20 held-out labels."""
    split = {"n_val": HELD_OUT, "seed": seed}
    return {"world": {"n_labels": 15 + HELD_OUT}, "split": split, "fit": {"seed": seed}}


def drawn(credit: Credit, labels: Labels, n: int, rng: np.random.Generator) -> tuple[float, float]:
    """How often the interval of n labels holds the mean of all, and its median width."""
    known, truth = np.unique(labels), credit.mean()
    hits, widths = [], []
    for _ in range(SUBSETS):
        here = np.isin(labels, rng.choice(known, n, replace=False)).all(1)
        found = mean_interval(credit[here], Units.of_labels(labels[here]))
        low, high = narrowed(found, 1 - n / len(known))
        hits.append(low - 1e-12 <= truth <= high + 1e-12)
        widths.append(high - low)
    return float(np.mean(hits)), float(np.median(widths))


def narrowed(found: Interval, rest: float) -> tuple[float, float]:
    """The ends as far from the middle as the part of the population that was not drawn allows."""
    ends = np.array([found.low, found.high], dtype=float)
    at = SHARE.of(ends, np.full(2, 1e9))
    middle, half = at.mean(), (at[1] - at[0]) / 2 * np.sqrt(rest)
    low, high = SHARE.back(np.array([middle - half, middle + half])).tolist()
    return (low, 1.0) if found.high == 1.0 else (low, high)
