"""How do captions differ when only left becomes right?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.geometry.caption_grid import (
    CaptionGrid,
    free_grid,
    pairs_of,
    recorded_grid,
)
from lrinterp.analysis.geometry.direction import DRAWS
from lrinterp.analysis.geometry.figures import AXES, KINDS, cosine_figures, direction_figures
from lrinterp.analysis.geometry.rows import EMBEDDING, geometry, random_consistency
from lrinterp.encoders import DualEncoder
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar, records
from lrinterp.wording import counted, signed

__all__ = ["KEYS", "RelationGeometry", "caption_geometry", "relation_geometry"]

KEYS = {
    "cosine": "relation",
    "paraphrase_cosine": "paraphrase",
    "other_objects_cosine": "other_objects",
    "order_cosine": "order",
    "mirror_cosine": "mirror",
    "mirror_gain": "mirror_gain",
    "consistency": "consistency",
    "direction_accuracy": "direction_accuracy",
    "variance_share": "variance_share",
    "relation_share": "relation_share",
    "relative_norm": "relative_norm",
}
"""Ends of summary keys, and the measures that they name."""
NULL = {"null": "null_mean", "null_high": "null_95", "p": "p"}
"""Ends of the keys that tell the null of the consistency, and their columns."""
DIRECTION = {
    "consistency": "cosine of a difference with the mean of other objects",
    "direction_accuracy": "captions on their word's side of it",
    "variance_share": "share of variance along it",
    "relation_share": "share of variance between the two words",
    "relative_norm": "length of a difference, in distances to other objects",
}
LITTLE = 0.05
"""Part of the distance between opposites below which a gain counts as none."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RelationGeometry(Result):
    """Cosines of captions by what they differ in, and the direction between two relation words."""

    name: ClassVar[str] = "relation_geometry"
    question: ClassVar[str] = "How do captions differ when only left becomes right?"

    table: pd.DataFrame
    """One row for each layer, site, relation and measure."""
    sums: pd.DataFrame
    """By relation, measure and object pair: sums of top and bottom in the embedding space."""
    shown: Mapping[str, str]
    """Two captions for each kind of comparison."""
    captions: str
    """A hash of all captions."""
    width: int
    """Dimensions of the embedding space."""
    random: tuple[float, ...]
    """The consistency of the first relation in models of random weights."""
    free_text: bool
    """Were the captions written for this, or are they those of the model's world?"""

    @property
    def axes(self) -> list[str]:
        """The relations, left and right first."""
        return self.table["relation"].unique().tolist()

    def last(self, axis: str) -> dict[str, dict[str, Any]]:
        """By measure: the rows of one relation in the embedding space."""
        here = (self.table["site"] == EMBEDDING) & (self.table["relation"] == axis)
        part = self.table[here & (self.table["layer"] == self.table["layer"].max())]
        return {row["measure"]: row for row in records(part)}

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """Cosines by kind, the direction with its null, and shares, for each relation."""
        summary = {}
        for axis in self.axes:
            rows = self.last(axis)
            for key, measure in KEYS.items():
                summary[f"{axis}_{key}"] = Scalar.of(rows[measure])
                if key == "consistency":
                    for end, column in NULL.items():
                        summary[f"{axis}_{key}_{end}"] = Scalar(value=rows[measure][column])
        summary[f"{self.axes[0]}_consistency_random"] = Scalar(
            value=max(self.random), n=len(self.random)
        )
        return summary

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return f"{self.axes[0]}_consistency"

    @property
    def finding(self) -> str:
        """What left and right alone make of a caption, their direction, and whether it is bound."""
        axis = self.axes[0]
        return f"{self._cosines(axis)} {self._direction(axis)} {self._meaning(axis)}"

    def _cosines(self, axis: str) -> str:
        s = {key: self.summary[f"{axis}_{key}"] for key in KEYS}
        paraphrase, others = s["paraphrase_cosine"], s["other_objects_cosine"]
        beside = [
            f"paraphrases of one statement {paraphrase.phrase}" * (paraphrase.value is not None),
            f"the same words about other objects {others.phrase}" * (others.value is not None),
        ]
        cosine = s["cosine"]
        return (
            f"Captions that differ only in {' or '.join(WORDS[axis])} have a mean cosine of "
            f"{'; '.join([cosine.phrase, *filter(None, beside)])} "
            f"({counted(cosine.n, 'comparison')}, {counted(cosine.n_units, 'object')})."
        )

    def _direction(self, axis: str) -> str:
        row = self.last(axis)["consistency"]
        own, along = (self.summary[f"{axis}_{key}"] for key in ("relation_share", "variance_share"))
        one, other = WORDS[axis]
        if row["value"] is None:
            return f"No direction of {one} minus {other} can be measured."
        most, found = max(self.random), Scalar.of(row)
        null = (
            f"{counted(len(self.random), 'model')} of random weights: at most {signed(most, 2)}; "
            f"words shuffled: 95 % under {signed(row['null_95'], 2)}"
        )
        lead = f"The difference {one} minus {other} of held-out objects has a cosine of "
        body = f"{found.phrase} with that of the others ({null})"
        if found.low is None or found.high is None or found.low <= row["null_95"]:
            units = counted(row["n_units"], "object")
            return f"{lead}{body}: with {units} no direction that objects share is shown."
        if found.low <= most:
            return (
                f"{lead}{body}: a common direction, but not surely more than random weights make "
                "of the words alone."
            )
        return (
            f"{lead}{body}: a common direction, beyond what random weights make of the words "
            f"alone. The two words make {percent(own.value)} of the variance of these captions; "
            f"the direction, with all else that varies along it, {percent(along.value)}."
        )

    def _meaning(self, axis: str) -> str:
        gain, cosine = (self.summary[f"{axis}_{key}"] for key in ("mirror_gain", "cosine"))
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

    @property
    def caveats(self) -> tuple[str, ...]:
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
            f"drawn at random would carry {percent(1 / self.width)} of the variance if captions "
            "spread alike all around.",
            *([LENS] if self.table["layer"].max() else []),
            FREE if self.free_text else WORLD,
        )

    def frame(self) -> pd.DataFrame:
        """Measures by layer, site and relation."""
        return self.table

    def overview(self) -> pd.DataFrame:
        """Every kind of comparison with an example, and the direction, by relation."""
        rows = {axis: self.last(axis) for axis in self.axes}
        names = {**KINDS, **DIRECTION}
        return pd.DataFrame(
            [
                {
                    "what": words,
                    "for example": self.shown.get(measure, ""),
                    **{AXES[a]: Scalar.of(row[measure]).phrase for a, row in rows.items()},
                }
                for measure, words in names.items()
                if any(row[measure]["value"] is not None for row in rows.values())
            ]
        )

    def figures(self) -> tuple[Figure, ...]:
        """Cosines by kind and the direction on its null, by layer where there are several."""
        return (*cosine_figures(self.table), *direction_figures(self.table))

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of this section."""
        return {
            "Paraphrase": "The same objects, order and relation in another sentence.",
            "Mirror": "The statement with both objects and relation exchanged: it means the same.",
        }


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


def relation_geometry(
    recording: Recording, *, pairs: Sequence[tuple[str, str]] | None = None, seed: int = 0
) -> RelationGeometry:
    """Compare captions that differ only in the relation word with paraphrases and other objects.

    A model that reads free text (one with a processor) reads templates around `pairs` of nouns, by
    default the labels that stand together in a picture; any other model the captions of its world.
    Definitions: `cosines.cosines`, `direction.direction`. Sites: the pooled
    residual stream after each layer, and the same through the final norm and the projection; the
    last of these is the embedding. Source: arXiv 2311.11477 (cosine of left and right captions).
    Raises NotApplicable for fewer than two pairs, and where no captions differ in one word.
    """
    model, examples = recording.model, recording.examples
    if model.processor is None:
        if pairs is not None:
            raise NotApplicable("this model reads the captions of its world alone, no others")
        return measured(model, recorded_grid(examples, seed), seed)
    own = pairs_of(examples.image_labels, examples.label_words) if pairs is None else pairs
    return caption_geometry(model, own, seed=seed)


def caption_geometry(
    model: DualEncoder,
    pairs: Sequence[tuple[str, str]],
    *,
    seed: int = 0,
    progress: bool | None = None,
) -> RelationGeometry:
    """`relation_geometry` of a model that reads free text, from pairs of nouns and no pictures.

    Cost: 36 captions a pair, at most 1,440; above that pairs are drawn with the seed.
    Raises what `caption_grid.free_grid` does.
    """
    return measured(model, free_grid(model, pairs, seed), seed, progress=progress)


def measured(
    model: DualEncoder, grid: CaptionGrid, seed: int, *, progress: bool | None = None
) -> RelationGeometry:
    """The Result of a grid of captions."""
    table, sums = geometry(model, grid, seed, progress=progress)
    random = random_consistency(model, grid, seed)
    return RelationGeometry(
        table=table,
        sums=sums,
        shown={kind: " — ".join(two) for kind, two in grid.examples().items()},
        captions=grid.fingerprint,
        width=model.text.cfg.d_vocab_out,
        random=random,
        free_text=model.processor is not None,
    )
