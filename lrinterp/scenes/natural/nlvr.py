"""Left/right pairs in the pictures of NLVR: drawn shapes with exact geometry.

A folder holds `pairs.jsonl` and `images/`. A line names two shapes of one box of a picture, the
left and the right one, whose widths do not overlap. Pictures: Suhr et al., ACL 2017.

The sentences of NLVR hardly ever say left or right, so captions come from a template. Each line
gives two rows, one about the left object and one about the right: "left" and "right" are right
equally often, and who always says one of them scores a half. The two rows are a pair. A mirrored
crop turns the answer round.
"""

from lrinterp.scenes.natural.relation import Box, Relation
from lrinterp.scenes.natural.source import CROP, Row, Suite, Whole, existing, json_lines, listed
from lrinterp.store import InputError

__all__ = ["NLVR"]

SIDES = ("left", "right")
NAME = listed(str, 2, "texts")
SQUARE = listed(Whole, 3, "whole numbers")


def relations(row: Row) -> list[Relation]:
    """The row about the left object, then the row about the right one."""
    return [about(row, right) for right in range(len(SIDES))]


def about(row: Row, right: int) -> Relation:
    """The row about one of the objects; captions are ordered [left, right]."""
    one, other = SIDES[right], SIDES[1 - right]
    names = {side: " ".join(row.field(side, NAME)) for side in SIDES}
    image = row.field("image")
    crop = x0, y0, x1, y1 = row.field("crop", CROP)
    boxes = {
        side: fractions(row.field(f"{side}_xysize", SQUARE), x1 - x0, y1 - y0) for side in SIDES
    }
    if names["left"] == names["right"]:
        raise InputError(f"two objects of one name, {names['left']!r}: both captions are right")
    if boxes["left"][2] > boxes["right"][0]:
        raise InputError("the left object reaches under or over the right one")
    both = ", ".join(sorted(names.values()))
    return Relation(
        suite="nlvr",
        where=row.where,
        picture=existing(row.file.parent / image),
        crop=(x0, y0, x1, y1),
        captions=tuple(f"a {names[one]} to the {side} of a {names[other]}" for side in SIDES),
        right=right,
        relation=f"{one} of",
        axis="horizontal",
        subject=names[one],
        object=names[other],
        group=both,
        pair=f"{image} {list(crop)}: {both}",
        foil="word swap",
        boxes={"subject": boxes[one], "object": boxes[other]},
    )


def fractions(xysize: tuple[int, ...], width: int, height: int) -> Box:
    """A square, by its top left corner and side in pixels, as fractions of the crop."""
    x, y, size = xysize
    if width <= 0 or height <= 0:
        raise InputError("the crop is empty; expected x0 < x1 and y0 < y1")
    return x / width, y / height, (x + size) / width, (y + size) / height


NLVR = Suite(name="nlvr", files={"pairs.jsonl": "images"}, rows=json_lines, relations=relations)
