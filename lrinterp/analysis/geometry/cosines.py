"""Cosines between captions that differ in one thing: the relation word, the order, the objects.

Pure arrays: the points are embeddings of a grid of captions, object pair x order of the two
objects x relation word x template. For the direction between the two words see
`direction`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float

from lrinterp.stats import Interval, Scale, Units, ratio_interval

__all__ = ["Measure", "Points", "apart", "cosines", "distances"]

Points = Float[np.ndarray, "pair order word template d"]
Apart = Bool[np.ndarray, "pair other"]
Values = Float[np.ndarray, "pair comparison"]


@dataclass(frozen=True, eq=False)
class Measure:
    """A mean, or a ratio of means, over the comparisons of every object pair."""

    top: Values
    bottom: Values
    """Either is not a number where a comparison is not defined."""
    null: Float[np.ndarray, "draw"] | None = None
    """Its values where the relation words are shuffled."""

    @classmethod
    def mean(cls, values: Values) -> "Measure":
        """The measure of a plain mean."""
        return cls(values, np.ones_like(values))

    @property
    def known(self) -> Bool[np.ndarray, "pair comparison"]:
        """The comparisons that are defined."""
        return np.isfinite(self.top) & np.isfinite(self.bottom)

    @property
    def by_pair(self) -> tuple[Float[np.ndarray, "pair"], Float[np.ndarray, "pair"]]:
        """Sums of top and bottom by object pair, over the comparisons that are defined."""
        top, bottom = (np.where(self.known, x, 0.0).sum(1) for x in (self.top, self.bottom))
        return top, bottom

    def interval(self, objects: Units, scale: Scale) -> Interval:
        """Value with a 95 % interval over the objects of the pairs; n counts comparisons."""
        here = np.nonzero(self.known)
        units = objects.at(here[0])
        return ratio_interval(self.top[here], self.bottom[here], units, scale=scale)


def apart(pairs: tuple[tuple[str, str], ...]) -> Apart:
    """Which pairs of objects share none.

    >>> apart((("cat", "dog"), ("dog", "egg"), ("hat", "jar")))[0].tolist()
    [False, False, True]
    """
    return np.array([[not {*one} & {*other} for other in pairs] for one in pairs])


def cosines(points: Points, apart: Apart) -> Mapping[str, Measure]:
    """Mean cosines of captions by what they differ in.

    relation: the relation word alone. order: the order of the two objects alone. paraphrase: the
    template alone. mirror: A left of B against B right of A, which mean the same. other_objects:
    the same words and template around two objects of which it has none; a caption's value is the
    mean over all of them. mirror_gain: mirror minus relation, 0 for a bag of words.
    A kind that the grid does not hold has no comparisons.
    """
    unit = points / norm(points)[..., None]
    word = dots(unit[:, :, 0], unit[:, :, 1])
    mirror = dots(unit[:, :, 0], unit[:, ::-1, 1])
    pairs = list(combinations(range(points.shape[3]), 2))
    same = [dots(unit[..., i, :], unit[..., j, :]) for i, j in pairs]
    values = {
        "relation": word,
        "order": dots(unit[:, 0], unit[:, 1]),
        "paraphrase": np.stack(same, 1) if same else np.zeros((len(points), 0)),
        "mirror": mirror,
        "other_objects": dots(unit, mean_of_others(unit, apart)[:, None]),
        "mirror_gain": mirror - word,
    }
    return {name: Measure.mean(value.reshape(len(points), -1)) for name, value in values.items()}


def distances(points: Points, apart: Apart) -> Values:
    """Mean distance of a caption to those of other objects, over both words of a comparison."""
    flat = rearrange(points, "pair order word template d -> word template (pair order) d")
    square = (flat**2).sum(-1)
    inner = flat @ np.swapaxes(flat, -1, -2)
    between = np.sqrt(np.clip(square[..., :, None] + square[..., None, :] - 2 * inner, 0, None))
    split = rearrange(between, "w t (p o) (q r) -> p o w t q r", o=2, r=2)
    mean = reduce(split, "p o w t q r -> p o w t q", "mean")
    found = einsum(mean, weights(apart), "p o w t q, p q -> p o w t")
    return reduce(found, "p o w t -> p (o t)", "mean")


def mean_of_others(points: Points, apart: Apart) -> Float[np.ndarray, "pair word template d"]:
    """For each pair the mean over the pairs that share no object with it, in both orders."""
    return einsum(weights(apart), points.mean(1), "p q, q w t d -> p w t d")


def weights(apart: Apart) -> Float[np.ndarray, "pair other"]:
    """Equal weights on the other pairs that share no object; not a number where there is none."""
    counts = apart.sum(1, keepdims=True)
    return np.where(counts > 0, apart / np.maximum(counts, 1), np.nan)


def norm(points: Float[np.ndarray, "*axes d"]) -> Float[np.ndarray, "*axes"]:
    """Lengths; not a number for a vector without length."""
    length = np.sqrt((points**2).sum(-1))
    return np.where(length > 0, length, np.nan)


def dots(
    one: Float[np.ndarray, "*axes d"], other: Float[np.ndarray, "*#axes d"]
) -> Float[np.ndarray, "*axes"]:
    """Dot products along the last axis."""
    return (one * other).sum(-1)
