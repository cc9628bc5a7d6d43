"""Captions: every sentence of a world, as text and as tokens.

One object: "X is in the image". Several, left to right: "X is on the left of Y"; with three,
"X is on the left of Y which is on the left of Z". The right template names the same order from
the other end: "Y is on the right of X".
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from jaxtyping import Int

from lrinterp.axes import Tokens
from lrinterp.scenes.world import World, label_words

__all__ = ["CaptionSet", "all_captions", "text_size"]

PAD, SOT, EOT = "[PAD]", "[SOT]", "[EOT]"
SPECIAL = (PAD, SOT, EOT)


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
    nouns = label_words(world)
    singles = [(i,) for i in range(world.n_labels)]
    orders = list(permutations(range(world.n_labels), world.n_objects))
    templates = ["left", "right"] if world.template == "both" else [world.template]
    stated = [("single", m) for m in singles]
    stated += [(template, m) for template in templates for m in orders]
    texts = tuple(sentence(template, [nouns[i] for i in m]) for template, m in stated)
    words = (*SPECIAL, *dict.fromkeys(w for text in texts for w in text.split()))
    return CaptionSet(
        texts=texts,
        templates=tuple(template for template, _ in stated),
        labels=padded([m for _, m in stated], world.n_objects),
        words=words,
        tokens=tokenise(texts, words),
    )


def text_size(world: World) -> tuple[int, int]:
    """(vocabulary, context length) of the captions, without enumerating them."""
    n, which = world.n_objects, world.n_objects > 2
    relation = len("is on the left of".split())
    words = len("is in the image on left of".split()) + which + (world.template == "both")
    length = n + (n - 1) * relation + (n - 2) + len((SOT, EOT))
    return len(SPECIAL) + words + world.n_labels, length


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


def padded(rows: list[tuple[int, ...]], width: int) -> Int[np.ndarray, "row width"]:
    """Short tuples as one array, filled up with -1."""
    full = [(*row, *(-1,) * (width - len(row))) for row in rows]
    return np.array(full, dtype=np.int64).reshape(-1, width)
