"""Which terms of the attention scores does left-right discrimination need?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lrinterp.analysis.ablation.bench import Bench, knows_objects, objects
from lrinterp.analysis.ablation.estimate import CHANGE
from lrinterp.analysis.ablation.figures import (
    estimate_figure,
    heads_figure,
    layers_figure,
    order_figure,
    order_rows,
    pictures_of,
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
from lrinterp.analysis.subject import decomposable, focus, head_name
from lrinterp.encoders import Tower
from lrinterp.grades import grade, phrase_of
from lrinterp.recording import Recording
from lrinterp.result import Figure, Result, Scalar, records
from lrinterp.stats import GAP, SHARE, Units, crossed_interval
from lrinterp.wording import counted

__all__ = ["INTACT", "LABELS", "SUMMARISED", "TEXT", "WITHOUT", "TermAblation", "term_ablation"]

DRAWS, FEWEST_DRAWS = 20, 3
"""Of a random ablation: as many as the work allows."""
MOST_WORK = 1e12
"""Multiplications that the draws of one ablation may take."""
ENOUGH = 0.1
"""Order that key-position alone may lose and still count as sufficient."""
SUMMARISED = ("unseen_pair", "pictures")
"""Sets that a summary may speak of: held-out pairs, or pictures that nothing was trained on."""
LABELS = "label_set_closed_without_key_position"
TEXT = "order_without_text_key_position"
NOTHING = Scalar(value=None, n=0, n_units=0)

INTACT, WITHOUT, PLACEBO, ONLY, OBJECTS = main_rows(1)
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
    units: Units
    """The labels of the pictures."""
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
    def main(self) -> Main:
        """The ablations of the summary: of the pooled row, or of all layers of a deep tower."""
        return main_rows(self.layers)

    def order(self, row: Row, minus: Row | None = None) -> Scalar:
        """Mean order under an ablation, or its paired difference from another."""
        values, other = self.runs(row), self.runs(minus or row)
        if not len(values) or not len(other):
            return NOTHING
        values = values if minus is None else values - other.mean(0)
        scale = SHARE if minus is None else GAP
        return Scalar(**vars(crossed_interval(values, self.units, scale=scale)))

    def runs(self, row: Row) -> Float[np.ndarray, "draw image"]:
        """Order credit of every picture in every draw of an ablation; no draw if left out."""
        return self.credits[np.array(self.ablations) == row.label]

    @property
    def order_lost(self) -> dict[tuple[int, int], Scalar]:
        """By layer and head: intact minus ablated order without its key-position, paired.

        In a tower of one layer of the pooled row, in a deep one of all rows. Of a large tower some
        heads were measured, and only those are here.
        """
        places = sorted({place for name in self.ablations if (place := place_of(name))})
        rows = {place: head_row(*place, self.layers) for place in places}
        return {p: self.order(INTACT, r) for p, r in rows.items() if r.label in self.ablations}

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """Key-position of the image tower, all heads; in a deep tower all layers and rows."""
        named = self.main.named
        if self.focus not in SUMMARISED:
            return dict.fromkeys((*named, TEXT, LABELS), NOTHING)
        orders = {key: self.order(row, minus) for key, (row, minus) in named.items()}
        orders[TEXT] = self.order(text_row(self.text_layers))
        return {**orders, LABELS: self.label_set(self.main.without)}

    def label_set(self, row: Row) -> Scalar:
        """Closed label-set accuracy of the trained model under an ablation."""
        wanted = {**row.cells, "model": "trained", "set": self.focus}
        wanted |= {"metric": "label_set", "candidates": "closed"}
        return Scalar.of(next(row for row in records(self.table) if wanted.items() <= row.items()))

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return "order_without_key_position"

    @property
    def finding(self) -> str:
        """What removal and sufficiency of key-position did."""
        intact, without, placebo, only = map(self.order, self.main[:4])
        spread = self.order(self.main.placebo, self.main.without)
        where = f" in all {self.layers} layers and every query row" if self.layers > 1 else ""
        text = (
            f"Order on {pictures_of(self.focus)} is {intact.phrase} intact, "
            f"{without.phrase} without key-position{where}, {placebo.phrase} under a placebo "
            f"of the same size ({spread.phrase} above the removal, paired), and {only.phrase} with "
            f"key-position alone ({counted(intact.n, 'picture')}, "
            f"{counted(intact.n_units, 'label')}). Without key-position it is "
            f"{phrase_of(without, self.chance)}; without that of the text tower order is "
            f"{self.order(text_row(self.text_layers)).phrase}."
        )
        return text + at_chance(intact, self.chance) + self.loss

    @property
    def loss(self) -> str:
        """Why key-position alone loses order, where it does and attention of one layer says so."""
        lost = self.order(INTACT, ONLY)
        told = self.layers == 1 and not self.normed and self.on_objects.size and self.order_lost
        if not told or lost.low is None or lost.low <= ENOUGH:
            return ""
        place = max(self.order_lost, key=lambda p: float(self.order_lost[p].value or 0))
        before, after = self.on_objects[:, place[1]]
        return (
            f" Key-position alone loses {lost.phrase} of order: nothing tells objects from "
            f"empty pixels any more, and the objects hold {after:.2f} of the attention of "
            f"{head_name(*place)} instead of {before:.2f}. Where the scores still tell that "
            "something stands at a pixel, though not what, order is "
            f"{self.order(OBJECTS).phrase}."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """Kinds of ablation, and why the raw split moves."""
        whole = (
            "with LayerNorm, whose scale differs by key, even the result for key-position as a "
            "whole depends on the gauge."
            if self.normed
            else "for key-position as a whole the result does not depend on the gauge"
            + (" in the first layer." if self.layers > 1 else ".")
        )
        raw = (
            "The raw rows (zero) divide key-position into EP, PP and bP as the weights happen to "
            "stand. Initial scales and weight decay decide how much of one and the same positional "
            "preference ends up in the query's token, position or bias part, so it can look like "
            "“EP alone” in one model and like a shared effort in another"
            + ("." if self.normed else ". Only their sum is a fact about the model.")
        )
        told = (
            "“Objects told from empty pixels” keeps key-position and replaces all else by its mean "
            "over the objects and its mean over the empty pixels of each picture."
        )
        return (
            "Flatten replaces a term on the patch keys by its mean over them and leaves CLS alone: "
            + whole,
            *([raw] if (self.table["gauge"] == "raw").any() else []),
            *([told] if len(self.runs(self.main.objects)) else []),
            "The placebo keeps the term and subtracts a random row, orthogonal to it and of the "
            "same size. Placebo, permuted and resampled rows are means over "
            f"{counted(len(self.runs(self.main.placebo)), 'seeded draw')}; their intervals cover "
            "other draws and other labels.",
            *self.notes,
        )

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


def at_chance(intact: Scalar, chance: float) -> str:
    """That nothing can be taken from a model that has nothing."""
    if grade(intact, chance) in ("knows", "in part"):
        return ""
    return " Intact order is not above chance: these ablations can take nothing from it."


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
        units=examples.image_units,
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
