"""One question about a picture and a spatial relation: the record that every suite is read into.

A row holds a picture, two or more captions, and which of them is right. What it must satisfy is
checked when it is made, so whatever is handed on can be scored. Pictures stay on the disk until
`open_picture`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from lrinterp.store import InputError, one_of

__all__ = ["BadRow", "Foil", "Relation"]

Crop: TypeAlias = tuple[int, int, int, int]
Box: TypeAlias = tuple[float, float, float, float]
Axis: TypeAlias = Literal["horizontal", "vertical", "depth", "other"]
Foil: TypeAlias = Literal["object swap", "word swap", "relation"]


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
        self._check_captions()
        self._check_words()
        self._check_geometry()

    def _check_captions(self) -> None:
        if len(self.captions) < 2:
            raise InputError(f"expected at least two captions, got {len(self.captions)}")
        if not all(caption.strip() for caption in self.captions):
            raise InputError("a caption is empty")
        if len({*self.captions}) < len(self.captions):
            raise InputError(f"two captions are equal: {twice(self.captions)!r}")
        if not 0 <= self.right < len(self.captions):
            raise InputError(
                f"the right caption has index {self.right}; expected 0 to {len(self.captions) - 1}"
            )

    def _check_words(self) -> None:
        for name in ("relation", "group"):
            if not getattr(self, name).strip():
                raise InputError(f"the {name} is empty")
        one_of(self, "axis", get_args(Axis))
        one_of(self, "foil", get_args(Foil))

    def _check_geometry(self) -> None:
        if self.crop is not None and self.picture is None:
            raise InputError("a crop, but no picture")
        if self.crop is not None and not has_area(self.crop):
            raise InputError(f"the crop {list(self.crop)} is empty; expected x0 < x1 and y0 < y1")
        for name, box in self.boxes.items():
            if name not in ("subject", "object"):
                raise InputError(f"unknown box {name!r}; expected subject or object")
            if not (has_area(box) and min(box) >= 0 and max(box) <= 1):
                raise InputError(
                    f"the box of the {name} is {list(box)}; expected x0, y0, x1, y1 from 0 to 1, "
                    "with x0 < x1 and y0 < y1"
                )


def twice(captions: tuple[str, ...]) -> str:
    """The first caption that occurs again."""
    return next(caption for caption in captions if captions.count(caption) > 1)


def has_area(box: Box | Crop) -> bool:
    """Does a box, x0, y0, x1, y1, hold anything?"""
    return box[0] < box[2] and box[1] < box[3]
