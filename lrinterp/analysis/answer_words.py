"""What the head of a report says: the one sentence, and the words below each of the numbers."""

from typing import TYPE_CHECKING

from lrinterp.grades import SHORT, Grade, grade, phrase_of
from lrinterp.result import Metric

if TYPE_CHECKING:
    from lrinterp.analysis.answer import Answer

__all__ = ["gain_words", "label_words", "order_words", "sentence", "side_of"]

ABOVE: set[Grade] = {"knows", "in part"}
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
RECOGNISED = 0.95
"""Label-set accuracy that must surely be exceeded where objects count as recognised."""
NOT_MEASURED = {False: "not measured: no pair is held out", True: "not measured"}


def sentence(result: "Answer") -> str:
    """What the model knows by the captions of each template, and by what means.

    Templates of which it is the same are named together.
    """
    words: dict[Grade, list[str]] = {}
    for word, one in result.templates.items():
        words.setdefault(grade(one, result.chance), []).append(f"“{word}”")
    first, *others = result.templates
    what = BOTH if others else ONE.format(word=first)
    units = "objects" if result.natural else "labels"
    parts = [
        f"by captions that say {' and '.join(said)} {who} {KNOWS[g].format(what=what, units=units)}"
        for (g, said), who in zip(words.items(), ("this model", *["it"] * 9), strict=False)
    ]
    text = ", and ".join(parts)
    seen = "the suite's pictures" if result.natural else "pairs of held-out labels"
    how = mechanism_words(result) if ABOVE & words.keys() else gradient_words(result)
    return f"{text[0].upper()}{text[1:]}, on {seen}{how}"


def gradient_words(result: "Answer") -> str:
    """Whether any head of the image tower has a gradient."""
    if result.has_gradient:
        return f". Image head {result.head} has a gradient {along(result)}."
    widest = f"the steepest spans {result.widest:.2g} logits"
    return f". No image head has a gradient {along(result)}: {widest}."


def mechanism_words(result: "Answer") -> str:
    """What order is without key-position in each tower, as far as intervals say, and one head."""
    _, without, text, _, gain = result.numbers.values()
    if without.value is None:
        return ". What it does without key-position was not measured."
    where = "" if result.layers == 1 else " in any layer"
    says, also = (SHORT[grade(one, result.chance)] for one in (without, text))
    side = side_of(gain)
    attends = f"more to the {side}-hand object" if side else "to neither side more for sure"
    return (
        f". Without key-position{where} of the image tower order is {without.phrase}, {says}; "
        f"without that of the text tower it is {text.phrase}, {also}.{carried(result)} Image head "
        f"{result.head} attends {attends}."
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


def order_words(result: "Answer", order: Metric) -> str:
    """An order accuracy in words."""
    if order.value is None:
        return NOT_MEASURED[result.natural]
    return phrase_of(order, result.chance)


def label_words(result: "Answer", labels: Metric) -> str:
    """A label-set accuracy in words."""
    if labels.value is None or labels.low is None or labels.high is None:
        return NOT_MEASURED[result.natural]
    if labels.low >= RECOGNISED:
        return f"still recognised: whole interval above {RECOGNISED:g}"
    if labels.high < RECOGNISED:
        return f"recognition suffers: whole interval below {RECOGNISED:g}"
    return f"undecided whether it stays above {RECOGNISED:g}"


def gain_words(result: "Answer", gain: Metric) -> str:
    """Which side the headline head prefers, and how far its gradient spans."""
    if not result.has_gradient:
        return f"no head has a gradient: at most {result.widest:.2g} logits {along(result)}"
    side = side_of(gain)
    prefers = f"the {side}" if side else "neither side for sure"
    return f"{result.head} prefers {prefers}: {result.span:.3g} logits {along(result)}"


def along(result: "Answer") -> str:
    """The way that a gradient goes."""
    return "from left to right" if result.natural else "along the row"


def side_of(gain: Metric) -> str:
    """The side that more attention goes to for sure; empty where the interval holds 0."""
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return ""
    return "right" if gain.low > 0 else "left"
