"""The world: what a row of pixels may show, and every caption, as text and as tokens.

A row holds one object or several. One object: "X is in the image". Several, left to right: "X is
on the left of Y"; with three, "X is on the left of Y which is on the left of Z". The right
template names the same order from the other end: "Y is on the right of X".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Int

from lrinterp.axes import Tokens
from lrinterp.store import one_of, within

__all__ = [
    "MOST_OBJECTS",
    "CaptionSet",
    "World",
    "all_captions",
    "draw_pictures",
    "line_layouts",
    "nouns_of",
    "padded_rows",
    "sizes_of",
]

Template = Literal["left", "right", "both"]

LARGEST = 1_000_000
"""Captions or layouts beyond which a world cannot be enumerated."""
MOST_OBJECTS = 9
"""Ten objects alone have more orders than that."""

BACKGROUND = 0
"""The token of an empty pixel; label `l` (counted from 0) is token l + 1, CLS the last token."""

NOUNS = (
    "apple bird cat dog egg fish goat hat iris jar kite lamp moon nest owl pear quill rose star "
    "tree urn vase wolf yak zebra"
).split()
PAD, SOT, EOT = SPECIAL = ("[PAD]", "[SOT]", "[EOT]")


@dataclass(frozen=True, kw_only=True)
class World:
    """What pictures and captions exist, seen in training or not."""

    n_pixels: int = 10
    """Pixels in a row."""
    n_labels: int = 25
    """Object labels in the world, whatever a split trains on."""
    n_objects: int = 2
    """Objects in a row that holds several; other rows hold one."""
    template: Template = "left"
    """Relation captions: `left` or `right` only, or `both`."""

    def __post_init__(self) -> None:
        within(self, 2, MOST_OBJECTS, "n_objects")
        within(self, self.n_objects, math.inf, "n_pixels", "n_labels")
        one_of(self, "template", get_args(Template))
        most = f"expected at most {LARGEST:,}"
        if (orders := math.perm(self.n_labels, self.n_objects)) > LARGEST:
            raise ValueError(f"n_labels: {most} orders of labels, {self.n_labels} makes {orders:,}")
        if (layouts := math.comb(self.n_pixels, self.n_objects)) > LARGEST:
            raise ValueError(f"n_pixels: {most} layouts, {self.n_pixels} makes {layouts:,}")


def nouns_of(world: World) -> tuple[str, ...]:
    """One noun a label; beyond the list they are numbered."""
    return (*NOUNS, *(f"thing{i}" for i in range(len(NOUNS), world.n_labels)))[: world.n_labels]


# Pictures.


def line_layouts(n_pixels: int, n_objects: int) -> Int[np.ndarray, "layout object"]:
    """All ways to place some objects on a line: increasing pixels, in lexicographic order."""
    return np.array(list(combinations(range(n_pixels), n_objects))).reshape(-1, n_objects)


def draw_pictures(
    world: World,
    labels: Int[np.ndarray, "image object"],
    pixels: Int[np.ndarray, "image object"],
) -> Tokens:
    """Picture tokens: CLS, then one token a pixel; pooled at CLS. Labels of -1 draw nothing."""
    ids = np.full((len(labels), world.n_pixels + 1), BACKGROUND)
    ids[:, 0] = world.n_labels + 1
    row, column = np.nonzero(labels >= 0)
    ids[row, pixels[row, column] + 1] = labels[row, column] + 1
    return Tokens(torch.from_numpy(ids), torch.zeros(len(labels), dtype=torch.long))


# Captions.


@dataclass(frozen=True, kw_only=True)
class CaptionSet:
    """Every caption of a world, in one fixed order: singles, then left, then right."""

    texts: tuple[str, ...]
    templates: tuple[str, ...]
    """`single`, `left` or `right`, one a caption."""
    labels: Int[np.ndarray, "caption object"]
    """What the caption states: labels from left to right, padded with -1."""
    words: tuple[str, ...]
    """The vocabulary: word of each token id."""
    tokens: Tokens
    """[SOT] words [EOT], padded after [EOT]; pooled at [EOT]."""


def all_captions(world: World) -> CaptionSet:
    """Enumerate the captions of a world.

    Cost: n_labels + n_labels! / (n_labels - n_objects)! captions, twice the latter for `both`.
    """
    nouns = nouns_of(world)
    orders = list(permutations(range(world.n_labels), world.n_objects))
    stated = [("single", (i,)) for i in range(world.n_labels)]
    for template in ["left", "right"] if world.template == "both" else [world.template]:
        stated += [(template, order) for order in orders]
    texts = tuple(sentence(template, [nouns[i] for i in order]) for template, order in stated)
    words = (*SPECIAL, *dict.fromkeys(w for text in texts for w in text.split()))
    return CaptionSet(
        texts=texts,
        templates=tuple(template for template, _ in stated),
        labels=padded_rows([order for _, order in stated], world.n_objects),
        words=words,
        tokens=tokenise(texts, words),
    )


def sizes_of(world: World) -> dict[str, tuple[int, int]]:
    """(vocabulary, context length) that each tower needs, without enumerating the captions."""
    n, which = world.n_objects, world.n_objects > 2
    relation = len("is on the left of".split())
    words = len("is in the image on left of".split()) + which + (world.template == "both")
    length = n + (n - 1) * relation + (n - 2) + len((SOT, EOT))
    return {
        "image": (world.n_labels + 2, world.n_pixels + 1),
        "text": (len(SPECIAL) + words + world.n_labels, length),
    }


def sentence(template: str, nouns: list[str]) -> str:
    """The caption that states these nouns from left to right."""
    if template == "single":
        return f"{nouns[0]} is in the image"
    named = nouns if template == "left" else nouns[::-1]
    relation = f" is on the {template} of "
    return named[0] + relation + (" which" + relation).join(named[1:])


def tokenise(texts: tuple[str, ...], words: tuple[str, ...]) -> Tokens:
    """Word-level tokens of some sentences; all words must be in the vocabulary."""
    index = {word: i for i, word in enumerate(words)}
    rows = [[index[SOT], *(index[w] for w in text.split()), index[EOT]] for text in texts]
    length = max(map(len, rows))
    ids = torch.tensor([row + [index[PAD]] * (length - len(row)) for row in rows])
    return Tokens(ids, torch.tensor([len(row) - 1 for row in rows]))


def padded_rows(rows: Iterable[tuple[int, ...]], width: int) -> Int[np.ndarray, "row width"]:
    """Short tuples as one array, filled up with -1."""
    full = [(*row, *(-1,) * (width - len(row))) for row in rows]
    return np.array(full, dtype=np.int64).reshape(-1, width)
