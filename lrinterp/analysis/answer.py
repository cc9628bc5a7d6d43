"""Does this model know left from right, and by which mechanism? The head of a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import pandas as pd

from lrinterp.analysis.accuracy import Accuracy
from lrinterp.analysis.positional_gradient import PositionalGradient
from lrinterp.analysis.term_ablation import TermAblation
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar, Tile, records

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
    """Layers of the image tower; the mechanism is measured in the first."""

    def scalar(self, key: str) -> Scalar:
        """One of the four numbers."""
        return Scalar.of(next(row for row in records(self.table) if row["key"] == key))

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The four numbers."""
        return {key: self.scalar(key) for key in self.table["key"]}

    @property
    def finding(self) -> str:
        """The one sentence."""
        order = self.scalar(ORDER)
        if order.value is None:
            return "This model was not tested on pairs of held-out labels: its split has none."
        knows = {
            "good": "knows left from right",
            "chance": "does not know left from right",
            "weak": "knows left from right only in part",
            "wrong": "tends to take left for right",
        }[self.grade(order)]
        how = self._mechanism() if self.grade(order) == "good" else self._gradient()
        return f"This model {knows} on pairs it has never seen{how}"

    def _gradient(self) -> str:
        where = "" if self.layers == 1 else " of its first layer"
        if self.has_gradient:
            return f", although the attention{where} has a gradient along the row."
        return f"; the attention{where} has no gradient along the row."

    def _mechanism(self) -> str:
        where = "" if self.layers == 1 else " in the first layer"
        if self.grade(self.scalar(WITHOUT)) in ("good", "weak"):
            return f", but not by key-position{where} alone: order survives its removal in part."
        if self.grade(self.scalar(WITHOUT)) == "wrong":
            return f"; without key-position{where} it falls below chance."
        side = "right" if number(self.scalar(GAIN)) > 0 else "left"
        return (
            f"; it does so by a preference for one side of the row: head {self.head} attends more "
            f"to the {side}-hand object, and without key-position{where}, the part of attention "
            "that depends on where a pixel stands, the model is at chance."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """None: the sections below have theirs."""
        return ()

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of the tiles and of most figures."""
        return {
            "Order": "the true caption scores higher than the same caption with its objects "
            "swapped.",
            "Held-out pairs": "pictures of labels that training showed alone and in no pair (set "
            "unseen_pair); intervals resample label pairs (clusters), not pictures.",
            "Pooled token": "the position an embedding is read from: CLS of a picture, [EOT] of a "
            "caption.",
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

    def frame(self) -> pd.DataFrame:
        """The four numbers."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """None: the tiles are the picture."""
        return ()

    def tiles(self) -> tuple[Tile, ...]:
        """The four numbers with what they mean in words."""
        order, without, labels, gain = map(self.scalar, (ORDER, WITHOUT, LABELS, GAIN))
        return (
            Tile(label="Order, held-out pairs", scalar=order, words=self.order_words(order)),
            Tile(
                label="Order without key-position",
                scalar=without,
                words=self.order_words(without),
            ),
            Tile(
                label="Objects still named correctly without it",
                scalar=labels,
                words=label_words(labels),
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
            return "not measured: no pair is held out"
        words = {
            "good": "good: far above chance",
            "weak": "weak: above chance",
            "chance": "at chance",
            "wrong": "worse than a guess: below chance",
        }
        return f"{words[self.grade(order)]} ({self.chance:.2g})"

    def _gain_words(self, gain: Scalar) -> str:
        if not self.has_gradient:
            return f"no gradient: {self.span:.2g} logits in a line over the row"
        side = "right" if number(gain) > 0 else "left"
        return f"{self.head} prefers the {side}: {self.span:.1f} logits in a line over the row"


ORDER = "unseen_pair_order"
WITHOUT = "order_without_key_position"
LABELS = "label_set_closed_without_key_position"
GAIN = "right_object_attention_gain"


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
    scalars = {
        ORDER: accuracy.summary[ORDER],
        WITHOUT: term_ablation.summary[WITHOUT],
        LABELS: term_ablation.summary[LABELS],
        GAIN: positional_gradient.summary[GAIN],
    }
    return Answer(
        table=pd.DataFrame([{"key": key, **scalar.plain()} for key, scalar in scalars.items()]),
        chance=accuracy.chance,
        span=number(positional_gradient.summary["headline_span"]),
        has_gradient=positional_gradient.has_gradient,
        head=str(positional_gradient.summary["headline_head"].value),
        layers=positional_gradient.layers,
    )


def number(scalar: Scalar) -> float:
    """The value of a scalar that is a number."""
    return float(scalar.value)  # type: ignore[arg-type]


def label_words(scalar: Scalar) -> str:
    """A label-set accuracy in words."""
    if scalar.value is None:
        return "not measured: no pair is held out"
    return "still recognised" if number(scalar) >= RECOGNISED else "recognition suffers too"
