"""The one sentence at the head of a report: which captions, pictures, towers and head."""

from typing import TYPE_CHECKING

from lrinterp.analysis.ablation.term_ablation import TEXT
from lrinterp.grades import Grade, phrase_of
from lrinterp.result import Scalar

if TYPE_CHECKING:
    from lrinterp.analysis.answer import Answer

__all__ = ["GAIN", "WITHOUT", "sentence", "side_words"]

WITHOUT = "order_without_key_position"
GAIN = "right_object_attention_gain"

ABOVE: tuple[Grade, ...] = ("knows", "in part")
KNOWS: dict[Grade, str] = {
    "knows": "knows left from right",
    "in part": "tells left from right better than a guess",
    "undecided": "was not shown to know left from right",
    "at chance": "does not know left from right",
    "below chance": "takes left for right more often than not",
    "too few": "was tested on too few labels to say whether it knows left from right",
}
"""What a model does, by what the interval of its order accuracy says."""


def sentence(result: "Answer") -> str:
    """What the model knows with the captions of each template, and by what means."""
    known = [result.grade(one) in ABOVE for one in result.templates.values()]
    how = mechanism_words(result) if any(known) else gradient_words(result)
    seen = "the suite's pictures" if result.natural else "pairs of held-out labels"
    return f"{knows_words(result)} on {seen}{how}"


def knows_words(result: "Answer") -> str:
    """What the model does with the captions of each template, together where it is the same."""
    grades: dict[Grade, list[str]] = {}
    for word, one in result.templates.items():
        grades.setdefault(result.grade(one), []).append(f"“{word}”")
    parts = [
        f"with captions that say {' and '.join(words)} {who} {KNOWS[grade]}"
        for (grade, words), who in zip(grades.items(), ("this model", *["it"] * 9), strict=False)
    ]
    text = ", and ".join(parts)
    return text[0].upper() + text[1:]


def side_words(gain: Scalar) -> str:
    """Which side a head prefers, where the interval of its gain says so."""
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return "prefers neither side for sure"
    return f"prefers the {side_of(gain)}"


def gradient_words(result: "Answer") -> str:
    """What is known of one head alone is said of it alone."""
    along = "from left to right" if result.natural else "along the row"
    has = "has a gradient" if result.has_gradient else "has no gradient"
    return f". Head {result.head} {has} {along}."


def mechanism_words(result: "Answer") -> str:
    """What order is without key-position in each tower, as far as intervals say, and one head."""
    without, text = result.scalar(WITHOUT), result.scalar(TEXT)
    if without.value is None:
        return ". What it does without key-position was not measured."
    where = "" if result.layers == 1 else " in any layer"
    says = {
        "at chance": "at chance",
        "knows": "so not by key-position alone",
        "in part": "so not by key-position alone",
        "below chance": "below chance",
    }.get(result.grade(without), phrase_of(without, result.chance))
    return (
        f". Without key-position{where} of the image tower order is {without.phrase}, {says}; "
        f"without that of the text tower, {text.phrase}. Head {result.head} "
        f"{attends(result.scalar(GAIN))}."
    )


def attends(gain: Scalar) -> str:
    """What a head attends to, where the interval of its gain says so."""
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return "attends to neither side more for sure"
    return f"attends more to the {side_of(gain)}-hand object"


def side_of(gain: Scalar) -> str:
    """The side of a gain whose interval lies on one side of 0."""
    return "right" if float(gain.value or 0) > 0 else "left"
