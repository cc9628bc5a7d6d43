"""Which terms of the attention scores does left-right discrimination need?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from lrinterp.analysis.ablation.controls import Carriers, carriers, predicted
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
from lrinterp.analysis.ablation.rows import Ablation, Listed, label_of
from lrinterp.analysis.ablation.shape_figures import doses_figure, exchange_figure, shape_figure
from lrinterp.analysis.ablation.words import found, notes
from lrinterp.analysis.read import CARRIERS, LABELS, LOST, WITHOUT, Place
from lrinterp.analysis.subject import decomposable, focus, unit_of
from lrinterp.encoders import Tower
from lrinterp.metric import joined
from lrinterp.result import Figure, Metric, Result
from lrinterp.run import Edit, Run, TowerRun, knows_objects, objects, under
from lrinterp.run.edit import ATTENTION
from lrinterp.stats import GAP, SHARE, Sample, Scale, Units

__all__ = [
    "SUMMARISED",
    "TermAblation",
    "term_ablation",
]

DRAWS, FEWEST_DRAWS = 20, 3
"""Of a random ablation: as many as the work allows."""
MOST_WORK = 1e12
"""Multiplications that the draws of one ablation may take."""
SUMMARISED = ("unseen_pair", "pictures")
"""Sets that a summary may speak of: held-out pairs, or pictures that nothing was trained on."""
INTACT = "order_intact"
NOTHING = Metric(value=None, n=0, n_units=0, estimator="mean")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TermAblation(Result):
    """Accuracy after taking terms of the attention scores away, and order lost by head."""

    name: ClassVar[str] = "term_ablation"
    question: ClassVar[str] = "Which terms of the attention scores does the model need?"

    table: pd.DataFrame
    """One row for each model, ablation, set, metric and candidates."""
    chance: float
    """Order accuracy of a guess."""
    credits: Mapping[str, Float[np.ndarray, "draw image"]]
    """By the label of an ablation: order credit of each picture, kept to pair ablations."""
    named: Mapping[str, tuple[str, ...]]
    """By summary key: the label of an ablation, and of one that is taken from it, if there is."""
    by_head: Mapping[str, Mapping[Place, str]]
    """By kind, flatten or exchange: the labels of the ablations of one head."""
    doses: Mapping[float, str]
    """The labels of the ablations that multiply key-position with a dose."""
    labels: Int[np.ndarray, "image object"]
    """Of each picture, from left to right: what intervals leave out."""
    label_credits: Float[np.ndarray, "draw image"]
    """Closed label-set credit of each picture without key-position."""
    carriers: Carriers | None
    """The heads that carry order; None where too few labels could choose and judge them."""
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

    @property
    def units(self) -> Units:
        """The labels of the pictures as units."""
        return Units.of_labels(self.labels)

    def order(self, label: str, minus: str | None = None) -> Metric:
        """Mean order under an ablation, or its paired difference from another, by their labels."""
        if label not in self.credits or (minus is not None and minus not in self.credits):
            return NOTHING
        if minus is None:
            return self.over(self.credits[label], SHARE, chance=self.chance)
        gap = self.credits[label] - self.credits[minus].mean(0)
        return self.over(gap, GAP, estimator="difference")

    def over(self, values: Float[np.ndarray, "draw image"], scale: Scale, **about: Any) -> Metric:
        """The mean of some values over draws and pictures."""
        sample = Sample.mean(values, self.units, scale)
        return Metric.of_sample(sample, examples=self.pictures, unit=unit_of(self.focus), **about)

    def lost(self, kind: str) -> dict[Place, Metric]:
        """By layer and head: intact minus ablated order, paired; of large towers some heads."""
        intact = self.named[INTACT][0]
        return {
            place: self.order(intact, label)
            for place, label in self.by_head[kind].items()
            if label in self.credits
        }

    @cached_property
    def order_lost(self) -> dict[Place, Metric]:
        """`lost` when a head's key-position is flattened, in every query row."""
        return self.lost("flatten")

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Key-position of the image tower, all heads, layers and rows; controls; other tower."""
        if self.focus not in SUMMARISED:
            return dict.fromkeys((*self.named, LABELS), NOTHING)
        orders = {key: self.order(*labels) for key, labels in self.named.items()}
        labels = {LABELS: self.over(self.label_credits, SHARE)}
        return joined(orders, labels, self.gaps, self.of_carriers)

    @cached_property
    def gaps(self) -> dict[str, Metric]:
        """By the key of a control with `_gap` behind it: measured minus what algebra predicts."""
        intact, found = self.credits[self.named[INTACT][0]][0], {}
        for key, (label, *_) in self.named.items():
            wanted = predicted(key, intact, self.layers, self.labels.shape[1], self.chance)
            if wanted is not None and label in self.credits:
                gap = self.credits[label] - wanted
                found[f"{key}_gap"] = self.over(gap, GAP, estimator="difference")
        return found

    @cached_property
    def of_carriers(self) -> dict[str, Metric]:
        """The heads that carry order, order without them, and how much more all heads take."""
        if self.carriers is None:
            return {}
        units = self.units.at(self.carriers.pictures)
        about = {"unit": unit_of(self.focus), "examples": self.carriers.examples}
        without = Sample.mean(self.carriers.without[None], units)
        gap = self.carriers.without - self.carriers.without_all
        more = Sample.mean(gap[None], units, GAP)
        numbers = (
            Metric(value=", ".join(self.carriers.heads) or "none", estimator="name"),
            Metric.of_sample(without, chance=self.chance, **about),
            Metric.of_sample(more, estimator="difference", **about),
        )
        return dict(zip(CARRIERS, numbers, strict=True))

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return WITHOUT

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

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The table, and the order that each head's removal costs."""
        lost = [
            {"layer": layer, "head": head, **metric.plain()}
            for (layer, head), metric in self.order_lost.items()
        ]
        return {"": self.table, LOST: pd.DataFrame(lost)}

    def figures(self) -> tuple[Figure, ...]:
        """Order under each ablation, controls of shape, the raw split, order by head and dose."""
        rows = order_rows(self.table, self.focus)
        found = [order_figure(rows, self.focus, self.chance), shape_figure(self)]
        found.append(doses_figure(self))
        if (rows["gauge"] == "raw").any():
            found.append(split_figure(rows, self.chance))
        if self.layers > 1:
            found.append(layers_figure(rows, self.focus, self.chance))
        changes = self.table[self.table["metric"] == CHANGE]
        estimated = [estimate_figure(changes)] if len(changes) else []
        exchanged = self.lost("exchange")
        more = [exchange_figure(exchanged)] if exchanged else []
        return (*found, heads_figure(self.order_lost), *more, *estimated)


