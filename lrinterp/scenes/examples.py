"""Prepared examples: the contract between worlds and models.

A model reads `image` and `text` tokens; an analysis reads what is true of them. Nothing here
knows where the pictures came from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lrinterp.axes import AnyInputs, Occurrence, Tokens
from lrinterp.stats import Units
from lrinterp.store import sha256

__all__ = ["Examples", "Swap", "image_occurrence", "text_occurrence"]

Swap = Literal["objects", "word"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Pictures and captions with their meaning."""

    image: AnyInputs
    """`Tokens` of a world, or the `Pixels` of pictures."""
    text: Tokens
    words: Mapping[str, tuple[str, ...]]
    """By tower: the word of each token id."""
    occurs: Mapping[str, Occurrence]
    """By tower: may this token stand at this position in any admissible input?"""
    roles: Mapping[str, Mapping[str, Bool[Tensor, "batch pos"]]]
    """By tower: masks of the positions that play a role (CLS, left, right, ...)."""
    image_labels: Int[np.ndarray, "image object"]
    """Labels from left to right, padded with -1."""
    image_pixels: Int[np.ndarray, "image object"]
    """Their pixels, counted from 0, padded with -1."""
    image_scene: Int[np.ndarray, "image"]
    """A number for what is shown but for its order: equal in a picture and its reverse."""
    image_set: tuple[str, ...]
    grid: tuple[int, int]
    """Rows and columns of the pixels or patches behind CLS."""
    caption_labels: Int[np.ndarray, "caption object"]
    """What the caption states, from left to right, padded with -1."""
    caption_set: tuple[str, ...]
    caption_template: tuple[str, ...]
    caption_text: tuple[str, ...]
    caption_swap: Swap
    """How a caption is turned into its reverse: by its objects, or by its relation word."""
    label_words: tuple[str, ...]
    empty: Mapping[str, str]
    """Sets that the split leaves empty, with the reason."""

    def __len__(self) -> int:
        return len(self.image)

    @cached_property
    def image_meaning(self) -> Int[np.ndarray, "image"]:
        """A number for the ordered labels; equal to `caption_meaning` where a caption is true."""
        return meaning(self.image_labels, len(self.label_words))

    @cached_property
    def caption_meaning(self) -> Int[np.ndarray, "caption"]:
        """A number for the ordered labels that a caption states."""
        return meaning(self.caption_labels, len(self.label_words))

    @cached_property
    def image_label_set(self) -> Int[np.ndarray, "image"]:
        """A number for the unordered labels of a picture."""
        return meaning(np.sort(self.image_labels, axis=1), len(self.label_words))

    @cached_property
    def caption_label_set(self) -> Int[np.ndarray, "caption"]:
        """A number for the unordered labels that a caption names."""
        return meaning(np.sort(self.caption_labels, axis=1), len(self.label_words))

    @cached_property
    def image_units(self) -> Units:
        """The labels: pictures that share one depend on each other."""
        return Units.of_labels(self.image_labels)

    @cached_property
    def caption_units(self) -> Units:
        """The labels that captions name."""
        return Units.of_labels(self.caption_labels)

    @cached_property
    def image_twin(self) -> Int[np.ndarray, "image"]:
        """For each picture the one of the same scene with the objects in reverse, or -1."""
        rows = np.column_stack([self.image_scene, self.image_labels]).tolist()
        place = {tuple(row): i for i, row in enumerate(rows)}
        return np.array([place.get((row[0], *row[:0:-1]), -1) for row in rows])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the pictures: equal for the same pictures of the same set in the same order."""
        arrays = [
            self.image.values.cpu().numpy(),
            self.image_labels.astype(np.int64),
            self.image_pixels.astype(np.int64),
        ]
        words = [repr([array.shape for array in arrays]), *self.image_set, *self.label_words]
        return sha256(b"".join(["\n".join(words).encode(), *(a.tobytes() for a in arrays)]))

    @cached_property
    def caption_fingerprint(self) -> str:
        """A hash of the captions: equal for the same captions of the same sets in this order."""
        return sha256("\n".join([*self.caption_text, *self.caption_set]).encode())

    @property
    def unit(self) -> str:
        """What the units of intervals are: the labels of a world, the objects of pictures."""
        return "object" if self.caption_swap == "word" else "label"

    @property
    def chance(self) -> float:
        """Swap accuracy of a guess: one order of n objects among n! is right."""
        return 1 / math.factorial(self.image_labels.shape[1])

    @property
    def templates(self) -> tuple[str, ...]:
        """The relation templates, without the one of single objects."""
        return tuple(t for t in dict.fromkeys(self.caption_template) if t != "single")

    def at(self, index: Int[np.ndarray, "some"]) -> Self:
        """The selected pictures, in the order asked for; all captions stay."""
        own = {name: mask[index] for name, mask in self.roles["image"].items()}
        return replace(
            self,
            image=self.image.at(torch.from_numpy(index)),
            roles={**self.roles, "image": own},
            image_labels=self.image_labels[index],
            image_pixels=self.image_pixels[index],
            image_scene=self.image_scene[index],
            image_set=tuple(self.image_set[i] for i in index),
        )

    def where(self, set_name: str) -> Int[np.ndarray, "some"]:
        """Indices of the pictures of one set."""
        return np.flatnonzero(np.array(self.image_set, dtype=object) == set_name)

    def of(self, set_name: str) -> Self:
        """The pictures of one set."""
        return self.at(self.where(set_name))


def image_occurrence(cls: int, n_tokens: int, n_positions: int) -> Occurrence:
    """CLS, by its token id, stands at position 0, any other token anywhere else."""
    return (torch.arange(n_tokens) == cls)[:, None] == (torch.arange(n_positions) == 0)


def text_occurrence(tokens: Tokens, n_words: int) -> Occurrence:
    """Which token stands where in some captions; padding after the pooled one does not count."""
    occurs = torch.zeros(n_words, tokens.ids.shape[1], dtype=torch.bool)
    position = torch.arange(tokens.ids.shape[1]).expand_as(tokens.ids)
    read = position <= tokens.pool[:, None]
    occurs[tokens.ids[read], position[read]] = True
    return occurs


def meaning(labels: Int[np.ndarray, "row object"], n_labels: int) -> Int[np.ndarray, "row"]:
    """Tuples of labels as numbers in base n_labels + 1; the padding -1 counts as digit 0."""
    return (labels + 1) @ (n_labels + 1) ** np.arange(labels.shape[1])[::-1]
