"""A grid of captions that differ in one thing at a time: objects, their order, relation, template.

A model that reads free text gets English sentences around any nouns; a toy model the captions that
its world has, where they come in both templates, left and right.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lrinterp.analysis.relation_geometry_measures import Points, strangers
from lrinterp.analysis.subject import relation_captions
from lrinterp.axes import Tokens
from lrinterp.encoders import DualEncoder
from lrinterp.result import NotApplicable
from lrinterp.scenes import Examples
from lrinterp.stats import Units
from lrinterp.store import InputError, sha256

__all__ = [
    "MOST_PAIRS",
    "RELATIONS",
    "TEMPLATES",
    "CaptionGrid",
    "free_grid",
    "pairs_of",
    "recorded_grid",
    "some_pairs",
]

RELATIONS = {
    "left_right": ("to the left of", "to the right of"),
    "above_below": ("above", "below"),
    "front_behind": ("in front of", "behind"),
}
"""By axis: a relation, and the one that holds with the objects exchanged."""
TEMPLATES = (
    "a photo of {a_subject} {relation} {a_object}",
    "the {subject} is {relation} the {object}",
    "there is {a_subject} {relation} {a_object}",
)
MOST_PAIRS = 40
"""Object pairs, at most: with all templates 1,440 captions."""
FEWEST_PAIRS = 2
VOWEL = re.compile(r"(?!uni|us[ae]|eu|one\b)[aeiou]|hour|honest|heir", re.IGNORECASE)

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionGrid:
    """Every object pair, in both orders, under every relation, word and template."""

    pairs: tuple[Pair, ...]
    """No two of the same objects."""
    axes: tuple[str, ...]
    """Pairs of opposite relations, by the names of RELATIONS."""
    texts: Shaped[np.ndarray, "pair order axis word template"]
    tokens: Tokens
    """The captions in the order of all axes of `texts`."""

    @property
    def objects(self) -> Units:
        """The objects of each pair: what intervals leave out in turn."""
        names = np.unique(self.pairs, return_inverse=True)[1]
        return Units.of_labels(names.reshape(-1, 2))

    @property
    def fingerprint(self) -> str:
        """A hash of the captions, by which two models are known to have read the same."""
        return sha256("\n".join(self.texts.ravel()).encode())

    def by_axis(self, points: Float[np.ndarray, "caption d"]) -> dict[str, Points]:
        """Vectors of the captions as a grid for each axis."""
        grid = points.reshape(*self.texts.shape, -1)
        return {axis: grid[:, :, k] for k, axis in enumerate(self.axes)}

    def of_axis(self, axis: str) -> "CaptionGrid":
        """The captions of one axis alone."""
        k = self.axes.index(axis)
        index = np.arange(self.texts.size).reshape(self.texts.shape)[:, :, k].ravel()
        tokens = self.tokens.at(torch.from_numpy(index))
        return replace(self, axes=(axis,), texts=self.texts[:, :, [k]], tokens=tokens)

    def examples(self) -> dict[str, Pair]:
        """Two captions of the first axis for each kind of comparison that the grid holds."""
        texts = self.texts[:, :, 0]
        others = {
            "relation": texts[0, 0, 1],
            "order": texts[0, 1, 0],
            "mirror": texts[0, 1, 1],
            "paraphrase": texts[0, 0, 0, 1:],
            "other_objects": texts[strangers(self.pairs)[0], 0, 0, 0],
        }
        return {kind: (texts[0, 0, 0, 0], some[0]) for kind, some in others.items() if len(some)}


def free_grid(model: DualEncoder, pairs: Sequence[Pair], seed: int) -> CaptionGrid:
    """English captions around pairs of nouns; MOST_PAIRS at random where there are more.

    Raises NotApplicable for a model that reads no free text and for fewer than two pairs,
    InputError for a pair of one thing with itself and for a caption longer than the context.
    """
    if model.processor is None:
        raise NotApplicable("this model reads the captions of its world alone, no others")
    kept = some_pairs(pairs, seed)
    ordered = [named for pair in kept for named in (pair, pair[::-1])]
    said = [
        template.format(
            subject=subject,
            object=thing,
            a_subject=with_article(subject),
            a_object=with_article(thing),
            relation=relation,
        )
        for (subject, thing), relation, template in product(
            ordered, chain(*RELATIONS.values()), TEMPLATES
        )
    ]
    return CaptionGrid(
        pairs=kept,
        axes=tuple(RELATIONS),
        texts=np.array(said, dtype=object).reshape(len(kept), 2, len(RELATIONS), 2, len(TEMPLATES)),
        tokens=model.processor.tokens(said),
    )


def with_article(noun: str) -> str:
    """A noun with its indefinite article, by its first letters.

    >>> [with_article(noun) for noun in ("apple", "hat", "hourglass", "umbrella", "uniform")]
    ['an apple', 'a hat', 'an hourglass', 'an umbrella', 'a uniform']
    """
    return f"an {noun}" if VOWEL.match(noun) else f"a {noun}"


def some_pairs(pairs: Sequence[Pair], seed: int) -> tuple[Pair, ...]:
    """Pairs without repetition in any order; MOST_PAIRS at random where there are more."""
    for one, other in pairs:
        if one == other or not one.strip() or not other.strip():
            raise InputError(f"pair ({one!r}, {other!r}): expected the names of two objects")
    first: dict[frozenset[str], Pair] = {}
    for pair in pairs:
        first.setdefault(frozenset(pair), pair)
    distinct = list(first.values())
    if len(distinct) < FEWEST_PAIRS:
        raise NotApplicable(f"needs {FEWEST_PAIRS} pairs of objects, got {len(distinct)}")
    drawn = np.random.default_rng(seed).permutation(len(distinct))[:MOST_PAIRS]
    return tuple(distinct[i] for i in np.sort(drawn))


def pairs_of(labels: Int[np.ndarray, "row object"], words: Sequence[str]) -> list[Pair]:
    """The pairs of different labels that stand together in a row, by name."""
    named = [[str(words[label]) for label in row if label >= 0] for row in labels.tolist()]
    return [(row[0], row[-1]) for row in named if len(row) == 2 and row[0] != row[-1]]


def recorded_grid(examples: Examples, seed: int) -> tuple[CaptionGrid, Int[Tensor, "caption"]]:
    """The captions of a world, where they name two objects and come in both templates, and which.

    Raises NotApplicable where they do not, and where no two pairs have all four captions.
    """
    if missing := {"left", "right"} - {*examples.templates}:
        word = min(missing, default="")
        raise NotApplicable(f"no caption says {word!r}, so none differ in the relation word alone")
    place: dict[tuple[str, Pair], int] = {}
    for i in relation_captions(examples).tolist():
        for pair in pairs_of(examples.caption_labels[[i]], examples.label_words):
            place[examples.caption_template[i], pair] = i
    whole = [pair for _, pair in place if place.keys() >= {*captions_of(pair)}]
    kept = some_pairs(whole, seed)
    index = [place[caption] for pair in kept for caption in captions_of(pair)]
    said = np.array([examples.caption_text[i] for i in index], dtype=object)
    return CaptionGrid(
        pairs=kept,
        axes=("left_right",),
        texts=said.reshape(len(kept), 2, 1, 2, 1),
        tokens=examples.text.at(torch.tensor(index)),
    ), torch.tensor(index)


def captions_of(pair: Pair) -> list[tuple[str, Pair]]:
    """Template and objects from left to right of a pair's four captions, in the order of a grid."""
    swapped = (pair[1], pair[0])
    return [("left", pair), ("right", swapped), ("left", swapped), ("right", pair)]
