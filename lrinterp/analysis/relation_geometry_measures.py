"""Measures of a grid of captions: cosines by what differs, and one direction for a relation.

Pure arrays: the points are embeddings of a grid of captions, object pair x order of the two
objects x relation word x template.

A difference is the embedding of a caption minus that of the same caption with the other relation
word. For each object pair the direction is the mean difference of all pairs that share no object
with it, so nothing is tested on what it was fitted on. The null exchanges the two words in whole
object pairs at random: all that pairs have in common is then gone, the rest stays. A consistent
direction says that the word is written into the embedding, which a bag of words does too; whether
it is bound to the objects is another question (`mirror_gain`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float
from scipy.spatial.distance import cdist

from lrinterp.stats import COSINE, LINEAR, SHARE, Interval, Sample, Scale, Units, ratio_interval

__all__ = [
    "DRAWS",
    "Measure",
    "Points",
    "cosines",
    "direction",
    "distances",
    "signs_of",
    "strangers",
]

DRAWS = 1000
"""Random exchanges of the two relation words."""
ROUNDING = 1e-6
"""Part of a caption's length below which a difference is rounding."""

Points = Float[np.ndarray, "pair order word template d"]
Strangers = Bool[np.ndarray, "pair other"]
PairValues = Float[np.ndarray, "pair comparison"]
Signs = Float[np.ndarray, "draw pair"]


@dataclass(frozen=True, eq=False)
class Measure:
    """A mean, or a ratio of means, over the comparisons of every object pair."""

    top: PairValues
    bottom: PairValues
    """Either is not a number where a comparison is not defined."""
    scale: Scale = LINEAR
    null: Float[np.ndarray, "draw"] | None = None
    """Its values where the relation words are shuffled."""

    @property
    def known(self) -> Bool[np.ndarray, "pair comparison"]:
        """The comparisons that are defined."""
        return np.isfinite(self.top) & np.isfinite(self.bottom)

    def interval(self, objects: Units) -> Interval:
        """Value with a 95 % interval over the objects of the pairs; n counts comparisons."""
        here = np.nonzero(self.known)
        units = objects.at(here[0])
        return ratio_interval(self.top[here], self.bottom[here], units, scale=self.scale)

    def sample(self, objects: Units) -> Sample:
        """The sums of each object pair over the comparisons that are defined: the same value."""
        top, bottom = (np.where(self.known, x, 0.0).sum(1) for x in (self.top, self.bottom))
        return Sample(top=top[None], bottom=bottom, units=objects, scale=self.scale)


def strangers(pairs: tuple[tuple[str, str], ...]) -> Strangers:
    """Which pairs of objects share none.

    >>> strangers((("cat", "dog"), ("dog", "egg"), ("hat", "jar")))[0].tolist()
    [False, False, True]
    """
    return np.array([[not {*one} & {*other} for other in pairs] for one in pairs])


def cosines(points: Points, apart: Strangers) -> Mapping[str, Measure]:
    """Mean cosines of captions by what they differ in.

    relation: the relation word alone. order: the order of the two objects alone. paraphrase: the
    template alone. mirror: A left of B against B right of A, which mean the same. other_objects:
    the same words and template around two objects of which it has none; a caption's value is the
    mean over all of them. mirror_gain: mirror minus relation, 0 for a bag of words.
    A kind that the grid does not hold has no comparisons.
    """
    unit = points / norm(points)[..., None]
    others = einsum(weights(apart), unit.mean(1), "p q, q w t d -> p w t d")
    word, mirror = (
        np.vecdot(unit[:, :, 0], unit[:, :, 1]),
        np.vecdot(unit[:, :, 0], unit[:, ::-1, 1]),
    )
    one, other = np.triu_indices(points.shape[3], 1)
    values = {
        "relation": word,
        "order": np.vecdot(unit[:, 0], unit[:, 1]),
        "paraphrase": np.vecdot(unit[..., one, :], unit[..., other, :]),
        "mirror": mirror,
        "other_objects": np.vecdot(unit, others[:, None]),
        "mirror_gain": mirror - word,
    }
    flat = {name: value.reshape(len(points), -1) for name, value in values.items()}
    scales = dict.fromkeys(values, COSINE) | {"mirror_gain": LINEAR}
    return {name: Measure(x, np.ones_like(x), scales[name]) for name, x in flat.items()}


