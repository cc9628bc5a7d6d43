"""Image margins picture by picture, beside the attention that each head gives right over left.

In a model that has learnt labels alone, margin and attention both change sign when the objects
are swapped, and so go together over all pictures, or against each other. Two views are free of
that: the mean of both orders, and one order at a time, where only the layout differs.
Pictures that share a label are no independent draws: intervals leave out whole labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from einops import einsum
from jaxtyping import Float, Int

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.similarity_attribution_path import TakenApart
from lrinterp.analysis.similarity_attribution_rows import row_place
from lrinterp.decomposition import KEY_POSITION, total
from lrinterp.result import Metric
from lrinterp.stats import CORRELATION, COSINE, Interval, Units, mean_interval, statistic_interval
from lrinterp.wording import head_name

__all__ = [
    "WITHIN",
    "by_picture",
    "correlations",
    "picture_table",
    "rank_interval",
    "shuffled_high",
    "spearman",
    "views",
    "within_groups",
    "within_interval",
]

OVERALL, BOTH_ORDERS, WITHIN = "over all pictures", "both orders averaged", "within label pairs"
PERMUTED, FLATTENED = ", margins permuted", ", key-position flattened"
SPEARMAN = {
    "margin_gain": OVERALL,
    "both_orders": BOTH_ORDERS,
    "within_pairs": WITHIN,
    "null": OVERALL + PERMUTED,
    "within_null": WITHIN + PERMUTED,
    "flattened": OVERALL + FLATTENED,
}
"""Correlations by the end of their summary key."""
SHUFFLES = 1000
ROUNDING = 6
"""Decimals that are ranked; what differs beyond them is rounding and counts as tied."""

ExampleValues = Float[np.ndarray, "example"]
Members = Int[np.ndarray, "example"]


@dataclass(frozen=True)
class View:
    """What is ranked, all together or each group by itself."""

    name: str
    frame: pd.DataFrame
    """Gain, margin and group of each example; its index is the first picture."""
    units: Units

    @property
    def ranked(self) -> tuple[ExampleValues, ExampleValues, Members]:
        """Gains, margins and groups."""
        return tuple(self.frame[name].to_numpy() for name in ("gain", "margin", "group"))  # type: ignore[return-value]

    def rho(self) -> Interval:
        """Spearman's rho, its mean over groups in the view within them."""
        gain, margin, groups = self.ranked
        if self.name == WITHIN:
            return within_interval(gain, margin, groups, self.units)
        return rank_interval(gain, margin, self.units)