def term_ablation(
    recording: Run, *, extra: Sequence[Edit] = (), draws: int | None = None
) -> TermAblation:
    """Edit attention scores before the softmax and measure every accuracy again.

    Kinds and their formulas: `lrinterp.decomposition.changes`; the standard list of ablations:
    `Listed.standard`, with `extra` behind it. All layers are edited together, each alone, and the
    first one's nine terms; of towers with many heads all are estimated and some measured. `draws`
    of random ablations: 20, in large towers as many as MOST_WORK allows, 3 at least.
    Raises NotApplicable where a tower cannot be split, ValueError, naming the term, for resampling
    one that does not depend on the input.
    Source: arXiv 2601.12809, section 5; the split of deeper layers: arXiv 2310.04861.
    """
    image = decomposable(recording, "image").cfg
    decomposable(recording, "text")
    run, listed = recording.of(focus(recording.examples)), Listed(model=recording.model)
    runs, examples = Runs(run), run.examples
    count = draws or affordable(recording.model.image, len(examples), examples.grid)
    asked = [(edit.within(recording.model.towers[edit.tower]),) for edit in extra]
    runs.measure(listed.standard(), count, asked)
    if listed.large:
        runs.estimate()
    more, further = comparisons(recording)
    return TermAblation(
        table=pd.DataFrame([*runs.table, *more]),
        chance=examples.chance,
        credits={label: found["order", "pair"] for label, found in runs.measured.items()},
        **labels_of(listed),
        labels=examples.image_labels,
        label_credits=runs.measured[label_of(listed.without, run.model)]["label_set", "closed"],
        carriers=carriers(run, listed),
        pictures=examples.fingerprint,
        on_objects=on_objects(run.towers["image"]),
        focus=examples.image_set[0],
        normed=image.normalization_type is not None,
        notes=(*runs.notes, *further),
        layers=image.n_layers,
    )


def labels_of(listed: Listed) -> dict[str, Any]:
    """The labels of the ablations that a summary and figures speak of."""

    def label(ablation: Ablation) -> str:
        return label_of(ablation, listed.model)

    heads = listed.heads()
    exchange = {"how": "exchange", "what": ATTENTION}
    return {
        "named": {
            key: tuple(label(ablation) for ablation in (one, minus) if ablation is not None)
            for key, (one, minus) in listed.named.items()
        },
        "by_head": {
            "flatten": {place: label(listed.head(*place)) for place in heads},
            "exchange": {place: label(listed.head(*place, **exchange)) for place in heads},
        },
        "doses": {dose: label(ablation) for dose, ablation in listed.doses()},
    }


def affordable(tower: Tower, n_pictures: int, grid: tuple[int, int]) -> int:
    """Draws of a random ablation that MOST_WORK allows."""
    weights = sum(parameter.numel() for parameter in tower.parameters())
    work = weights * n_pictures * (1 + grid[0] * grid[1])
    return int(min(DRAWS, max(FEWEST_DRAWS, MOST_WORK // work)))


def on_objects(run: TowerRun) -> Float[np.ndarray, "case head"]:
    """First-layer attention of the pooled token on all objects: intact, key-position alone.

    Means over pictures, by head; no head where nothing says where the objects are.
    """
    if not knows_objects(run):
        return np.zeros((2, 0))
    there, rows = objects(run).numpy(), torch.arange(len(run))
    found = []
    for one in (run, under(run, Edit(how="keep", layers=(0,)))):
        pattern = one.cache["pattern", 0][rows, :, run.inputs.pool].cpu().numpy()
        found.append((pattern * there[:, None]).sum(-1).mean(0).astype(float))
    return np.stack(found)
