"""Image margins picture by picture, beside the attention that each head gives right over left.

In a model that has learnt labels alone, margin and attention both change sign when the objects
are swapped, and so go together over all pictures, or against each other. Two views are free of
that: the mean of both orders, and one order at a time, where only the layout differs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from einops import einsum
from jaxtyping import Float, Int

from lrinterp.analysis.attribution.rank_correlation import (
    rank_interval,
    shuffled_high,
    within_interval,
)
from lrinterp.analysis.attribution.rows import cell
from lrinterp.analysis.contrast import Contrast
from lrinterp.stats import Interval, Units
from lrinterp.wording import head_name

__all__ = [
    "BOTH_ORDERS",
    "FLATTENED",
    "OVERALL",
    "PERMUTED",
    "SIGNS",
    "WITHIN",
    "View",
    "correlations",
    "picture_table",
    "views",
]

OVERALL, BOTH_ORDERS, WITHIN = "over all pictures", "both orders averaged", "within label pairs"
PERMUTED, FLATTENED = ", margins permuted", ", key-position flattened"
SIGNS = {"right": 1, "left": -1}
"""What a gain is multiplied with to count towards a side."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Gains and margins that are ranked, all together or each group by itself."""

    name: str
    gain: Float[np.ndarray, "example"]
    margin: Float[np.ndarray, "example"]
    groups: Int[np.ndarray, "example"]
    units: Units
    rows: Int[np.ndarray, "example"]
    """The first picture of each example."""

    def rho(self) -> Interval:
        """Spearman's rho, its mean over groups in the view within them."""
        ranked = (self.gain, self.margin)
        if self.name == WITHIN:
            return within_interval(*ranked, self.groups, self.units)
        return rank_interval(*ranked, self.units)

    def null(self, seed: int) -> float | None:
        """95 % quantile of |rho| when margins change places, within their groups."""
        return shuffled_high(self.gain, self.margin, self.groups, seed=seed)


def picture_table(
    contrast: Contrast,
    margin: Float[np.ndarray, "picture"],
    attention: Float[np.ndarray, "picture head key"],
) -> pd.DataFrame:
    """Each picture: what it shows, its labels in order, margin and gain by head.

    A gain is the attention to the object furthest right minus that to the one furthest left, as
    in `positional_gradient`. `twin` is the row of the same layout with the objects swapped, -1
    where it was not drawn.
    """
    examples = contrast.recording.examples.at(contrast.pictures)
    pixels = examples.image_pixels
    words = [[examples.label_words[k] for k in row] for row in examples.image_labels.tolist()]
    places = [
        ", ".join(f"{word} {pixel + 1}" for word, pixel in zip(*row, strict=True))
        for row in zip(words, pixels.tolist(), strict=True)
    ]
    right, left = (attention_to(contrast, attention, side) for side in ("right", "left"))
    return pd.DataFrame(
        {
            "picture": places,
            "order": [", ".join(row) for row in words],
            **{f"label {k}": labels for k, labels in enumerate(examples.image_labels.T)},
            "twin": examples.image_twin,
            "margin": margin,
            **{head_name(0, head): gain for head, gain in enumerate(right - left)},
        }
    )


def attention_to(
    contrast: Contrast, attention: Float[np.ndarray, "picture head key"], role: str
) -> Float[np.ndarray, "head picture"]:
    """What each head gives to all positions of a role together."""
    mask = contrast.roles[role].cpu().numpy().astype(attention.dtype)
    return einsum(attention, mask, "picture head key, picture key -> head picture")


def views(pictures: pd.DataFrame, head: str, prefers: str) -> Iterator[View]:
    """The three views of one head's gain, which counts towards the side that it prefers."""
    gain = SIGNS[prefers] * pictures[head].to_numpy(float)
    margin = pictures["margin"].to_numpy(float)
    labels = [name for name in pictures if str(name).startswith("label ")]
    units = Units.of_labels(pictures[labels].to_numpy(int))
    order = np.unique(pictures["order"], return_inverse=True)[1]
    twin = pictures["twin"].to_numpy(int)
    one = np.flatnonzero(twin > np.arange(len(twin)))
    both = {"gain": gain, "margin": margin}
    mean = {name: (x[one] + x[twin[one]]) / 2 for name, x in both.items()}
    whole, rows = np.zeros_like(order), np.arange(len(order))
    yield View(name=OVERALL, groups=whole, units=units, rows=rows, **both)
    yield View(name=BOTH_ORDERS, groups=whole[one], units=units.at(one), rows=one, **mean)
    yield View(name=WITHIN, groups=order, units=units, rows=rows, **both)


def correlations(
    pictures: pd.DataFrame, flattened: pd.DataFrame, head: str, prefers: str, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows with Spearman's rho of margin and gain in each view, and two nulls.

    Permuted: the 95 % quantile of |rho| when margins change places at random (within label pairs
    in that view). Flattened: the same statistic in the model without key-position.
    """
    for suffix, table in {"": pictures, FLATTENED: flattened}.items():
        for view in views(table, head, prefers):
            yield {**correlation(head, view.name + suffix), **vars(view.rho())}
    for view in views(pictures, head, prefers):
        null = {"value": view.null(seed), "low": None, "high": None}
        counts = {"n": len(view.gain), "n_units": view.units.n}
        yield {**correlation(head, view.name + PERMUTED), **null, **counts}


def correlation(head: str, part: str) -> dict[str, Any]:
    """The identifying columns of a row."""
    return {"encoder": "image", **cell("correlation", head, part=part)}
