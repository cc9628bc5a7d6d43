"""Does this model know left from right, and by which mechanism? The head of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import pandas as pd

from lrinterp.analysis.read import (
    CARRIERS,
    GAIN,
    LABELS,
    NO_HEAD,
    TEXT,
    WITHOUT,
    has_gradient,
    value_of,
)
from lrinterp.analysis.subject import focus
from lrinterp.grades import SHORT, Grade, grade, phrase_of
from lrinterp.metric import joined
from lrinterp.result import Figure, Metric, NotApplicable, Result, Tile
from lrinterp.run import Run
from lrinterp.scenes.natural import PICTURES

__all__ = ["Answer", "answer"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Answer(Result):
    """Four numbers and one sentence."""

    name: ClassVar[str] = "answer"
    question: ClassVar[str] = "Does the model know left from right?"

    metrics: Mapping[str, Metric] = field()
    """By key: order, order without key-position in the image tower and in the text tower, label
    set without it, and the headline head's gain; the text tower's is none of the four."""
    chance: float
    """Order accuracy of a guess."""
    span: float
    """End-to-end span of the headline gradient, in logits."""
    widest: float
    """The same of the head where it is largest."""
    has_gradient: bool
    head: str
    layers: int
    """Layers of the image tower; the headline head is chosen among the heads of all."""
    templates: Mapping[str, Metric]
    """Order by the relation word of the captions it was tested with."""
    focus: str = "unseen_pair"
    """The set of pictures that the numbers are of."""
    carriers: Mapping[str, Metric] = field(default_factory=dict)
    """Which heads carry order, and swap accuracy without them; empty where not measured."""

    @property
    def natural(self) -> bool:
        """Are the pictures those of a suite, and not of the toy world?"""
        return self.focus == PICTURES

    @property
    def finding(self) -> str:
        """The one sentence."""
        order, *_ = self.metrics.values()
        return UNTESTED[self.natural] if order.value is None else sentence(self)

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
            words |= OF_PHOTOGRAPHS
        if self.layers > 1:
            words["Key-position"] += DEEP
        return words

    def frame(self) -> pd.DataFrame:
        """The four numbers."""
        return pd.DataFrame([{"key": key, **one.plain()} for key, one in self.metrics.items()])

    def figures(self) -> tuple[Figure, ...]:
        """None: the tiles are the picture."""
        return ()

    def tiles(self) -> tuple[Tile, ...]:
        """The four numbers with what they mean in words."""
        order, without, text, labels, gain = self.metrics.values()
        pictures = "the suite's pictures" if self.natural else "held-out pairs"
        parts = [f"“{word}” {one.phrase}" for word, one in self.templates.items()]
        apart = f"; {', '.join(parts)}" if len(parts) > 1 else ""
        rows = (
            (f"Swap accuracy, {pictures}", order, f"{order_words(self, order)}{apart}"),
            (
                "Swap accuracy without key-position in the image tower",
                without,
                f"{order_words(self, without)}; without it in the text tower {text.phrase}",
            ),
            (
                "Object-set accuracy without key-position",
                labels,
                recognition_words(self, labels),
            ),
            ("Attention difference, right minus left", gain, gain_words(self, gain)),
        )
        return tuple(Tile(label=label, scalar=one, words=said) for label, one, said in rows)


NOTHING = Metric(value=None)
UNTESTED = {
    False: "This model was not tested on pairs of held-out labels.",
    True: "This model was not tested on the suite's pictures.",
}
GLOSSARY = {
    "Swap accuracy (order)": "the share of pictures whose true caption scores higher than the "
    "same caption with its objects swapped.",
    "Held-out pairs": "pictures of labels that training showed alone and in no pair (set "
    "unseen_pair); intervals leave out labels in turn, not pictures.",
    "Units": "what was drawn independently, here labels (or objects): pictures that share one "
    "depend on each other, and an interval leaves out each in turn.",
    "Pooled token": "the position an embedding is read from: CLS of a picture, [EOT] of a caption.",
    "Key-position": "the part of an attention score that comes from the position embedding "
    "of the key: EP+PP+bP, first letter the query's part, second the key's (E token, P "
    "position, b bias). Key-content, EE+PE+bE, is the rest.",
    "Canonical gauge": "the convention that fixes how much of an embedding counts as token "
    "and how much as position; raw takes the weights as training left them.",
    "Flatten": "replace a term by its mean over the pixels (“without ...” in figures).",
    "Norm-matched random control": "subtract a random row of the same norm, orthogonal to the "
    "term.",
    "VP": "the part of the value vectors that position embeddings make.",
    "Object-set accuracy": "the share of pictures whose best caption names the right objects, in "
    "any order.",
    "Closed, open": "captions to choose from: those of the same set, or all of the world.",
    "Margin": "cosine with the true caption (or picture) minus cosine with its swap.",
    "L0H2": "layer 0, head 2, both counted from 0.",
}
OF_PHOTOGRAPHS = {
    "Swap accuracy (order)": "the share of pictures whose true caption scores higher than "
    "that of the mirrored picture.",
    "Flatten": GLOSSARY["Flatten"].replace("pixels", "patches"),
}
DEEP = (
    " Above the first layer position is the mean of the stream at each position over the examples "
    "(dataset-mean basis, gauge “means”), and content is the rest."
)
ABOVE: set[Grade] = {"knows", "in part"}
KNOWS: dict[Grade, str] = {
    "knows": "knows {what}",
    "in part": "tells {what} better than a guess",
    "undecided": "was not shown to know {what}",
    "at chance": "does not know {what}",
    "below chance": "gets {what} wrong more often than not",
    "too few": "was tested on too few {units} to say whether it knows {what}",
}
"""What a model does, by what the interval of its swap accuracy says."""
BOTH, ONE = "left from right", "which of two objects is on the {word}"
"""What captions of both relation words ask, and those of one alone."""
RECOGNISED = 0.95
"""Object-set accuracy that must surely be exceeded where objects count as recognised."""
NOT_MEASURED = {False: "not measured: no pair is held out", True: "not measured"}


def answer(
    recording: Run,
    *,
    accuracy: Result,
    term_ablation: Result,
    positional_gradient: Result,
) -> Answer:
    """Gather the four numbers that answer the question from three other results."""
    examples, fits = recording.examples, positional_gradient.metrics
    name = PICTURES if focus(examples) == PICTURES else "unseen_pair"
    key = f"{name}_order"
    if key not in accuracy.metrics:
        raise NotApplicable(f"the accuracy of these examples has no {key}")
    order = accuracy.metrics[key]
    ablated = {k: term_ablation.metrics.get(k, NOTHING) for k in (WITHOUT, TEXT, LABELS)}
    return Answer(
        metrics=joined({key: order}, ablated, {GAIN: fits[GAIN]}),
        chance=examples.chance,
        span=value_of(fits["headline_span"]),
        widest=value_of(fits["widest_span"]),
        has_gradient=has_gradient(fits),
        head=str(fits["headline_head"].value),
        layers=recording.model.image.cfg.n_layers,
        templates={
            word: accuracy.metrics.get(f"{key}_{word}", order) for word in examples.templates
        },
        focus=name,
        carriers={k: term_ablation.metrics[k] for k in CARRIERS if k in term_ablation.metrics},
    )


def sentence(result: Answer) -> str:
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


def gradient_words(result: Answer) -> str:
    """Whether any head of the image tower has a gradient."""
    if result.has_gradient:
        return f". Image head {result.head} has a gradient {along_words(result)}."
    widest = f"the steepest spans {result.widest:.2g} logits"
    return f". No image head has a gradient {along_words(result)}: {widest}."


def mechanism_words(result: Answer) -> str:
    """Swap accuracy without key-position in each tower, as far as intervals say, and one head."""
    _, without, text, _, gain = result.metrics.values()
    if without.value is None:
        return ". It was not measured without key-position."
    where = "" if result.layers == 1 else " in any layer"
    says, also = (SHORT[grade(one, result.chance)] for one in (without, text))
    side = side_of(gain)
    attends = f"more to the {side}-hand object" if side else "to neither side reliably more"
    return (
        f". Without key-position{where} of the image tower swap accuracy is {without.phrase}, "
        f"{says}; without that of the text tower it is {text.phrase}, {also}.{carried(result)} "
        f"Image head {result.head} attends {attends}."
    )


def carried(result: Answer) -> str:
    """Which image heads carry order, judged on labels that were not used to choose them."""
    if not result.carriers:
        return ""
    heads, order, _ = result.carriers.values()
    if heads.value == "none":
        return f" {NO_HEAD}"
    return (
        f" If key-position is removed in {heads} alone (chosen on half of the labels), swap "
        f"accuracy on pairs of the other half is {order.phrase}."
    )


def order_words(result: Answer, order: Metric) -> str:
    """A swap accuracy in words."""
    if order.value is None:
        return NOT_MEASURED[result.natural]
    return phrase_of(order, result.chance)


def recognition_words(result: Answer, labels: Metric) -> str:
    """An object-set accuracy in words."""
    if labels.value is None or labels.low is None or labels.high is None:
        return NOT_MEASURED[result.natural]
    if labels.low >= RECOGNISED:
        return f"still recognised: whole interval above {RECOGNISED:g}"
    if labels.high < RECOGNISED:
        return f"recognition suffers: whole interval below {RECOGNISED:g}"
    return f"undecided whether it stays above {RECOGNISED:g}"


def gain_words(result: Answer, gain: Metric) -> str:
    """Which side the headline head prefers, and how far its gradient spans."""
    if not result.has_gradient:
        return f"no head has a gradient: at most {result.widest:.2g} logits {along_words(result)}"
    side = side_of(gain)
    prefers = f"the {side}" if side else "neither side reliably"
    return f"{result.head} prefers {prefers}: {result.span:.3g} logits {along_words(result)}"


def along_words(result: Answer) -> str:
    """The way that a gradient goes."""
    return "from left to right" if result.natural else "along the row"


def side_of(gain: Metric) -> str:
    """The side that more attention goes to for sure; empty where the interval holds 0."""
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return ""
    return "right" if gain.low > 0 else "left"
