"""A grid of captions that differ in one thing at a time: objects, their order, relation, template.

A model that reads free text gets English sentences around any nouns; a toy model the captions that
its world has, where they come in both templates, left and right.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.analysis.geometry.cosines import Points, apart
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
    templates: int
    texts: tuple[str, ...]
    """Captions in the order (pair order axis word template)."""
    tokens: Tokens

    @property
    def apart(self) -> Bool[np.ndarray, "pair other"]:
        """Which pairs share no object."""
        return apart(self.pairs)

    @property
    def objects(self) -> Units:
        """The objects of each pair: what intervals leave out in turn."""
        names = sorted({name for pair in self.pairs for name in pair})
        return Units.of_labels(np.array([[names.index(name) for name in p] for p in self.pairs]))

    @property
    def fingerprint(self) -> str:
        """A hash of the captions, by which two models are known to have read the same."""
        return sha256("\n".join(self.texts).encode())

    def by_axis(self, points: Float[np.ndarray, "caption d"]) -> dict[str, Points]:
        """Vectors of the captions as a grid for each axis."""
        sizes = {"order": 2, "opposites": len(self.axes), "word": 2, "template": self.templates}
        pattern = "(pair order opposites word template) d -> opposites pair order word template d"
        return dict(zip(self.axes, rearrange(points, pattern, **sizes), strict=True))

    def of_axis(self, axis: str) -> "CaptionGrid":
        """The captions of one axis alone."""
        shape = (len(self.pairs), 2, len(self.axes), 2, self.templates)
        index = np.arange(len(self.texts)).reshape(shape)[:, :, self.axes.index(axis)].reshape(-1)
        texts = tuple(self.texts[i] for i in index)
        return replace(
            self, axes=(axis,), texts=texts, tokens=self.tokens.at(torch.from_numpy(index))
        )

    def examples(self) -> dict[str, Pair]:
        """Two captions of the first axis for each kind of comparison that the grid holds."""
        shape = (len(self.pairs), 2, len(self.axes), 2, self.templates)
        texts = np.array(self.texts, dtype=object).reshape(shape)[:, :, 0]
        first = texts[0, 0, 0, 0]
        others = np.flatnonzero(self.apart[0])
        return {
            "relation": (first, texts[0, 0, 1, 0]),
            "order": (first, texts[0, 1, 0, 0]),
            "mirror": (first, texts[0, 1, 1, 0]),
            **({"paraphrase": (first, texts[0, 0, 0, 1])} if self.templates > 1 else {}),
            **({"other_objects": (first, texts[others[0], 0, 0, 0])} if len(others) else {}),
        }


def free_grid(model: DualEncoder, pairs: Sequence[Pair], seed: int) -> CaptionGrid:
    """English captions around pairs of nouns; MOST_PAIRS at random where there are more.

    Raises NotApplicable for a model that reads no free text and for fewer than two pairs,
    InputError for a pair of one thing with itself and for a caption longer than the context.
    """
    if model.processor is None:
        raise NotApplicable("this model reads the captions of its world alone, no others")
    kept = some_pairs(pairs, seed)
    axes = tuple(RELATIONS)
    texts = tuple(sentences(kept))
    tokens = model.processor.tokens(texts)
    return CaptionGrid(pairs=kept, axes=axes, templates=len(TEMPLATES), texts=texts, tokens=tokens)


def sentences(pairs: Sequence[Pair]) -> Iterator[str]:
    """The captions of a grid, in its order."""
    words = [word for two in RELATIONS.values() for word in two]
    ordered = [named for pair in pairs for named in (pair, pair[::-1])]
    for (subject, thing), relation, template in product(ordered, words, TEMPLATES):
        yield template.format(
            subject=subject,
            object=thing,
            a_subject=with_article(subject),
            a_object=with_article(thing),
            relation=relation,
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
    if len(distinct) <= MOST_PAIRS:
        return tuple(distinct)
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
    place = stated(examples)
    words = examples.label_words
    whole = [
        pair
        for pair in pairs_of(examples.caption_labels[relation_captions(examples)], words)
        if all(key in place for key in keys_of(pair))
    ]
    pairs = some_pairs(whole, seed)
    index = torch.tensor([place[key] for pair in pairs for key in keys_of(pair)])
    grid = CaptionGrid(
        pairs=pairs,
        axes=("left_right",),
        templates=1,
        texts=tuple(examples.caption_text[i] for i in index.tolist()),
        tokens=examples.text.at(index),
    )
    return grid, index


Key = tuple[str, str, str]


def stated(examples: Examples) -> dict[Key, int]:
    """By object named first, template and object named last: the caption."""
    words = examples.label_words
    found: dict[Key, int] = {}
    for i in relation_captions(examples).tolist():
        named = [words[label] for label in examples.caption_labels[i].tolist() if label >= 0]
        template = examples.caption_template[i]
        first, *_, last = named if template == "left" else named[::-1]
        if len(named) == 2:
            found[first, template, last] = i
    return found


def keys_of(pair: Pair) -> list[Key]:
    """The four captions of a pair in the order of a grid: order, then word."""
    return [(a, word, b) for a, b in (pair, (pair[1], pair[0])) for word in ("left", "right")]
