"""The world: a row of pixels that holds one object or several, and the words for all of it."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from lrinterp.store import one_of, within

__all__ = ["BACKGROUND", "World", "label_words", "picture_words"]

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
        counts = {
            "n_labels": (math.perm(self.n_labels, self.n_objects), "orders of labels"),
            "n_pixels": (math.comb(self.n_pixels, self.n_objects), "layouts"),
        }
        for name, (count, what) in counts.items():
            if count > LARGEST:
                expected = f"expected at most {LARGEST:,} {what}"
                raise ValueError(f"{name}: {expected}, {getattr(self, name)} makes {count:,}")


def label_words(world: World) -> tuple[str, ...]:
    """One noun a label; beyond the list they are numbered."""
    extra = range(len(NOUNS), world.n_labels)
    return (*NOUNS[: world.n_labels], *(f"thing{i}" for i in extra))


def picture_words(world: World) -> tuple[str, ...]:
    """The picture vocabulary: word of each image token id."""
    return ("background", *label_words(world), "CLS")
