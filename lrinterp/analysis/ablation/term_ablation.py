"""Which terms of the attention scores does left-right discrimination need?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lrinterp.analysis.ablation.bench import Bench, knows_objects, objects
from lrinterp.analysis.ablation.estimate import CHANGE
from lrinterp.analysis.ablation.figures import (
    estimate_figure,
    heads_figure,
    layers_figure,
    order_figure,
    order_rows,
    split_figure,
)
from lrinterp.analysis.ablation.measure import Runs, comparisons
from lrinterp.analysis.ablation.rows import (
    Main,
    Row,
    head_row,
    is_large,
    main_rows,
    standard_rows,
    text_row,
)
from lrinterp.analysis.ablation.words import found, notes
from lrinterp.analysis.subject import decomposable, focus, unit_of
from lrinterp.encoders import Tower
from lrinterp.metric import joined
from lrinterp.recording import Recording
from lrinterp.result import Figure, Metric, Result
from lrinterp.stats import GAP, SHARE, Sample, Scale, Units

__all__ = ["INTACT", "LABELS", "SUMMARISED", "TEXT", "WITHOUT", "TermAblation", "term_ablation"]

DRAWS, FEWEST_DRAWS = 20, 3
"""Of a random ablation: as many as the work allows."""
MOST_WORK = 1e12
"""Multiplications that the draws of one ablation may take."""
SUMMARISED = ("unseen_pair", "pictures")
"""Sets that a summary may speak of: held-out pairs, or pictures that nothing was trained on."""
LABELS = "label_set_closed_without_key_position"
TEXT = "order_without_text_key_position"
NOTHING = Metric(value=None, n=0, n_units=0, estimator="mean")

INTACT, WITHOUT, _, ONLY, _ = main_rows(1)
"""The ablations of the first layer's pooled row, key-position as a whole."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TermAblation(Result):
    """Accuracy after taking terms of the pooled row away, and order lost by head."""

    name: ClassVar[str] = "term_ablation"
    question: ClassVar[str] = "Which terms of the attention scores does the model need?"

    table: pd.DataFrame
    """One row for each model, ablation, set, metric and candidates."""
    chance: float
    """Order accuracy of a guess."""
    ablations: tuple[str, ...]
    """The ablations of the trained model on the focus set, by `Row.label`, once for each draw."""
    credits: Float[np.ndarray, "run image"]
    """Order credit of each picture in each of them, kept so that ablations can be paired."""
    labels: Int[np.ndarray, "image object"]
    """Of each picture, from left to right: what intervals leave out."""
    label_credits: Float[np.ndarray, "draw image"]
    """Closed label-set credit of each picture without key-position."""
    pictures: str
    """A fingerprint of the pictures."""
    on_objects: Float[np.ndarray, "case head"]
    """Mean attention of the pooled token on the objects: intact, and with key-position alone."""
    focus: str
    normed: bool
    """Does LayerNorm scale the keys of the image tower?"""
    notes: tuple[str, ...]
    layers: int = 1
    """Of the image tower."""
    text_layers: int = 1

    @property
    def units(self) -> Units:
        """The labels of the pictures as units."""
        return Units.of_labels(self.labels)

    @property
    def main(self) -> Main:
        """The ablations of the summary: of the pooled row, or of all layers of a deep tower."""
        return main_rows(self.layers)

    def order(self, row: Row, minus: Row | None = None) -> Metric:
        """Mean order under an ablation, or its paired difference from another."""
        values, other = self.runs(row), self.runs(minus or row)
        if not len(values) or not len(other):
            return NOTHING
        if minus is None:
            return self.over(values, SHARE, chance=self.chance)
        return self.over(values - other.mean(0), GAP, estimator="difference")

    def over(self, values: Float[np.ndarray, "draw image"], scale: Scale, **about: Any) -> Metric:
        """The mean of some values over draws and pictures."""
        sample = Sample.mean(values, self.units, scale)
        unit = unit_of(self.focus)
        return Metric.of_sample(sample, examples=self.pictures, unit=unit, **about)

    def runs(self, row: Row) -> Float[np.ndarray, "draw image"]:
        """Order credit of every picture in every draw of an ablation; no draw if left out."""
        return self.credits[np.array(self.ablations) == row.label]

    @property
    def order_lost(self) -> dict[tuple[int, int], Metric]:
        """By layer and head: intact minus ablated order without its key-position, paired.

        In a tower of one layer of the pooled row, in a deep one of all rows. Of a large tower some
        heads were measured, and only those are here.
        """
        places = sorted({place for name in self.ablations if (place := place_of(name))})
        rows = {place: head_row(*place, self.layers) for place in places}
        return {p: self.order(INTACT, r) for p, r in rows.items() if r.label in self.ablations}

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Key-position of the image tower, all heads; in a deep tower all layers and rows."""
        named = self.main.named
        if self.focus not in SUMMARISED:
            return dict.fromkeys((*named, TEXT, LABELS), NOTHING)
        orders = {key: self.order(row, minus) for key, (row, minus) in named.items()}
        orders[TEXT] = self.order(text_row(self.text_layers))
        return joined(orders, {LABELS: self.over(self.label_credits, SHARE)})

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return "order_without_key_position"

    @property
    def finding(self) -> str:
        """What removal and sufficiency of key-position did."""
        return found(self)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Kinds of ablation, and why the raw split moves."""
        return notes(self)

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Order under each ablation, the raw split beside the canonical one, order by head."""
        rows = order_rows(self.table, self.focus)
        found = [order_figure(rows, self.focus, self.chance)]
        if (rows["gauge"] == "raw").any():
            found.append(split_figure(rows, self.chance))
        if self.layers > 1:
            found.append(layers_figure(rows, self.focus, self.chance))
        changes = self.table[self.table["metric"] == CHANGE]
        estimated = [estimate_figure(changes)] if len(changes) else []
        return (*found, heads_figure(self.order_lost), *estimated)


def term_ablation(
    recording: Recording, *, extra: Sequence[Row] = (), draws: int | None = None
) -> TermAblation:
    """Edit attention scores before the softmax and measure every accuracy again.

    Kinds and their formulas: `lrinterp.decomposition.ablation`; the standard list of ablations:
    `standard_rows`, with `extra` behind it. Deep towers are edited in the first layer, in each
    layer and in all; of towers with many heads all are estimated and some measured. `draws` of
    random ablations: 20, in large towers as many as MOST_WORK allows, 3 at least.
    Raises NotApplicable where a tower cannot be split, ValueError, naming the term, for resampling
    one that does not depend on the input.
    Source: arXiv 2601.12809, section 5; the split of deeper layers: arXiv 2310.04861.
    """
    image, text = (decomposable(recording, tower).cfg for tower in ("image", "text"))
    examples = recording.examples.of(focus(recording.examples))
    bench, large = Bench(recording.model, examples), is_large(image.n_heads, image.n_layers)
    runs, depths = Runs(bench), {"image_layers": image.n_layers, "text_layers": text.n_layers}
    count = draws or affordable(recording.model.image, len(examples), examples.grid)
    runs.measure(standard_rows(image.n_heads, **depths), count, extra)
    if large:
        runs.estimate()
    more, further = comparisons(recording, examples)
    return TermAblation(
        table=pd.DataFrame([*runs.table, *more]),
        chance=examples.chance,
        ablations=tuple(runs.labels),
        credits=np.concatenate(runs.orders),
        labels=examples.image_labels,
        label_credits=runs.label_sets[main_rows(image.n_layers).without.label],
        pictures=examples.fingerprint,
        on_objects=on_objects(bench),
        focus=examples.image_set[0],
        normed=image.normalization_type is not None,
        notes=(*runs.notes, *further),
        layers=image.n_layers,
        text_layers=text.n_layers,
    )


def affordable(tower: Tower, n_pictures: int, grid: tuple[int, int]) -> int:
    """Draws of a random ablation that MOST_WORK allows."""
    weights = sum(parameter.numel() for parameter in tower.parameters())
    work = weights * n_pictures * (1 + grid[0] * grid[1])
    return int(min(DRAWS, max(FEWEST_DRAWS, MOST_WORK // work)))


def on_objects(bench: Bench) -> Float[np.ndarray, "case head"]:
    """First-layer attention of the pooled token on all objects: intact, key-position alone.

    Means over pictures, by head; no head where nothing says where the objects are.
    """
    roles = bench.examples.roles["image"]
    if not knows_objects(roles):
        return np.zeros((2, 0))
    there = objects(roles).numpy()
    return np.stack([attention_on(there, bench, row) for row in (INTACT, ONLY)])


def attention_on(
    there: Bool[np.ndarray, "image pos"], bench: Bench, row: Row
) -> Float[np.ndarray, "head"]:
    """Mean attention of the pooled token on some positions, by head, under an ablation."""
    return (bench.attention(row) * there[:, None]).sum(-1).mean(0).astype(float)


def place_of(label: str) -> tuple[int, int] | None:
    """Layer and head of an ablation of one head of one layer, by its label; None of any other."""
    cells = label.split("/")
    layer = cells[5] if len(cells) > 5 else "0"
    alone = cells[2].isdecimal() and layer.isdecimal()
    return (int(layer), int(cells[2])) if alone else None
