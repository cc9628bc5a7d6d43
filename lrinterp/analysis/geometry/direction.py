"""One direction for a relation: left minus right, fitted on some objects and tested on others.

Pure arrays. A difference is the embedding of a caption minus that of the same caption with the
other relation word. For each object pair the direction is the mean difference of all pairs that
share no object with it, so nothing is tested on what it was fitted on. The null exchanges the two
words in whole object pairs at random: all that pairs have in common is then gone, the rest stays.

A consistent direction says that the word is written into the embedding, which a bag of words does
too; whether it is bound to the objects is another question (`cosines`, mirror_gain).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float

from lrinterp.analysis.geometry.cosines import Measure, Points, distances, norm, weights

__all__ = ["DRAWS", "direction", "signs_of"]

DRAWS = 1000
"""Random exchanges of the two relation words."""
ROUNDING = 1e-6
"""Part of a caption's length below which a difference is rounding."""

Apart = Bool[np.ndarray, "pair other"]
Signs = Float[np.ndarray, "draw pair"]


def signs_of(n_pairs: int, seed: int, draws: int = DRAWS) -> Signs:
    """1 where the words of a pair stand as they are, -1 where they are exchanged.

    The first row is the data as they are.
    """
    flips = np.random.default_rng(seed).choice((-1.0, 1.0), (draws, n_pairs))
    return np.concatenate([np.ones((1, n_pairs)), flips])


def direction(points: Points, apart: Apart, signs: Signs) -> Mapping[str, Measure]:
    """How far held-out captions follow the direction that other objects give.

    With e a caption, d = e(first word) - e(second word), m the mean d of the pairs that share no
    object, u = m / |m|, c the mean caption of those pairs, e' the mean of all captions:

    consistency: mean cos(d, m). direction_accuracy: share of captions on the side of c along u
    that their word says, ties 1/2. variance_share: sum of ((e - e') u)^2 / sum of |e - e'|^2, what
    the direction carries, of the relation and of all else that varies along it; a direction drawn
    at random carries 1 / d_embed. relation_share: sum of d m / 4 over the same, the variance
    between the two words; no fit flatters it, so it may fall below 0. relative_norm: mean |d| /
    mean distance between captions of other objects. Shares and norm of the shuffled words are no
    null where the sign of d does not matter: variance_share and relative_norm have none.

    Cost: draws x captions x pairs multiplications.
    """
    centred = points - points.mean((0, 1, 2, 3))
    held = HeldOut.of(centred, apart, signs)
    total = reduce(centred**2, "pair o w t d -> pair (o t)", "sum") / 2
    length = difference_lengths(points)
    known = np.where(length > ROUNDING * np.nanmean(norm(points)), length, np.nan)
    ones = np.ones_like(length)
    return {
        "consistency": with_null(held.gap / known, ones),
        "direction_accuracy": with_null(held.credit, ones),
        "variance_share": Measure((held.place[0] ** 2).mean(1), total),
        "relation_share": with_null(held.gap * held.length[..., None] / 4, total),
        "relative_norm": Measure(length, distances(points, apart)),
    }


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Captions of each pair along the direction of the pairs that share no object with it."""

    place: Float[np.ndarray, "draw pair word caption"]
    middle: Float[np.ndarray, "draw pair"]
    """Where the mean caption of those pairs lies."""
    length: Float[np.ndarray, "draw pair"]
    """Length of their mean difference."""
    signs: Signs

    @classmethod
    def of(cls, points: Points, apart: Apart, signs: Signs) -> Self:
        """Everything is made of inner products of captions, so a draw costs no vectors."""
        fit = weights(apart)
        rows = rearrange(points, "pair order word template d -> pair (word order template) d")
        differences = reduce(points[:, :, 0] - points[:, :, 1], "pair o t d -> pair d", "mean")
        rows = np.concatenate([rows, (fit @ rows.mean(1))[:, None]], axis=1)
        pulls = einsum(rows, differences, "pair row d, other d -> pair row other") * fit[:, None]
        gram = differences @ differences.T
        squares = [((signs @ (gram * np.outer(w, w))) * signs).sum(1) for w in fit]
        length = np.sqrt(np.clip(np.stack(squares, axis=1), 0, None))
        pulled = einsum(pulls, signs, "pair row other, draw other -> draw pair row")
        along = pulled / np.where(length > 0, length, np.nan)[..., None]
        place = rearrange(along[..., :-1], "draw pair (word c) -> draw pair word c", word=2)
        return cls(place, along[..., -1], length, signs)

    @property
    def gap(self) -> Float[np.ndarray, "draw pair comparison"]:
        """The difference of a caption and its swap along the direction."""
        return (self.place[:, :, 0] - self.place[:, :, 1]) * self.signs[..., None]

    @property
    def credit(self) -> Float[np.ndarray, "draw pair comparison"]:
        """The share of the two captions that lie on the side their words say."""
        side = self.place - self.middle[..., None, None]
        side = side * self.signs[..., None, None] * np.array([[1.0], [-1.0]])
        return np.where(np.isnan(side), np.nan, (np.sign(side) + 1) / 2).mean(2)


def difference_lengths(points: Points) -> Float[np.ndarray, "pair comparison"]:
    """How far a caption lies from its twin with the other relation word."""
    squares = (points[:, :, 0] - points[:, :, 1]) ** 2
    return np.sqrt(reduce(squares, "pair o t d -> pair (o t)", "sum"))


def with_null(
    top: Float[np.ndarray, "draw pair comparison"],
    bottom: Float[np.ndarray, "pair comparison"],
) -> Measure:
    """The measure of the data, the first draw, beside the same ratio in the other draws."""
    known = np.isfinite(top[0]) & np.isfinite(bottom)
    if not known.any():
        return Measure(top[0], bottom)
    return Measure(top[0], bottom, top[1:, known].sum(1) / bottom[known].sum())
