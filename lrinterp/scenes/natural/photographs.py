"""Photographs with one object to the left of another, drawn from the rows of a suite."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrinterp.scenes.natural.pictures import open_picture
from lrinterp.scenes.natural.relation import Box, Relation
from lrinterp.store import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Photograph", "draw_photographs"]

FEWEST = 2


@dataclass(frozen=True)
class Photograph:
    """One row of a suite: what stands on the left and on the right of its picture."""

    row: Relation
    left: str
    right: str
    left_box: Box | None
    """As fractions of the (cropped) picture; None where the suite does not say."""
    right_box: Box | None

    @classmethod
    def of(cls, row: Relation) -> "Photograph | None":
        """The photograph of a row; None where it does not place two objects left and right."""
        words = row.relation.lower().split()
        if (
            row.axis != "horizontal"
            or row.picture is None
            or ("left" in words) == ("right" in words)
        ):
            return None
        named = (row.subject.lower().strip(), row.object.lower().strip())
        boxes = (row.boxes.get("subject"), row.boxes.get("object"))
        if not all(named) or named[0] == named[1]:
            return None
        left, right = (0, 1) if "left" in words else (1, 0)
        return cls(row, named[left], named[right], boxes[left], boxes[right])

    def open(self) -> "Image":
        """The picture, RGB and cropped; InputError names file and row."""
        return open_picture(self.row)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for rows that say the same of the same picture."""
        return (self.row.picture, self.row.crop, self.left, self.right)


def draw_photographs(rows: Iterable[Relation], n: int, seed: int) -> list[Photograph]:
    """At most `n` photographs of a suite, drawn with a seed, in the order of the suite.

    Rows are read once and not kept; a reservoir holds the draw (Vitter 1985, algorithm R).
    Raises InputError where fewer than two rows place two objects left and right of each other.
    """
    rng = np.random.default_rng(seed)
    drawn: list[tuple[int, Photograph]] = []
    met: set[int] = set()
    for row in rows:
        photograph = Photograph.of(row)
        if photograph is None or hash(photograph.key) in met:
            continue
        place = len(met) if len(met) < n else int(rng.integers(len(met) + 1))
        met.add(hash(photograph.key))
        if place < n:
            drawn[place : place + 1] = [(len(met), photograph)]
    if len(drawn) < FEWEST:
        raise InputError(
            f"the suite has {len(drawn)} pictures with one object left or right of another; at "
            f"least {FEWEST} are needed"
        )
    return [photograph for _, photograph in sorted(drawn, key=lambda item: item[0])]
