"""Does this model know left from right, and by which mechanism? The head of a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import pandas as pd

from lrinterp.analysis.accuracy import Accuracy
from lrinterp.analysis.positional_gradient import NO_GRADIENT, PositionalGradient
from lrinterp.analysis.term_ablation import TermAblation
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar, Tile, records

__all__ = ["Answer", "answer"]

CHANCE = 0.5
KNOWS = 0.75
"""Order accuracy from which a model is said to know left from right; 0.5 is chance."""
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
    span: float
    """End-to-end span of the headline gradient, in logits."""
    head: str

    def scalar(self, key: str) -> Scalar:
        """One of the four numbers."""
        return Scalar.of(next(row for row in records(self.table) if row["key"] == key))

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The four numbers."""
        return {key: self.scalar(key) for key in self.table["key"]}

    @property
    def knows(self) -> bool:
        """Is order far enough above chance?"""
        return above(self.scalar(ORDER), KNOWS)

    @property
    def finding(self) -> str:
        """The one sentence."""
        if self.scalar(ORDER).value is None:
            return "This model was never tested on pairs it had not seen: its split holds none out."
        if not self.knows:
            low = abs(number(self.scalar(ORDER)) - CHANCE) <= NEAR_CHANCE
            known = "does not know" if low else "knows only in part"
            gradient = (
                "its attention has no gradient along the row"
                if self.span < NO_GRADIENT
                else "although its attention has a gradient along the row"
            )
            return f"This model {known} left from right on pairs it has never seen; {gradient}."
        lost = abs(number(self.scalar(WITHOUT)) - CHANCE) <= NEAR_CHANCE
        side = "right" if number(self.scalar(GAIN)) > 0 else "left"
        mechanism = (
            f"it does so by a preference for one side of the row: head {self.head} attends more to "
            f"the {side}-hand object, and without key-position, the part of attention that depends "
            "on where a pixel stands, the model is at chance."
            if lost
            else "but not by key-position alone: order survives its removal in part."
        )
        return f"This model knows left from right on pairs it has never seen; {mechanism}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the four numbers are."""
        return ()

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
            Tile(label="Order, held-out pairs", scalar=order, words=order_words(order)),
            Tile(label="Order without key-position", scalar=without, words=order_words(without)),
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

    def _gain_words(self, gain: Scalar) -> str:
        if self.span < NO_GRADIENT:
            return f"no gradient: {self.span:.2g} logits from end to end"
        side = "right" if number(gain) > 0 else "left"
        return f"{self.head} prefers the {side}: {self.span:.1f} logits from end to end"


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
        span=number(positional_gradient.summary["headline_span"]),
        head=str(positional_gradient.summary["headline_head"].value),
    )


def number(scalar: Scalar) -> float:
    """The value of a scalar that is a number."""
    return float(scalar.value)  # type: ignore[arg-type]


def above(scalar: Scalar, bound: float) -> bool:
    """Is a scalar defined and at least the bound?"""
    return scalar.value is not None and number(scalar) >= bound


def order_words(scalar: Scalar) -> str:
    """An order accuracy in words."""
    if scalar.value is None:
        return "not measured: no pair is held out"
    if abs(number(scalar) - CHANCE) <= NEAR_CHANCE:
        return "at chance (0.5)"
    if number(scalar) < CHANCE:
        return "below chance (0.5)"
    return "good: far above chance (0.5)" if above(scalar, KNOWS) else "weak: above chance (0.5)"


def label_words(scalar: Scalar) -> str:
    """A label-set accuracy in words."""
    if scalar.value is None:
        return "not measured: no pair is held out"
    return "still recognised" if above(scalar, RECOGNISED) else "recognition suffers too"
