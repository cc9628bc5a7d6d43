"""How do captions differ when only left becomes right?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.relation_geometry_grid import CaptionGrid, free_grid, pairs_of, recorded_grid
from lrinterp.analysis.relation_geometry_measures import cosines, direction, signs_of, strangers
from lrinterp.analysis.relation_geometry_shown import (
    AXES,
    KINDS,
    cosine_figures,
    cosines_words,
    direction_figures,
    direction_words,
    geometry_notes,
    meaning_words,
)
from lrinterp.analysis.subject import random_twins
from lrinterp.encoders import DualEncoder
from lrinterp.result import Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run, TowerRun
from lrinterp.stats import Sample

__all__ = [
    "EMBEDDING",
    "KEYS",
    "RESIDUAL",
    "RelationGeometry",
    "caption_geometry",
    "relation_geometry",
]

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
EMBEDDING, RESIDUAL = "embedding", "residual"
"""Sites: through the final norm and the projection, to unit length; the stream as it stands."""
FIRST_SEED = 2000
"""Seeds of models with random weights, far from those that people train with."""
ROUNDING = 1e-9
"""A whole embedding below this has no direction; a draw is as large as the value up to this."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RelationGeometry(Result):
    """Cosines of captions by what they differ in, and the direction between two relation words."""

    name: ClassVar[str] = "relation_geometry"
    question: ClassVar[str] = "How do captions differ when only left becomes right?"

    table: pd.DataFrame
    """One row for each layer, site, relation and measure."""
    metrics: Mapping[str, Metric] = field()
    """Cosines by kind, the direction with its null, and shares, for each relation."""
    shown: Mapping[str, str]
    """Two captions for each kind of comparison."""
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

    @property
    def embedded(self) -> pd.DataFrame:
        """The rows of the embedding space."""
        return self.table[self.table["site"] == EMBEDDING]

    def last(self, axis: str) -> dict[str, dict[str, Any]]:
        """By measure: the rows of one relation in the embedding space, of the last layer."""
        return last_rows(self.table, axis)

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return f"{self.axes[0]}_consistency"

    @property
    def finding(self) -> str:
        """What left and right alone make of a caption, their direction, and whether it is bound."""
        axis = self.axes[0]
        row = self.last(axis)["consistency"]
        along = direction_words(self.metrics, axis, row, self.random)
        return f"{cosines_words(self.metrics, axis)} {along} {meaning_words(self.metrics, axis)}"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a cosine and a direction do not say, intervals, nulls, the lens, the captions."""
        deep = bool(self.table["layer"].max())
        return geometry_notes(width=self.width, deep=deep, free_text=self.free_text)

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
        return (*cosine_figures(self.embedded), *direction_figures(self.embedded))

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
        run = recording.towers["text"].at(index)
        run.residual(run.n_layers)  # of the pass that others share: `pooled` would make its own
        return measured(run, grid, seed)
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
    Raises what `free_grid` does.
    """
    grid = free_grid(model, pairs, seed)
    return measured(TowerRun(model, "text", grid.tokens, progress=progress), grid, seed)


def measured(run: TowerRun, grid: CaptionGrid, seed: int) -> RelationGeometry:
    """The Result of a text tower on the captions of a grid."""
    table, samples = geometry(run, grid, seed)
    random = random_consistency(run.model, grid, seed)
    most = Metric(value=max(random), n=len(random))
    return RelationGeometry(
        table=table,
        metrics=summary(table, samples, grid) | {f"{grid.axes[0]}_consistency_random": most},
        shown={kind: " — ".join(two) for kind, two in grid.examples().items()},
        width=run.model.text.cfg.d_vocab_out,
        random=random,
        free_text=run.model.processor is not None,
    )


def summary(
    table: pd.DataFrame, samples: Mapping[str, Sample], grid: CaptionGrid
) -> dict[str, Metric]:
    """The numbers of the last embedding by relation and key.

    A sample holds sums by object pair, each a ratio over captions: it has the number's value,
    and the captions are what must be the same where two are paired.
    """
    found = {}
    for axis in grid.axes:
        rows = last_rows(table, axis)
        for key, measure in KEYS.items():
            sample = samples.get(f"{axis}/{measure}")
            about = {"examples": grid.fingerprint, "sample": sample} if sample else {}
            kind = "ratio" if measure in RATIOS else "mean"
            own = Metric.of(rows[measure], estimator=kind, unit="object", **about)
            found[f"{axis}_{key}"] = own
            for end, column in NULL.items() if key == "consistency" else ():
                found[f"{axis}_{key}_{end}"] = Metric(value=rows[measure][column])
    return found


