"""The one sentence at the head of a report: which captions, pictures, towers and head."""

from typing import TYPE_CHECKING

from lrinterp.analysis.read import GAIN, TEXT, WITHOUT
from lrinterp.grades import SHORT, Grade
from lrinterp.result import Metric

if TYPE_CHECKING:
    from lrinterp.analysis.answer import Answer

__all__ = ["sentence", "side_words"]

ABOVE: tuple[Grade, ...] = ("knows", "in part")
KNOWS: dict[Grade, str] = {
    "knows": "knows {what}",
    "in part": "tells {what} better than a guess",
    "undecided": "was not shown to know {what}",
    "at chance": "does not know {what}",
    "below chance": "gets {what} wrong more often than not",
    "too few": "was tested on too few {units} to say whether it knows {what}",
}
"""What a model does, by what the interval of its order accuracy says."""
BOTH, ONE = "left from right", "which of two objects is on the {word}"
"""What captions of both relation words ask, and those of one alone."""


def sentence(result: "Answer") -> str:
    """What the model knows with the captions of each template, and by what means."""
    known = [result.grade(one) in ABOVE for one in result.templates.values()]
    how = mechanism_words(result) if any(known) else gradient_words(result)
    seen = "the suite's pictures" if result.natural else "pairs of held-out labels"
    return f"{knows_words(result)}, on {seen}{how}"


def knows_words(result: "Answer") -> str:
    """What the model does with the captions of each template, together where it is the same."""
    grades: dict[Grade, list[str]] = {}
    for word, one in result.templates.items():
        grades.setdefault(result.grade(one), []).append(word)
    what = BOTH if len(result.templates) > 1 else ONE.format(word=next(iter(result.templates)))
    units = "objects" if result.natural else "labels"
    parts = [
        f"by captions that say {listed(words)} {who} {KNOWS[grade].format(what=what, units=units)}"
        for (grade, words), who in zip(grades.items(), ("this model", *["it"] * 9), strict=False)
    ]
    text = ", and ".join(parts)
    return text[0].upper() + text[1:]


def listed(words: list[str]) -> str:
    """Words in quotation marks."""
    return " and ".join(f"“{word}”" for word in words)


def side_words(gain: Metric) -> str:
    """Which side a head prefers, where the interval of its gain says so."""
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return "prefers neither side for sure"
    return f"prefers the {side_of(gain)}"


def gradient_words(result: "Answer") -> str:
    """Whether any head of the image tower has a gradient."""
    along = "from left to right" if result.natural else "along the row"
    if result.has_gradient:
        return f". Image head {result.head} has a gradient {along}."
    return f". No image head has a gradient {along}: the steepest spans {result.widest:.2g} logits."


def mechanism_words(result: "Answer") -> str:
    """What order is without key-position in each tower, as far as intervals say, and one head."""
    without, text = result.scalar(WITHOUT), result.scalar(TEXT)
    if without.value is None:
        return ". What it does without key-position was not measured."
    where = "" if result.layers == 1 else " in any layer"
    says, also = (SHORT[result.grade(one)] for one in (without, text))
    return (
        f". Without key-position{where} of the image tower order is {without.phrase}, {says}; "
        f"without that of the text tower it is {text.phrase}, {also}.{carried(result)} Image head "
        f"{result.head} {attends(result.scalar(GAIN))}."
    )


def carried(result: "Answer") -> str:
    """Which image heads carry order, judged on labels that had no say in the choice."""
    if not result.carriers:
        return ""
    heads, order, _ = result.carriers.values()
    if heads.value == "none":
        return " It is removed with no loss, so no image head is named."
    return (
        f" Removed in {heads} alone, chosen on half of the labels, it leaves order at "
        f"{order.phrase} on pairs of the other half."
    )


def attends(gain: Metric) -> str:
    """What a head attends to, where the interval of its gain says so."""
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return "attends to neither side more for sure"
    return f"attends more to the {side_of(gain)}-hand object"


def side_of(gain: Metric) -> str:
    """The side of a gain whose interval lies on one side of 0."""
    return "right" if float(gain.value or 0) > 0 else "left"
