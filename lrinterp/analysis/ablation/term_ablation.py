"""Which terms of the attention scores does left-right discrimination need?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from lrinterp.analysis.ablation.controls import carriers
from lrinterp.analysis.ablation.figures import ablation_figures
from lrinterp.analysis.ablation.measure import NOTHING, Runs, comparisons
from lrinterp.analysis.ablation.rows import DOSES, EXCHANGE, NAMED, PIECES, standard
from lrinterp.analysis.ablation.words import found, notes
from lrinterp.analysis.read import LABELS, LOST, WITHOUT, Place
from lrinterp.analysis.subject import decomposable, focus, is_large
from lrinterp.encoders import Tower
from lrinterp.metric import joined
from lrinterp.result import Figure, Metric, Result
from lrinterp.run import Edit, Run, TowerRun, knows_objects, objects, under

__all__ = ["SUMMARISED", "TermAblation", "some_ablations", "term_ablation"]

DRAWS, FEWEST_DRAWS = 20, 3
"""Of a random ablation: as many as the work allows."""
MOST_WORK = 1e12
"""Multiplications that the draws of one ablation may take."""
SUMMARISED = ("unseen_pair", "pictures")
"""Sets that a summary may speak of: held-out pairs, or pictures that nothing was trained on."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TermAblation(Result):
    """Accuracy after taking terms of the attention scores away, and order lost by head."""

    name: ClassVar[str] = "term_ablation"
    question: ClassVar[str] = "Which terms of the attention scores does the model need?"

    table: pd.DataFrame
    """One row for each model, ablation, set, metric and candidates."""
    numbers: Mapping[str, Metric]
    """By summary key: orders, their differences, the heads that carry order where they are known,
    and with `_gap` behind the key of a control measured minus what algebra predicts."""
    pieces: Mapping[str, Metric]
    """Every accuracy by key of PIECES."""
    order_lost: Mapping[Place, Metric]
    """By layer and head, of large towers some: intact minus ablated order, paired, with the head's
    key-position flattened in every query row."""
    exchanged: Mapping[Place, Metric]
    """The same when the head's attention to the objects changes places; empty in large towers."""
    doses: Mapping[float, Metric]
    """Order with key-position multiplied by a dose."""
    chance: float
    """Order accuracy of a guess."""
    on_objects: Float[np.ndarray, "case head"]
    """Mean attention of the pooled token on the objects: intact, and with key-position alone."""
    focus: str
    normed: bool
    """Does LayerNorm scale the keys of the image tower?"""
    notes: tuple[str, ...]
    layers: int = 1
    """Of the image tower."""

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Key-position of the image tower, all heads, layers and rows; controls; other tower."""
        if self.focus not in SUMMARISED:
            return dict.fromkeys((*NAMED, LABELS), NOTHING)
        return self.numbers

    @property
    def more(self) -> Mapping[str, Metric]:
        """Every accuracy without key-position, a piece of it or the values' part, and controls."""
        if self.focus not in SUMMARISED:
            return dict.fromkeys(PIECES, NOTHING)
        return {key: found for key, found in self.pieces.items() if key not in self.numbers}

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
        """The order that each head's removal costs."""
        lost = [
            {"layer": layer, "head": head, **metric.plain()}
            for (layer, head), metric in self.order_lost.items()
        ]
        return {LOST: pd.DataFrame(lost)}

    def figures(self) -> tuple[Figure, ...]:
        """Order under each ablation, controls of shape, the raw split, order by head and dose."""
        return ablation_figures(self)


def term_ablation(
    recording: Run, *, extra: Sequence[Edit] = (), draws: int | None = None
) -> TermAblation:
    """Edit attention scores before the softmax and measure every accuracy again.

    Kinds and their formulas: `lrinterp.decomposition.changes`; the standard list of ablations:
    `standard`, with `extra` behind it. All layers are edited together, each alone, and the
    first one's nine terms; of towers with many heads all are estimated and some measured. `draws`
    of random ablations: 20, in large towers as many as MOST_WORK allows, 3 at least.
    Raises NotApplicable where a tower cannot be split, ValueError, naming the term, for resampling
    one that does not depend on the input.
    Source: arXiv 2601.12809, section 5; the split of deeper layers: arXiv 2310.04861.
    """
    model, image = recording.model, decomposable(recording, "image").cfg
    decomposable(recording, "text")
    run = recording.of(focus(recording.examples))
    runs, examples = Runs(run), run.examples
    count = draws or affordable(model.image, len(examples), examples.grid)
    runs.measure(standard(model), count, [(edit,) for edit in extra])
    if is_large(model):
        runs.estimate()
    more, further = comparisons(recording)
    return TermAblation(
        table=pd.DataFrame([*runs.table, *more]),
        numbers=joined(runs.numbers(), carriers(run, runs.credits)),
        pieces=runs.pieces(),
        order_lost=runs.lost(),
        exchanged=runs.lost(**EXCHANGE),
        doses={dose: runs.order(one) for dose, one in DOSES.items()},
        chance=examples.chance,
        on_objects=on_objects(run.towers["image"]),
        focus=examples.image_set[0],
        normed=image.normalization_type is not None,
        notes=(*runs.notes, *further),
        layers=image.n_layers,
    )


def some_ablations(recording: Run, keys: Sequence[str]) -> dict[str, Metric]:
    """The numbers of `term_ablation` that PIECES names, of those asked for; no other is measured.

    Raises as `term_ablation` does.
    """
    for tower in recording.model.towers:
        decomposable(recording, tower)
    asked = [PIECES[key][0] for key in keys if key in PIECES]
    run = recording.of(focus(recording.examples))
    if run.examples.image_set[0] not in SUMMARISED or not asked:
        return {}
    runs = Runs(run)
    count = affordable(recording.model.image, len(run.examples), run.examples.grid)
    runs.measure(list(dict.fromkeys(asked)), count)
    return {key: found for key, found in runs.pieces().items() if key in keys}


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
    there, rows = objects(run)[:, None].numpy(), torch.arange(len(run))
    cases = (run, under(run, Edit(how="keep", layers=(0,))))
    patterns = (one.cache["pattern", 0][rows, :, run.inputs.pool].cpu().numpy() for one in cases)
    return np.stack([(pattern * there).sum(-1).mean(0).astype(float) for pattern in patterns])