def by_picture(image: TakenApart | None, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Margins beside the attention of one head, as fields, and the rows of their correlations.

    Of the image tower where its margin has a path of attention, else nothing.
    """
    if not image or not (path := image.path):
        return {"pictures": pd.DataFrame(), "head": "", "prefers": ""}, []
    head = head_name(0, int(abs(total(path.by_term, KEY_POSITION).mean(0)).argmax()))
    pictures = picture_table(image.contrast, path.margin, path.attention)
    prefers = "right" if pictures[head].mean() >= 0 else "left"
    rows = correlations(
        pictures,
        picture_table(image.contrast, path.flat_margin, path.flat_attention),
        head,
        prefers,
        seed,
    )
    return {"pictures": pictures, "head": head, "prefers": prefers}, list(rows)


def spearman(rows: list[dict[str, Any]], head: str, unit: str) -> dict[str, Metric]:
    """The head, and the correlations by summary key; nothing where there are none."""
    if not rows:
        return {}
    rho = {row["part"]: Metric.of(row, estimator="correlation", unit=unit) for row in rows}
    return {
        "spearman_head": Metric(value=head, estimator="name"),
        **{f"spearman_{key}": rho[part] for key, part in SPEARMAN.items()},
    }


def picture_table(
    contrast: Contrast, margin: ExampleValues, attention: Float[np.ndarray, "example head key"]
) -> pd.DataFrame:
    """Each picture: what it shows, its labels in order, margin and gain by head.

    A gain is the attention to the object furthest right minus that to the one furthest left, as
    in `positional_gradient`. `twin` is the row of the same layout with the objects swapped, -1
    where it was not drawn.
    """
    examples = contrast.recording.examples.at(contrast.pictures)
    words = [[examples.label_words[k] for k in row] for row in examples.image_labels.tolist()]
    places = [
        ", ".join(f"{word} {pixel + 1}" for word, pixel in zip(*row, strict=True))
        for row in zip(words, examples.image_pixels.tolist(), strict=True)
    ]
    right, left = (contrast.roles[side].cpu().numpy().astype(float) for side in ("right", "left"))
    gains = einsum(attention, right - left, "picture head key, picture key -> head picture")
    return pd.DataFrame(
        {
            "picture": places,
            "order": [", ".join(row) for row in words],
            **{f"label {k}": labels for k, labels in enumerate(examples.image_labels.T)},
            "twin": examples.image_twin,
            "margin": margin,
            **{head_name(0, head): gain for head, gain in enumerate(gains)},
        }
    )


def views(pictures: pd.DataFrame, head: str, prefers: str) -> Iterator[View]:
    """The three views of one head's gain, which counts towards the side that it prefers."""
    gain = pictures[head] if prefers == "right" else -pictures[head]
    frame = pd.DataFrame({"gain": gain, "margin": pictures["margin"], "group": 0})
    twin, order = pictures["twin"].to_numpy(int), pd.factorize(pictures["order"], sort=True)[0]
    one = np.flatnonzero(twin > np.arange(len(twin)))
    mean = (frame.iloc[one] + frame.iloc[twin[one]].to_numpy()) / 2
    units = Units.of_labels(pictures.filter(regex="^label ").to_numpy(int))
    yield View(OVERALL, frame, units)
    yield View(BOTH_ORDERS, mean.assign(group=0), units.at(one))
    yield View(WITHIN, frame.assign(group=order), units)


def correlations(
    pictures: pd.DataFrame, flattened: pd.DataFrame, head: str, prefers: str, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows with Spearman's rho of margin and gain in each view, and two nulls.

    Permuted: the 95 % quantile of |rho| when margins change places at random (within label pairs
    in that view). Flattened: the same statistic in the model without key-position.
    """
    found = {}
    for suffix, table in {"": pictures, FLATTENED: flattened}.items():
        found |= {view.name + suffix: view.rho() for view in views(table, head, prefers)}
    for view in views(pictures, head, prefers):
        null, counts = shuffled_high(*view.ranked, seed=seed), (len(view.frame), view.units.n)
        found[view.name + PERMUTED] = Interval(value=null, n=counts[0], n_units=counts[1])
    for part, interval in found.items():
        yield {"encoder": "image", **row_place("correlation", head, part=part), **vars(interval)}


def rank_interval(x: ExampleValues, y: ExampleValues, units: Units) -> Interval:
    """Spearman's rho with a 95 % interval from a jackknife over units.

    Ranks are made anew without each unit; ties get their mean rank. None where x or y is constant;
    without ends where a single unit, or a rest in which one is constant, leaves none.
    """
    pairs = pd.DataFrame({"x": np.round(x, ROUNDING), "y": np.round(y, ROUNDING)})
    return statistic_interval(
        lambda kept: float(pairs[kept].corr("spearman").to_numpy()[0, 1]), units, scale=CORRELATION
    )


def within_interval(x: ExampleValues, y: ExampleValues, groups: Members, units: Units) -> Interval:
    """Mean over groups of rho within each, over units that each hold whole groups, or share them.

    n counts the groups in which rho is defined.
    """
    rho = within_groups(x, y, groups)
    first = np.unique(groups, return_index=True)[1]
    known = np.isfinite(rho)
    return mean_interval(rho[known], units.at(first[known]), scale=COSINE)


def within_groups(
    x: ExampleValues, y: ExampleValues, groups: Members
) -> Float[np.ndarray, "group"]:
    """Spearman's rho in each group, in the order of their numbers; nan where one is constant."""
    return np.bincount(groups, weights=unit_ranks(x, groups) * unit_ranks(y, groups))


def shuffled_high(
    x: ExampleValues, y: ExampleValues, groups: Members, *, seed: int = 0
) -> float | None:
    """The null: 95 % quantile of |mean over groups of rho| when y changes places in its groups.

    One group permutes all pictures. None where rho is defined in no group.
    """
    order = np.argsort(groups, kind="stable")
    one, other = (unit_ranks(values, groups)[order] for values in (x, y))
    member, rng = groups[order], np.random.default_rng(seed)
    n_known = np.unique(member[np.isfinite(one * other)]).size
    if not n_known:
        return None
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    shuffled = (other[np.lexsort((rng.random(len(one)), member))] for _ in range(SHUFFLES))
    return float(np.quantile(np.abs([one @ y / n_known for y in shuffled]), 0.95))


def unit_ranks(values: ExampleValues, groups: Members) -> ExampleValues:
    """Ranks within each group, centred and of length 1; nan where a group is constant."""
    ranks = pd.Series(np.round(values, ROUNDING)).groupby(groups).rank()
    centred = ranks - ranks.groupby(groups).transform("mean")
    lengths = (centred**2).groupby(groups).transform("sum") ** 0.5
    return (centred / lengths.where(lengths > 0)).to_numpy()
