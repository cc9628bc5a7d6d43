"""What is said of the geometry of captions: the finding, and what to know before leaning on it."""

from typing import TYPE_CHECKING, Any

from lrinterp.analysis.geometry.measures import DRAWS
from lrinterp.result import Metric
from lrinterp.wording import counted, signed

if TYPE_CHECKING:
    from lrinterp.analysis.geometry.relation_geometry import RelationGeometry

__all__ = ["cosines_words", "direction_words", "meaning_words", "notes"]

LITTLE = 0.05
"""Part of the distance between opposites below which a gain counts as none."""
WORDS = {
    "left_right": ("left", "right"),
    "above_below": ("above", "below"),
    "front_behind": ("in front", "behind"),
}
WORD_ALONE = (
    "A direction that all objects share says that the word is written into the embedding, as it "
    "is in a bag of words. Only the gain of statements that mean the same, over opposites, says "
    "that the word is bound to its objects."
)
LENS = (
    "Layers before the last are read through the final norm and projection, which were not made "
    "for them; the site “residual” in the table is the stream as it stands, where a part that all "
    "captions share may push every cosine towards 1."
)
FREE = (
    "The captions are templates around nouns, not sentences that people wrote. “In front of” and "
    "“behind” differ in their number of tokens, so there the pooled position moves with the word; "
    "left and right, above and below are one token each in CLIP's vocabulary."
)
WORLD = "The captions are those of the model's world, of one template a word: no paraphrases."


def percent(share: Any) -> str:
    """A share of variance in a sentence."""
    return "–" if share is None else f"{100 * share:.2g} %"


def cosines_words(result: "RelationGeometry", axis: str) -> str:
    """Cosines of captions by what they differ in."""
    cosine, paraphrase, others = (
        result.metrics[f"{axis}_{key}"]
        for key in ("cosine", "paraphrase_cosine", "other_objects_cosine")
    )
    beside = [
        f"paraphrases of one statement {paraphrase.phrase}" * (paraphrase.value is not None),
        f"the same words about other objects {others.phrase}" * (others.value is not None),
    ]
    return (
        f"Captions that differ only in {' or '.join(WORDS[axis])} have a mean cosine of "
        f"{'; '.join([cosine.phrase, *filter(None, beside)])} "
        f"({counted(cosine.n, 'comparison')}, {counted(cosine.n_units, 'object')})."
    )


def direction_words(result: "RelationGeometry", axis: str) -> str:
    """The direction of held-out objects, against words shuffled and random weights."""
    (one, other), row = WORDS[axis], result.last(axis)["consistency"]
    if row["value"] is None:
        return f"No direction of {one} minus {other} can be measured."
    own, along = (result.metrics[f"{axis}_{key}"] for key in ("relation_share", "variance_share"))
    most, found = max(result.random), Metric.of(row)
    null = (
        f"{counted(len(result.random), 'model')} of random weights: at most {signed(most, 2)}; "
        f"words shuffled: 95 % under {signed(row['null_95'], 2)}"
    )
    lead = f"The difference {one} minus {other} of held-out objects has a cosine of "
    body = f"{found.phrase} with that of the others ({null})"
    if found.low is None or found.high is None or found.low <= row["null_95"]:
        units = counted(row["n_units"], "object")
        return f"{lead}{body}: with {units} no direction that objects share is shown."
    if found.low <= most:
        return (
            f"{lead}{body}: a common direction, but random weights make one as clear of the words "
            "alone."
        )
    return (
        f"{lead}{body}: a common direction, beyond what random weights make of the words "
        f"alone. The two words make {percent(own.value)} of the variance of these captions; "
        f"the direction, with all else that varies along it, {percent(along.value)}."
    )


def meaning_words(result: "RelationGeometry", axis: str) -> str:
    """Are statements that mean the same closer than opposites?"""
    gain, cosine = (result.metrics[f"{axis}_{key}"] for key in ("mirror_gain", "cosine"))
    one, other = WORDS[axis]
    lead = f"Statements that mean the same (A {one} of B, B {other} of A) are"
    room = 1 - float(cosine.value or 0)
    if gain.low is None or gain.high is None:
        how = "not told from opposites by so few objects"
    elif max(gain.low, -gain.high) <= LITTLE * room:
        how = "not surely closer than opposites, as for a model that reads words alone"
    else:
        how = "closer than opposites" if gain.low > 0 else "further apart than opposites"
    return (
        f"{lead} {how}: the cosines differ by {gain.phrase}, where that of opposites lacks "
        f"{room:.2g} to 1."
    )


def notes(result: "RelationGeometry") -> tuple[str, ...]:
    """What a cosine and a direction do not say, intervals, null, the lens, and the captions."""
    return (
        "A bare cosine means nothing alone: all captions of a model may lie near each other. "
        "Hold it against paraphrases of one statement and against other objects.",
        WORD_ALONE,
        "Intervals are 95 %: each object is left out in turn, with all its pairs.",
        "A text tower of random weights carries every word into its embedding, and so makes a "
        "common direction of the words alone: that null is its largest consistency, by fresh "
        "weights where there is a recipe and otherwise by this tower's weights in random "
        f"order. A second null exchanges the two words in whole object pairs, {DRAWS:,} times; "
        "pairs that share objects make its p too small, so no verdict rests on it. A direction "
        f"drawn at random would carry {percent(1 / result.width)} of the variance if captions "
        "spread alike all around.",
        *([LENS] if result.table["layer"].max() else []),
        FREE if result.free_text else WORLD,
    )
