"""Does this model know left from right, and by which mechanism? The head of a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import pandas as pd

from lrinterp.analysis.ablation.term_ablation import TermAblation
from lrinterp.analysis.accuracy import Accuracy
from lrinterp.analysis.gradient.positional_gradient import PositionalGradient
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar, Tile, records
from lrinterp.scenes.natural import PICTURES

__all__ = ["Answer", "answer"]

NEAR_CHANCE = 0.05
RECOGNISED = 0.95


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Answer(Result):
    """Four numbers and one sentence."""

    name: ClassVar[str] = "answer"
    question: ClassVar[str] = "Does the model know left from right?"

    table: pd.DataFrame
    """The four numbers by key."""
    chance: float
    """Order accuracy of a guess."""
    span: float
    """End-to-end span of the headline gradient, in logits."""
    has_gradient: bool
    head: str
    layers: int
    """Layers of the image tower; the headline head is chosen among the heads of all."""
    named: float | None = None
    """Label-set accuracy of the intact model."""
    focus: str = "unseen_pair"
    """The set of pictures that the numbers are of."""

    @property
    def natural(self) -> bool:
        """Are the pictures those of a suite, and not of the toy world?"""
        return self.focus == PICTURES

    def scalar(self, key: str) -> Scalar:
        """One of the four numbers; the first has the name of its set of pictures."""
        wanted = order_of(self.focus) if key == ORDER else key
        return Scalar.of(next(row for row in records(self.table) if row["key"] == wanted))

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The four numbers."""
        return {row["key"]: Scalar.of(row) for row in records(self.table)}

    @property
    def finding(self) -> str:
        """The one sentence."""
        order = self.scalar(ORDER)
        if order.value is None:
            return UNTESTED[self.natural]
        knows = {
            "good": "knows left from right",
            "chance": "does not know left from right",
            "weak": "knows left from right only in part",
            "wrong": "tends to take left for right",
        }[self.grade(order)]
        how = mechanism_words(self) if self.grade(order) == "good" else gradient_words(self)
        seen = "the suite's pictures" if self.natural else "pairs it has never seen"
        return f"This model {knows} on {seen}{how}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """None: the sections below have theirs."""
        return ()

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of the tiles and of most figures."""
        words = dict(GLOSSARY)
        if self.natural:
            del words["Held-out pairs"]
            words["Flatten"] = words["Flatten"].replace("pixels", "patches")
            words["Order"] = "the true caption scores higher than the one of the mirrored picture."
        if self.layers > 1:
            words["Key-position"] += ABOVE
        return words

    def frame(self) -> pd.DataFrame:
        """The four numbers."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """None: the tiles are the picture."""
        return ()

    def tiles(self) -> tuple[Tile, ...]:
        """The four numbers with what they mean in words."""
        order, without, labels, gain = map(self.scalar, (ORDER, WITHOUT, LABELS, GAIN))
        pictures = "the suite's pictures" if self.natural else "held-out pairs"
        return (
            Tile(label=f"Order, {pictures}", scalar=order, words=self.order_words(order)),
            Tile(
                label="Order without key-position",
                scalar=without,
                words=self.order_words(without),
            ),
            Tile(
                label="Objects still named correctly without it",
                scalar=labels,
                words=self.label_words(labels),
            ),
            Tile(
                label="Attention, right-hand minus left-hand object",
                scalar=gain,
                words=self._gain_words(gain),
            ),
        )

    def grade(self, order: Scalar) -> str:
        """An order accuracy as `good` (at least half way from chance to 1), `weak`, ..."""
        above = number(order) - self.chance
        if abs(above) <= NEAR_CHANCE:
            return "chance"
        if above < 0:
            return "wrong"
        return "good" if above >= (1 - self.chance) / 2 else "weak"

    def order_words(self, order: Scalar) -> str:
        """An order accuracy in words."""
        if order.value is None:
            return NOT_MEASURED[self.natural]
        words = {
            "good": "good: far above chance",
            "weak": "weak: above chance",
            "chance": "at chance",
            "wrong": "worse than a guess: below chance",
        }
        return f"{words[self.grade(order)]} ({self.chance:.2g})"

    def label_words(self, labels: Scalar) -> str:
        """A label-set accuracy in words."""
        if labels.value is None:
            return NOT_MEASURED[self.natural]
        if number(labels) >= RECOGNISED:
            return "still recognised"
        if self.named is not None and number(labels) >= self.named - NEAR_CHANCE:
            return f"no worse than with it: {self.named:.2g}"
        return "recognition suffers too"

    def _gain_words(self, gain: Scalar) -> str:
        line = "from left to right" if self.natural else "in a line over the row"
        if not self.has_gradient:
            return f"no gradient: {self.span:.2g} logits {line}"
        side = "right" if number(gain) > 0 else "left"
        return f"{self.head} prefers the {side}: {self.span:.1f} logits {line}"


ORDER = "unseen_pair_order"
WITHOUT = "order_without_key_position"
LABELS = "label_set_closed_without_key_position"
GAIN = "right_object_attention_gain"
NOTHING = Scalar(value=None)
UNTESTED = {
    False: "This model was not tested on pairs of held-out labels: its split has none.",
    True: "This model was not tested on the order of the suite's pictures.",
}
NOT_MEASURED = {False: "not measured: no pair is held out", True: "not measured"}
GLOSSARY = {
    "Order": "the true caption scores higher than the same caption with its objects swapped.",
    "Held-out pairs": "pictures of labels that training showed alone and in no pair (set "
    "unseen_pair); intervals resample label pairs (clusters), not pictures.",
    "Pooled token": "the position an embedding is read from: CLS of a picture, [EOT] of a caption.",
    "Key-position": "the part of an attention score that comes from the position embedding "
    "of the key: EP+PP+bP, first letter the query's part, second the key's (E token, P "
    "position, b bias). Key-content, EE+PE+bE, is the rest.",
    "Canonical gauge": "the convention that fixes how much of an embedding counts as token "
    "and how much as position; raw takes the weights as training left them.",
    "Flatten": "replace a term by its mean over the pixels (“without ...” in figures).",
    "Placebo": "subtract a random row of the same size instead, orthogonal to the term.",
    "VP": "the part of the value vectors that position embeddings make.",
    "Label set": "the best caption names the right objects, in any order.",
    "Closed, open": "captions to choose from: those of the same set, or all of the world.",
    "Margin": "cosine with the true caption (or picture) minus cosine with its swap.",
    "L0H2": "layer 0, head 2, both counted from 0.",
}
ABOVE = (
    " Above the first layer position is the mean of the stream at each position over the examples "
    "(gauge “means”), and content what is left."
)


def answer(
    recording: Recording,
    *,
    accuracy: Accuracy,
    term_ablation: TermAblation,
    positional_gradient: PositionalGradient,
) -> Answer:
    """Gather the four numbers that answer the question from three other results."""
    if not len(recording.examples):
        raise NotApplicable("no pictures were recorded")
    name = PICTURES if positional_gradient.focus == PICTURES else "unseen_pair"
    if order_of(name) not in accuracy.summary:
        raise NotApplicable(f"the accuracy of these examples has no {order_of(name)}")
    scalars = {
        order_of(name): accuracy.summary[order_of(name)],
        **{key: term_ablation.summary.get(key, NOTHING) for key in (WITHOUT, LABELS)},
        GAIN: positional_gradient.summary[GAIN],
    }
    return Answer(
        table=pd.DataFrame([{"key": key, **scalar.plain()} for key, scalar in scalars.items()]),
        chance=accuracy.chance,
        span=number(positional_gradient.summary["headline_span"]),
        has_gradient=positional_gradient.has_gradient,
        head=positional_gradient.headline_name,
        layers=positional_gradient.layers,
        named=accuracy.summary.get(f"{name}_label_set_closed", NOTHING).value,  # type: ignore[arg-type]
        focus=name,
    )


def order_of(name: str) -> str:
    """The key of order accuracy on a set of pictures."""
    return f"{name}_order"


def gradient_words(result: Answer) -> str:
    """What is known of one head alone is said of it alone."""
    along = "from left to right" if result.natural else "along the row"
    if result.layers == 1:
        whose = "the attention"
    else:
        whose = f"head {result.head}, the headline of its {result.layers} layers,"
    if result.has_gradient:
        return f", although {whose} has a gradient {along}."
    return f"; {whose} has no gradient {along}."


def mechanism_words(result: Answer) -> str:
    """By what means a model that knows left from right does so."""
    without = result.scalar(WITHOUT)
    where = "" if result.layers == 1 else " in any layer"
    if without.value is None:
        return "; what it does without key-position was not measured."
    if result.grade(without) in ("good", "weak"):
        what = f"its removal{' from all layers' if where else ''}"
        return f", but not by key-position alone: order survives {what} in part."
    if result.grade(without) == "wrong":
        return f"; without key-position{where} it falls below chance."
    side = "right" if number(result.scalar(GAIN)) > 0 else "left"
    row, place = ("picture", "patch lies") if result.natural else ("row", "pixel stands")
    return (
        f"; it does so by a preference for one side of the {row}: head {result.head} attends "
        f"more to the {side}-hand object, and without key-position{where}, the part of "
        f"attention that depends on where a {place}, the model is at chance."
    )


def number(scalar: Scalar) -> float:
    """The value of a scalar that is a number."""
    return float(scalar.value)  # type: ignore[arg-type]
