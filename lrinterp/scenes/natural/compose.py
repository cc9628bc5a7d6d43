"""Pictures of a suite as `Examples`: each picture beside its exact mirror image.

The two differ in nothing but left and right, as two layouts of the toy world with the objects
exchanged do; the caption that is true of the one is false of the other. Captions come from one
template, so that "left" and "right" versions differ in one word; to score a suite's own captions
use the benchmark. Not for relations that a mirror leaves as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrinterp.axes import Pixels
from lrinterp.scenes.examples import Examples, image_occurrence, text_occurrence
from lrinterp.scenes.natural.relation import Box, Relation, open_picture
from lrinterp.scenes.natural.roles import (
    Grid,
    box_in_square,
    patch_at,
    patch_roles,
    statements,
    token_roles,
)
from lrinterp.scenes.natural.suites import read_relations
from lrinterp.store import InputError

__all__ = ["PICTURES", "FromSuite", "ObjectPair", "compose", "draw_pairs"]

PICTURES = "pictures"
"""The set that all pictures and captions of a suite belong to."""
Boxes = list[tuple[Box, Box]]


@dataclass(frozen=True, kw_only=True)
class FromSuite:
    """Which pictures to analyse: those of a suite in a folder, how many, drawn with a seed."""

    suite: str
    folder: Path
    pictures: int = 64
    """At most so many: pictures of the suite, and as many mirror images of them."""
    seed: int = 0

    def examples(self, processor: Any, grid: Grid) -> Examples:
        """Read the suite and compose; InputError names file and row of what cannot be read."""
        rows = read_relations(self.suite, self.folder)
        return compose(rows, processor, grid, pictures=self.pictures, seed=self.seed)


@dataclass(frozen=True)
class ObjectPair:
    """One row of a suite: what stands on the left and what on the right of its picture."""

    row: Relation
    names: tuple[str, str]
    """Left and right object."""
    boxes: tuple[Box, Box] | None
    """As fractions of the (cropped) picture; None where the suite does not say."""

    @classmethod
    def of(cls, row: Relation) -> "ObjectPair | None":
        """The two objects of a row; None where it does not place two left and right."""
        words = row.relation.lower().split()
        one, other = row.subject.lower().strip(), row.object.lower().strip()
        placed = row.axis == "horizontal" and ("left" in words) != ("right" in words)
        if not placed or row.picture is None or not one or not other or one == other:
            return None
        boxes = row.boxes.get("subject"), row.boxes.get("object")
        if "right" in words:
            one, other, boxes = other, one, boxes[::-1]
        return cls(row, (one, other), (boxes[0], boxes[1]) if boxes[0] and boxes[1] else None)


def draw_pairs(rows: Iterable[Relation], n: int, seed: int) -> list[ObjectPair]:
    """At most `n` pictures of a suite with an object on each side, in the order of the suite.

    Drawn with a seed: rows are read once and not kept, a reservoir holds the draw (Vitter 1985,
    algorithm R); what says the same of the same picture counts once. Raises InputError where fewer
    than two rows place two objects left and right of each other.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[int, ObjectPair] = {}
    met: set[int] = set()
    for pair in filter(None, map(ObjectPair.of, rows)):
        key = hash((pair.row.picture, pair.row.crop, pair.names))
        if key in met:
            continue
        place = len(met) if len(met) < n else int(rng.integers(len(met) + 1))
        met.add(key)
        if place < n:
            drawn.pop(place, None)  # what comes later stands later
            drawn[place] = pair
    if len(drawn) < 2:
        raise InputError(
            f"the suite has {len(drawn)} pictures with one object left or right of another; at "
            "least 2 are needed"
        )
    return list(drawn.values())


def compose(
    rows: Iterable[Relation],
    processor: Any,
    grid: Grid,
    *,
    pictures: int = 64,
    seed: int = 0,
) -> Examples:
    """Pictures of a suite and their mirror images, with what is true of them.

    At most `pictures` // 2 of the suite are drawn with `seed`; each enters twice, as it is and
    mirrored (the pixels flipped), one behind the other. They are padded to a square, so that no
    object is cut off at a side. `grid` is that of the image tower's patches. Captions: "a X to the
    left of a Y", both sides and both orders of every pair of objects that occurs. Labels are the
    objects from left to right. `processor`, of a checkpoint, has a `vocabulary` and turns captions
    into `tokens` and pictures into `pixels`.

    Raises InputError, naming file and row, for a picture that cannot be read, and where fewer than
    two rows place objects left and right of each other.
    """
    drawn = draw_pairs(rows, pictures // 2, seed)
    words = sorted({name for pair in drawn for name in pair.names})
    number = {word: i for i, word in enumerate(words)}
    pixels, boxes = read_pictures(drawn, processor)
    n = len(pixels)
    labels = np.array([[number[name] for name in pair.names] for pair in drawn])
    said = statements(sorted({(min(pair.names), max(pair.names)) for pair in drawn}))
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
            "image": patch_roles(boxes, n, grid),
            "text": token_roles(said, tokens, processor.tokens),
        },
        image_labels=np.stack([labels, labels[:, ::-1]], axis=1).reshape(-1, 2),
        image_pixels=np.full((n, 2), -1)
        if boxes is None
        else np.array([[patch_at(box, grid) for box in pair] for pair in boxes]),
        image_scene=np.arange(n) // 2,
        image_set=(PICTURES,) * n,
        grid=grid,
        caption_labels=np.array([[number[name] for name in s.order] for s in said]),
        caption_set=(PICTURES,) * len(said),
        caption_template=tuple(s.side for s in said),
        caption_text=tuple(s.text for s in said),
        caption_swap="word",
        label_words=tuple(words),
        empty={},
    )


def read_pictures(drawn: Sequence[ObjectPair], processor: Any) -> tuple[Pixels, Boxes | None]:
    """Pixels of each picture and its mirror image, and the boxes where all have them."""
    values, boxes = [], []
    for pair in drawn:
        picture = open_picture(pair.row)
        try:
            one = processor.pixels([picture], fit="pad").values
        except InputError as error:
            raise InputError(f"{pair.row.where}: {error}") from error
        values += [one, one.flip(-1)]
        if pair.boxes:
            left, right = (box_in_square(box, picture.size) for box in pair.boxes)
            boxes += [(left, right), (mirrored_box(right), mirrored_box(left))]
    pixels = Pixels(torch.cat(values), torch.zeros(len(values), dtype=torch.long))
    return pixels, boxes if len(boxes) == len(values) else None


def mirrored_box(box: Box) -> Box:
    """The box in the mirror image."""
    return (1 - box[2], box[1], 1 - box[0], box[3])