def signs_of(n_pairs: int, seed: int, draws: int = DRAWS) -> Signs:
    """1 where the words of a pair stand as they are, -1 where they are exchanged.

    The first row is the data as they are.
    """
    flips = np.random.default_rng(seed).choice((-1.0, 1.0), (draws, n_pairs))
    return np.concatenate([np.ones((1, n_pairs)), flips])


def direction(points: Points, apart: Strangers, signs: Signs) -> Mapping[str, Measure]:
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
    place, middle, length = held_out(centred, apart, signs)
    gap = (place[:, :, 0] - place[:, :, 1]) * signs[..., None]
    side = (place - middle[..., None, None]) * signs[..., None, None] * np.array([[1.0], [-1.0]])
    total = reduce(centred**2, "pair o w t d -> pair (o t)", "sum") / 2
    apart_by = np.linalg.norm(points[:, :, 0] - points[:, :, 1], axis=-1).reshape(len(points), -1)
    known = np.where(apart_by > ROUNDING * np.nanmean(norm(points)), apart_by, np.nan)
    ones = np.ones_like(apart_by)
    return {
        "consistency": with_null(gap / known, ones, COSINE),
        "direction_accuracy": with_null(((np.sign(side) + 1) / 2).mean(2), ones, SHARE),
        "variance_share": Measure((place[0] ** 2).mean(1), total),
        "relation_share": with_null(gap * length[..., None] / 4, total, LINEAR),
        "relative_norm": Measure(apart_by, distances(points, apart)),
    }


def held_out(
    points: Points, apart: Strangers, signs: Signs
) -> tuple[
    Float[np.ndarray, "draw pair word caption"],
    Float[np.ndarray, "draw pair"],
    Float[np.ndarray, "draw pair"],
]:
    """Where the captions of each pair lie along the mean difference of the pairs apart from it.

    Then where the mean caption of those pairs lies, and the length of their mean difference.
    Everything is made of inner products of captions, so a draw costs no vectors.
    """
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
    return place, along[..., -1], length


def with_null(
    top: Float[np.ndarray, "draw pair comparison"], bottom: PairValues, scale: Scale
) -> Measure:
    """The measure of the data, the first draw, beside the same ratio in the other draws."""
    known = np.isfinite(top[0]) & np.isfinite(bottom)
    return Measure(
        top[0], bottom, scale, top[1:, known].sum(1) / bottom[known].sum() if known.any() else None
    )


def distances(points: Points, apart: Strangers) -> PairValues:
    """Mean distance of a caption to those of other objects, over both words of a comparison."""
    flat = rearrange(points, "pair order word template d -> word template (pair order) d")
    between = np.array([[cdist(rows, rows) for rows in of_word] for of_word in flat])
    split = rearrange(between, "w t (p o) (q r) -> p o w t q r", o=2, r=2).mean((2, 5))
    found = einsum(split, weights(apart), "p o t q, p q -> p o t")
    return found.reshape(len(points), -1)


def weights(apart: Strangers) -> Float[np.ndarray, "pair other"]:
    """Equal weights on the other pairs that share no object; not a number where there is none."""
    counts = apart.sum(1, keepdims=True)
    return np.where(counts > 0, apart / np.maximum(counts, 1), np.nan)


def norm(points: Float[np.ndarray, "*axes d"]) -> Float[np.ndarray, "*axes"]:
    """Lengths; not a number for a vector without length."""
    length = np.linalg.norm(points, axis=-1)
    return np.where(length > 0, length, np.nan)
