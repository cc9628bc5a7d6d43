"""What a relation phrase says: the axis it is about, and the phrase that says the opposite.

One table serves every suite. A phrase that is not in it is on no axis (`other`) and has no
opposite. `on` is not in it: a poster on a wall is not the opposite of one under it.
"""

from collections.abc import Mapping

from lrinterp.scenes.natural.relation import Axis

__all__ = ["axis_of", "opposite_of"]

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
SYNONYMS = {"underneath": "beneath", "front": "in front of", "ahead of": "in front of"}

_AXIS: Mapping[str, Axis] = {
    phrase: axis for axis, pairs in OPPOSITES.items() for pair in pairs for phrase in pair
}
_OPPOSITE = {
    one: other for pairs in OPPOSITES.values() for a, b in pairs for one, other in ((a, b), (b, a))
}


def axis_of(phrase: str) -> Axis:
    """The axis of a relation phrase, in any case of letters.

    >>> axis_of("to the left of"), axis_of("Behind"), axis_of("eating")
    ('horizontal', 'depth', 'other')
    """
    return _AXIS.get(plain(phrase), "other")


def opposite_of(phrase: str) -> str | None:
    """The phrase with which a caption says the opposite; None where there is none.

    >>> opposite_of("at the left side of"), opposite_of("under"), opposite_of("near")
    ('at the right side of', 'over', None)
    """
    return _OPPOSITE.get(plain(phrase))


def plain(phrase: str) -> str:
    """A phrase as the table has it."""
    words = " ".join(phrase.lower().split())
    return SYNONYMS.get(words, words)
