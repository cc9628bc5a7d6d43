"""One question about a picture and a spatial relation: the record that every suite is read into.

A row holds a picture, two or more captions, and which of them is right. What it must satisfy is
checked when it is made, so whatever is handed on can be scored. Pictures stay on the disk until
`open_picture`. One table says for every suite which axis a relation phrase is about and what the
opposite phrase is; a phrase that is not in it is on no axis (`other`) and has no opposite.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from lrinterp.store import InputError, one_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Axis", "BadRow", "Box", "Foil", "Relation", "axis_of", "open_picture", "opposite_of"]

Crop: TypeAlias = tuple[int, int, int, int]
Box: TypeAlias = tuple[float, float, float, float]
Axis: TypeAlias = Literal["horizontal", "vertical", "depth", "other"]
Foil: TypeAlias = Literal["object swap", "word swap", "relation"]

OPPOSITES: Mapping[Axis, tuple[tuple[str, str], ...]] = {
    "horizontal": (
        ("left", "right"),
        ("left of", "right of"),
        ("to the left of", "to the right of"),
        ("on the left of", "on the right of"),
        ("on the left side of", "on the right side of"),
        ("at the left side of", "at the right side of"),
        ("on the left", "on the right"),
    ),
    "vertical": (
        ("above", "below"),
        ("over", "under"),
        ("on top of", "beneath"),
        ("top", "bottom"),
        ("on the top", "on the bottom"),
        ("higher than", "lower than"),
    ),
    "depth": (("in front of", "behind"),),
}
"""`on` is not in it: a poster on a wall is not the opposite of one under it."""
SYNONYMS = {"underneath": "beneath", "front": "in front of", "ahead of": "in front of"}

SAYS: Mapping[str, tuple[Axis, str]] = {
    phrase: (axis, opposite)
    for axis, pairs in OPPOSITES.items()
    for pair in pairs
    for phrase, opposite in (pair, pair[::-1])
}
"""Of each phrase its axis and its opposite."""

LARGEST_CROP = 2**26
"""Most pixels of a crop that reaches over the edge, and so may be of any size."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why."""

    where: str
    """File and row, such as `test.jsonl, row 12`; the first row is row 1."""
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A picture with captions of which exactly one is right.

    Raises `InputError`, without the row, for what cannot be scored: fewer than two captions, an
    empty caption, two equal ones, no caption at `right`, an empty crop, a box outside the picture.
    """

    suite: str
    """The suite it was read as, such as `whatsup`."""
    where: str
    """File and row, such as `test.jsonl, row 12`; the first row is row 1."""
    picture: Path | None
    """The picture's file; None for a row of captions alone."""
    crop: Crop | None = None
    """The part of the picture that is meant: x0, y0, x1, y1 in pixels, y downwards."""
    captions: tuple[str, ...]
    """The options, in the published order."""
    right: int
    """Index of the right caption."""
    relation: str
    """The relation that holds, such as `left of`."""
    axis: Axis
    subject: str = ""
    """What the right caption is about; empty where it is not known."""
    object: str = ""
    """What the subject is placed against; empty for captions of one object."""
    group: str
    """Rows that share pictures or objects, and so are not independent, share this key."""
    pair: str = ""
    """Rows of one pair share it: the pair counts where all of them are right. Empty: no pairs."""
    set: str = ""
    """The same for sets of pairs."""
    foil: Foil
    """How the wrong captions are made: objects exchanged, the relation word replaced by its
    opposite, or other relations.
    """
    boxes: Mapping[str, Box] = field(default_factory=dict, hash=False)
    """`subject` and `object`: x0, y0, x1, y1 as fractions of the (cropped) picture."""
    subset: str = ""
    """The part of a suite that has a published figure of its own, such as `controlled A`."""
    in_macro: bool = True
    """Does the published macro accuracy count this relation?"""

    def __post_init__(self) -> None:
        n, crop = len(self.captions), self.crop
        twice = next((text for text in self.captions if self.captions.count(text) > 1), "")
        must = {
            f"expected at least two captions, got {n}": n >= 2,
            "a caption is empty": all(map(str.strip, self.captions)),
            f"two captions are equal: {twice!r}": not twice,
            f"the right caption has index {self.right}; expected 0 to {n - 1}": 0 <= self.right < n,
            "the relation is empty": self.relation.strip(),
            "the group is empty": self.group.strip(),
            "a crop, but no picture": crop is None or self.picture is not None,
            f"the crop {[*(crop or ())]} is empty; expected x0 < x1 and y0 < y1": (
                crop is None or has_area(crop)
            ),
        }
        if broken := [message for message, holds in must.items() if not holds]:
            raise InputError(broken[0])
        one_of(self, "axis", get_args(Axis))
        one_of(self, "foil", get_args(Foil))
        for name, box in self.boxes.items():
            if name not in ("subject", "object"):
                raise InputError(f"unknown box {name!r}; expected subject or object")
            if not (has_area(box) and min(box) >= 0 and max(box) <= 1):
                raise InputError(
                    f"the box of the {name} is {list(box)}; expected x0, y0, x1, y1 from 0 to 1, "
                    "with x0 < x1 and y0 < y1"
                )


