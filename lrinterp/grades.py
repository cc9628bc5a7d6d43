"""What an interval says of an accuracy, in one word and in a phrase.

Every page, terminal line and table takes its words from here: they follow the interval, never the
value alone. `lrinterp.bounds` judges criteria that were written before a run.
"""

from typing import Literal

from lrinterp.metric import Metric
from lrinterp.stats import Interval
from lrinterp.wording import counted, plain_number

__all__ = ["BAND", "SHORT", "Grade", "beside", "grade", "half_way", "phrase_of"]

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


def half_way(chance: float) -> float:
    """Half way from chance to 1: what an accuracy must surely exceed to count as knowing."""
    return (1 + chance) / 2


def grade(found: Interval | Metric, chance: float, knows: float | None = None) -> Grade:
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
    found: Interval | Metric, chance: float, knows: float | None = None, *, unit: str = "label"
) -> str:
    """A grade as it stands under a number, with what it is held against.

    >>> from lrinterp.stats import Interval
    >>> phrase_of(Interval(value=0.6, low=0.2, high=0.9, n_units=4), 0.5)
    'too few to say: with 4 labels a difference from chance below 0.35 cannot be detected'
    """
    known, guess = plain_number(half_way(chance) if knows is None else knows), plain_number(chance)
    phrases: dict[Grade, str] = {
        "knows": f"whole interval above {known} (chance is {guess})",
        "in part": f"above chance ({guess}); the interval reaches below {known}",
        "undecided": f"undecided: chance ({guess}) lies in the interval",
        "at chance": f"at chance ({guess}): whole interval within {BAND:g} of it",
        "below chance": f"below chance ({guess})",
        "too few": too_few(found, unit),
    }
    return phrases[grade(found, chance, knows)]


def too_few(found: Interval | Metric, unit: str) -> str:
    """Why nothing can be said, and what difference so many units could detect."""
    units = counted(found.n_units, unit)
    if found.value is None:
        return "not measured"
    if found.low is None or found.high is None or found.low == found.high:
        return f"too few to say: no interval over {units}"
    half = plain_number((found.high - found.low) / 2)
    return f"too few to say: with {units} a difference from chance below {half} cannot be detected"


def beside(found: Interval | Metric, chance: float, *, unit: str = "group") -> str:
    """Where an accuracy lies against chance, in a sentence about a suite."""
    guess = f"chance ({plain_number(chance)})"
    phrases: dict[Grade, str] = {
        "knows": f"above {guess}",
        "in part": f"above {guess}",
        "undecided": f"not told from {guess}",
        "at chance": f"at {guess}: whole interval within {BAND:g} of it",
        "below chance": f"below {guess}",
        "too few": f"not told from {guess}: {too_few(found, unit)}",
    }
    return phrases[grade(found, chance)]
