"""How do captions differ when only left becomes right?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.geometry.caption_grid import CaptionGrid, free_grid, pairs_of, recorded_grid
from lrinterp.analysis.geometry.figures import AXES, KINDS, cosine_figures, direction_figures
from lrinterp.analysis.geometry.rows import EMBEDDING, geometry, random_consistency
from lrinterp.analysis.geometry.words import found, notes
from lrinterp.encoders import DualEncoder
from lrinterp.result import Figure, Metric, Result, records
from lrinterp.run import Run, TowerRun
from lrinterp.stats import Sample

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
RATIOS = ("variance_share", "relation_share", "relative_norm")
"""Measures that are ratios of means."""
NULL = {"null": "null_mean", "null_high": "null_95", "p": "p"}
"""Ends of the keys that tell the null of the consistency, and their columns."""
DIRECTION = {
    "consistency": "cosine of a difference with the mean of other objects",
    "direction_accuracy": "captions on their word's side of it",
    "variance_share": "share of variance along it",
    "relation_share": "share of variance between the two words",
    "relative_norm": "length of a difference, in distances to other objects",
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RelationGeometry(Result):
    """Cosines of captions by what they differ in, and the direction between two relation words."""

    name: ClassVar[str] = "relation_geometry"
    question: ClassVar[str] = "How do captions differ when only left becomes right?"

    table: pd.DataFrame
    """One row for each layer, site, relation and measure."""
    samples: Mapping[str, Sample]
    """By object pair: sums in the embedding space, as `relation/measure` where it is defined."""
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

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Cosines by kind, the direction with its null, and shares, for each relation."""
        found = {key: one for axis in self.axes for key, one in self.of_axis(axis).items()}
        found[f"{self.axes[0]}_consistency_random"] = Metric(
            value=max(self.random), n=len(self.random)
        )
        return found

    def of_axis(self, axis: str) -> dict[str, Metric]:
        """The numbers of one relation by summary key.

        A sample holds sums by object pair, each a ratio over captions: it has the number's value,
        and the captions are what must be the same where two are paired.
        """
        rows, found = self.last(axis), {}
        for key, measure in KEYS.items():
            sample = self.samples.get(f"{axis}/{measure}")
            about = {"examples": self.captions, "sample": sample} if sample else {}
            kind = "ratio" if measure in RATIOS else "mean"
            found[f"{axis}_{key}"] = Metric.of(
                rows[measure], estimator=kind, unit="object", **about
            )
            for end, column in NULL.items() if key == "consistency" else ():
                found[f"{axis}_{key}_{end}"] = Metric(value=rows[measure][column])
        return found

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return f"{self.axes[0]}_consistency"

    @property
    def finding(self) -> str:
        """What left and right alone make of a caption, their direction, and whether it is bound."""
        return found(self)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a cosine and a direction do not say, intervals, nulls, the lens, the captions."""
        return notes(self)

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
                    **{AXES[a]: Metric.of(row[measure]).phrase for a, row in rows.items()},
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


def relation_geometry(
    recording: Run, *, pairs: Sequence[tuple[str, str]] | None = None, seed: int = 0
) -> RelationGeometry:
    """Compare captions that differ only in the relation word with paraphrases and other objects.

    A model that reads free text (one with a processor) reads templates around `pairs` of nouns, by
    default the labels that stand together in a picture; any other model the captions of its world.
    Definitions: `measures.cosines`, `measures.direction`. Sites: the pooled residual stream after
    each layer, and the same through the final norm and the projection; the last of these is the
    embedding. Source: arXiv 2311.11477 (cosine of left and right captions).
    Raises NotApplicable for fewer than two pairs, and where no captions differ in one word.
    """
    model, examples = recording.model, recording.examples
    if model.processor is None and pairs is None:
        grid, index = recorded_grid(examples, seed)
        return measured(recording.towers["text"].at(index), grid, seed)
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
    grid = free_grid(model, pairs, seed)
    return measured(TowerRun(model, "text", grid.tokens, progress=progress), grid, seed)


def measured(run: TowerRun, grid: CaptionGrid, seed: int) -> RelationGeometry:
    """The Result of a text tower on the captions of a grid."""
    table, samples = geometry(run, grid, seed)
    return RelationGeometry(
        table=table,
        samples=samples,
        shown={kind: " — ".join(two) for kind, two in grid.examples().items()},
        captions=grid.fingerprint,
        width=run.model.text.cfg.d_vocab_out,
        random=random_consistency(run.model, grid, seed),
        free_text=run.model.processor is not None,
    )