def has_area(box: Box | Crop) -> bool:
    """Does a box, x0, y0, x1, y1, hold anything?"""
    return box[0] < box[2] and box[1] < box[3]


def axis_of(phrase: str) -> Axis:
    """The axis of a relation phrase, in any case of letters.

    >>> axis_of("to the left of"), axis_of("Behind"), axis_of("eating")
    ('horizontal', 'depth', 'other')
    """
    return said_by(phrase)[0]


def opposite_of(phrase: str) -> str | None:
    """The phrase with which a caption says the opposite; None where there is none.

    >>> opposite_of("at the left side of"), opposite_of("under"), opposite_of("near")
    ('at the right side of', 'over', None)
    """
    return said_by(phrase)[1]


def said_by(phrase: str) -> tuple[Axis, str | None]:
    """What the table says of a phrase."""
    words = " ".join(phrase.lower().split())
    return SAYS.get(SYNONYMS.get(words, words), ("other", None))


def open_picture(relation: Relation) -> "Image":
    """The picture of a row, RGB and cropped.

    A crop that reaches over the edge is refused. In `aro` alone it is filled with black, as the
    published evaluation does; there too it must meet the picture.

    Raises `InputError` naming file and row: no picture, a missing or broken file, a crop outside.
    """
    if relation.picture is None:
        raise InputError(f"{relation.where}: the row has no picture")
    picture = read_rgb(relation)
    if relation.crop is None:
        return picture
    x0, y0, x1, y1 = relation.crop
    width, height = picture.size
    meets = x0 < width and y0 < height and x1 > 0 and y1 > 0
    inside = min(x0, y0) >= 0 and x1 <= width and y1 <= height
    if not (meets if relation.suite == "aro" else inside):
        raise InputError(
            f"{relation.where}: the crop {[x0, y0, x1, y1]} is outside {relation.picture}, "
            f"which is {width} pixels wide and {height} high"
        )
    if not inside and (x1 - x0) * (y1 - y0) > LARGEST_CROP:
        raise InputError(f"{relation.where}: a crop of {x1 - x0} by {y1 - y0} pixels is too large")
    return picture.crop(relation.crop)


def read_rgb(relation: Relation) -> "Image":
    """The whole picture; transparency is dropped, as in the published loaders.

    Grey of 16 bits is scaled to 8, round(x / 257), where Pillow itself would cut values off. Grey
    of 32 bits is refused: no file says what is white.
    """
    from PIL import Image

    try:
        with Image.open(str(relation.picture)) as file:
            if file.mode in ("I", "F"):
                raise ValueError(
                    "its grey values have no known white; save it with 8 bits a colour"
                )
            if file.mode.startswith("I;16"):
                grey = np.round(np.asarray(file) / 257).astype(np.uint8)
                return Image.fromarray(grey).convert("RGB")
            return file.convert("RGB")
    except FileNotFoundError as error:
        raise InputError(f"{relation.where}: there is no picture {relation.picture}") from error
    except Exception as error:  # what Pillow's readers raise for a damaged file is not documented
        raise InputError(
            f"{relation.where}: cannot read the picture {relation.picture} ({error})"
        ) from error