def last_rows(table: pd.DataFrame, axis: str) -> dict[str, dict[str, Any]]:
    """By measure: the rows of one relation in the embedding space, of the last layer."""
    last = (table["layer"] == table["layer"].max()) & (table["site"] == EMBEDDING)
    return {row["measure"]: row for row in records(table[last & (table["relation"] == axis)])}


@torch.no_grad()
def embedded(
    model: DualEncoder, stream: Float[Tensor, "caption d_model"]
) -> Float[Tensor, "caption d_embed"]:
    """Pooled rows of a layer's stream, read as if it were the last."""
    first = torch.zeros(len(stream), dtype=torch.long, device=stream.device)
    return model.project("text", stream[:, None], first)


def geometry(run: TowerRun, grid: CaptionGrid, seed: int) -> tuple[pd.DataFrame, dict[str, Sample]]:
    """Every measure by layer, site and axis; and as `axis/measure` samples of the last embedding.

    Measures: `measures.cosines` and, for embeddings, `measures.direction`.
    Cost: one forward pass, and a tenth of a second a layer and axis.
    """
    if not embedded(run.model, run.pooled(run.n_layers)).abs().max() > ROUNDING:
        raise NotApplicable("the embeddings of all captions have no length")
    objects, far, signs = grid.objects, strangers(grid.pairs), signs_of(len(grid.pairs), seed)
    rows: list[dict[str, Any]] = []
    samples: dict[str, Sample] = {}
    for layer in range(run.n_layers):
        stream = run.pooled(layer + 1)
        for site, vectors in {EMBEDDING: embedded(run.model, stream), RESIDUAL: stream}.items():
            for axis, points in grid.by_axis(vectors.double().cpu().numpy()).items():
                found = {**cosines(points, far)}
                if site == EMBEDDING:  # the samples of the last layer replace those before it
                    found |= direction(points, far, signs)
                    samples |= {f"{axis}/{key}": one.sample(objects) for key, one in found.items()}
                for name, measure in found.items():
                    place = {"layer": layer, "site": site, "relation": axis, "measure": name}
                    own = measure.interval(objects)
                    rows.append({**place, **vars(own), **null_of(measure.null, own.value)})
    return pd.DataFrame(rows), {key: one for key, one in samples.items() if one.bottom.sum() > 0}


def random_consistency(model: DualEncoder, grid: CaptionGrid, seed: int) -> tuple[float, ...]:
    """Consistency of the first axis in models of random weights: what words alone make of it.

    Cost: one forward pass of the axis' captions for each.
    """
    own = grid.of_axis(grid.axes[0])
    signs = signs_of(len(own.pairs), seed, 0)

    def consistency(twin: DualEncoder) -> float:
        run = TowerRun(twin, "text", own.tokens, progress=False)
        vectors = embedded(twin, run.pooled(run.n_layers)).double().cpu().numpy()
        [points] = own.by_axis(vectors).values()
        found = direction(points, strangers(own.pairs), signs)["consistency"]
        return found.interval(own.objects).value or 0.0

    return tuple(map(consistency, random_twins(model, "text", FIRST_SEED + seed)))


def null_of(null: Float[np.ndarray, "draw"] | None, value: float | None) -> dict[str, float]:
    """Mean of the null, its middle 95 %, its 95 % quantile, and how often it reaches the value."""
    names = ("null_mean", "null_low", "null_high", "null_95", "p")
    if null is None or value is None:
        return dict.fromkeys(names, np.nan)
    low, high, most = np.quantile(null, [0.025, 0.975, 0.95])
    p = (1 + (null >= value - ROUNDING).sum()) / (1 + len(null))
    return dict(zip(names, map(float, (null.mean(), low, high, most, p)), strict=True))
