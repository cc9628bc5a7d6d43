"""What a caption says, by the words that tell it from the other captions of its row."""

from collections.abc import Sequence

from lrinterp.scenes.natural import axis_of

__all__ = ["says", "side_of"]

SIDES = ("left", "right")


def side_of(phrase: str) -> str:
    """`left` or `right` where a phrase names one of them alone, else nothing.

    >>> side_of("to the left of"), side_of("above")
    ('left', '')
    """
    named = [side for side in SIDES if side in phrase.lower().split()]
    return named[0] if len(named) == 1 else ""


def says(captions: Sequence[str], foil: str) -> tuple[str, ...]:
    """For each caption the place it names, such as `left`, `on` or `in front of`, or nothing.

    Captions of a row differ in a few words between a common beginning and a common end: those words
    count, where they are a spatial phrase. Where captions exchange the objects, all of them name
    one place, and nothing is told apart.
    """
    if foil == "object swap":
        return ("",) * len(captions)
    return tuple(map(place_of, middles(captions)))


def place_of(words: str) -> str:
    """The place that some words name."""
    if side := side_of(words):
        return side
    return words if words == "on" or axis_of(words) != "other" else ""


def middles(captions: Sequence[str]) -> list[str]:
    """Each caption without the words that all begin with, and those that all end with."""
    split = [caption.lower().rstrip(" .").split() for caption in captions]
    begin = shared(split)
    split = [words[begin:] for words in split]
    end = shared([words[::-1] for words in split])
    return [" ".join(words[: len(words) - end]) for words in split]


def shared(lists: Sequence[Sequence[str]]) -> int:
    """How many first words are the same in all."""
    columns = list(zip(*lists, strict=False))
    differ = [k for k, column in enumerate(columns) if len({*column}) > 1]
    return differ[0] if differ else len(columns)
