"""What an interval says of an accuracy, in one word and in a phrase.

Every page, terminal line and table takes its words from here: they follow the interval, never the
value alone. `lrinterp.bounds` judges criteria that were written before a run.
"""

from typing import Literal, Protocol, runtime_checkable

from lrinterp.wording import counted, plain_number

__all__ = ["BAND", "SHORT", "Grade", "Measured", "beside", "grade", "half_way", "phrase_of"]

Grade = Literal["knows", "in part", "undecided", "at chance", "below chance", "too few"]

SHORT: dict[Grade, str] = {
    "knows": "above chance",
    "in part": "above chance",
    "undecided": "undecided",
    "at chance": "at chance",
    "below chance": "below chance",
    "too few": "undecided",
}
"""A grade beside a number in a sentence."""
BAND = 0.05
"""An accuracy surely so close to chance counts as chance."""


@runtime_checkable
class Measured(Protocol):
    """A number with its interval and the units that the interval rests on."""

    @property
    def value(self) -> float | int | str | None:
        """The number."""
        ...

    @property
    def low(self) -> float | None:
        """The lower end of its interval."""
        ...

    @property
    def high(self) -> float | None:
        """The upper end."""
        ...

    @property
    def n_units(self) -> int | None:
        """Units that were drawn independently."""
        ...


def half_way(chance: float) -> float:
    """Half way from chance to 1: what an accuracy must surely exceed to count as knowing."""
    return (1 + chance) / 2


def grade(found: Measured, chance: float, knows: float | None = None) -> Grade:
    """What an interval says of an accuracy, the strongest word that all of it allows.

    at chance: all of it within BAND of chance (equivalence). knows: all of it at least `knows`, by
    default half way from chance to 1. in part: all of it above chance. below chance: all of it
    below. too few: no interval, one of no width, or one that reaches from chance to `knows`, so
    that nothing could have been shown. undecided: any other that holds chance.

    >>> from lrinterp.stats import Interval
    >>> grade(Interval(value=0.773, low=0.68, high=0.87), 0.5)
    'in part'
    """
    low, high = found.low, found.high
    bound = half_way(chance) if knows is None else knows
    if found.value is None or low is None or high is None or low == high:
        return "too few"
    if chance - BAND <= low and high <= chance + BAND:
        return "at chance"
    if low >= bound:
        return "knows"
    if low > chance:
        return "in part"
    if high < chance:
        return "below chance"
    return "too few" if high >= bound else "undecided"


def phrase_of(
    found: Measured, chance: float, knows: float | None = None, *, unit: str = "label"
) -> str:
    """A grade as it stands under a number, with what it is held against.

    >>> from lrinterp.stats import Interval
    >>> phrase_of(Interval(value=0.6, low=0.2, high=0.9, n_units=4), 0.5)
    'too few to say: 4 labels could have shown no difference from chance under 0.35'
    """
    bound = half_way(chance) if knows is None else knows
    known, guess = plain_number(bound), f"chance ({plain_number(chance)})"
    match grade(found, chance, knows):
        case "knows":
            return f"whole interval above {known} (chance is {plain_number(chance)})"
        case "in part":
            return f"above {guess}; the interval reaches below {known}"
        case "at chance":
            return f"at {guess}: whole interval within {BAND:g} of it"
        case "below chance":
            return f"below {guess}"
        case "undecided":
            return f"undecided: {guess} lies in the interval"
        case _:
            return too_few(found, unit)


def too_few(found: Measured, unit: str) -> str:
    """Why nothing can be said, and what so many units could have shown."""
    units = counted(found.n_units, unit)
    if found.value is None:
        return "not measured"
    if found.low is None or found.high is None or found.low == found.high:
        return f"too few to say: no interval over {units}"
    half = plain_number((found.high - found.low) / 2)
    return f"too few to say: {units} could have shown no difference from chance under {half}"


def beside(found: Measured, chance: float, *, unit: str = "group") -> str:
    """Where an accuracy lies against chance, in a sentence about a suite."""
    guess = f"chance ({plain_number(chance)})"
    match grade(found, chance):
        case "knows" | "in part":
            return f"above {guess}"
        case "at chance":
            return f"at {guess}: whole interval within {BAND:g} of it"
        case "below chance":
            return f"below {guess}"
        case "undecided":
            return f"not told from {guess}"
        case _:
            return f"not told from {guess}: {too_few(found, unit)}"
