"""Pictures of a suite as `Examples`: each photograph beside its exact mirror image.

The two differ in nothing but left and right, as two layouts of the toy world with the objects
exchanged do; the caption that is true of the one is false of the other. Captions come from one
template, so that "left" and "right" versions differ in one word; to score a suite's own captions
use the benchmark. Not for relations that a mirror leaves as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int

from lrinterp.axes import Pixels, Tokens
from lrinterp.scenes.examples import Examples, image_occurrence, text_occurrence
from lrinterp.scenes.natural.patches import Grid, box_in_square, patch_at, patch_roles
from lrinterp.scenes.natural.photographs import Photograph, draw_photographs
from lrinterp.scenes.natural.relation import Box, Relation
from lrinterp.scenes.natural.statements import statements, token_roles
from lrinterp.scenes.natural.suites import read_relations
from lrinterp.store import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PICTURES", "FromSuite", "Reads", "compose"]

PICTURES = "pictures"
"""The set that all pictures and captions of a suite belong to."""

Boxes = list[tuple[Box, Box]]


@runtime_checkable
class Reads(Protocol):
    """What turns captions and pictures into inputs: the processor of a checkpoint."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The word of each token id."""
        ...

    def tokens(self, captions: Sequence[str]) -> Tokens:
        """Captions as token ids."""
        ...

    def pixels(self, pictures: Sequence["Image"], *, fit: str) -> Pixels:
        """Pictures as pixels; `pad` loses nothing at the sides."""
        ...


@dataclass(frozen=True, kw_only=True)
class FromSuite:
    """Which photographs to analyse: those of a suite in a folder, how many, drawn with a seed."""

    suite: str
    folder: Path
    pictures: int = 64
    """At most so many pictures: photographs, and as many mirror images of them."""
    seed: int = 0

    def examples(self, processor: "Reads", grid: Grid) -> Examples:
        """Read the suite and compose; InputError names file and row of what cannot be read."""
        rows = read_relations(self.suite, self.folder)
        return compose(rows, processor, grid, pictures=self.pictures, seed=self.seed)


def compose(
    rows: Iterable[Relation],
    processor: Reads,
    grid: Grid,
    *,
    pictures: int = 64,
    seed: int = 0,
) -> Examples:
    """Photographs of a suite and their mirror images, with what is true of them.

    At most `pictures` // 2 photographs are drawn with `seed`; each enters twice, as it is and
    mirrored (the pixels flipped), one behind the other. They are padded to a square, so that no
    object is cut off at a side. `grid` is that of the image tower's patches. Captions: "a X to the
    left of a Y", both sides and both orders of every pair of objects that occurs. Labels are the
    objects from left to right.

    Raises InputError, naming file and row, for a picture that cannot be read, and where fewer than
    two rows place objects left and right of each other.
    """
    drawn = draw_photographs(rows, pictures // 2, seed)
    words = sorted({name for photograph in drawn for name in (photograph.left, photograph.right)})
    number = {word: i for i, word in enumerate(words)}
    pixels, boxes = read_pictures(drawn, processor)
    labels = [(number[p.left], number[p.right]) for p in drawn]
    said = statements(sorted({(min(p.left, p.right), max(p.left, p.right)) for p in drawn}))
    tokens = processor.tokens([statement.text for statement in said])
    return Examples(
        image=pixels,
        text=tokens,
        words={"image": ("CLS", "patch"), "text": processor.vocabulary},
        occurs={
            "image": image_occurrence(0, 2, 1 + grid[0] * grid[1]),
            "text": text_occurrence(tokens, len(processor.vocabulary)),
        },
        roles={
            "image": patch_roles(boxes, len(pixels), grid),
            "text": token_roles(said, tokens, processor.tokens),
        },
        image_labels=np.array(doubled(labels, [pair[::-1] for pair in labels])),
        image_pixels=places(boxes, len(pixels), grid),
        image_scene=np.arange(len(pixels)) // 2,
        image_set=(PICTURES,) * len(pixels),
        grid=grid,
        caption_labels=np.array([[number[name] for name in s.order] for s in said]),
        caption_set=(PICTURES,) * len(said),
        caption_template=tuple(s.side for s in said),
        caption_text=tuple(s.text for s in said),
        caption_swap="word",
        label_words=tuple(words),
        empty={},
    )


def read_pictures(drawn: Sequence[Photograph], processor: Reads) -> tuple[Pixels, Boxes | None]:
    """Pixels of each photograph and its mirror image, and the boxes where all have them."""
    values, boxes = [], []
    known = all(p.left_box and p.right_box for p in drawn)
    for photograph in drawn:
        picture = photograph.open()
        try:
            one = processor.pixels([picture], fit="pad").values
        except InputError as error:
            raise InputError(f"{photograph.row.where}: {error}") from error
        values += [one, one.flip(-1)]
        if known:
            left, right = (
                box_in_square(box, picture.size)
                for box in (photograph.left_box, photograph.right_box)
                if box is not None
            )
            boxes += [(left, right), (mirrored(right), mirrored(left))]
    pool = torch.zeros(len(values), dtype=torch.long)
    return Pixels(torch.cat(values), pool), boxes if known else None


def mirrored(box: Box) -> Box:
    """The box in the mirror image."""
    return (1 - box[2], box[1], 1 - box[0], box[3])


def doubled(one: Sequence[object], other: Sequence[object]) -> list[object]:
    """Two lists of equal length, taking turns."""
    return [item for both in zip(one, other, strict=True) for item in both]


def places(boxes: Boxes | None, n: int, grid: Grid) -> Int[np.ndarray, "image object"]:
    """The patch under the middle of each object; -1 where it is not known."""
    if boxes is None:
        return np.full((n, 2), -1)
    return np.array([[patch_at(box, grid) for box in pair] for pair in boxes])
