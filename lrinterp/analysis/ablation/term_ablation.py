"""Which terms of the attention scores does left-right discrimination need?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from lrinterp.analysis.ablation.ablation_figures import ablation_figures, pictures_of
from lrinterp.analysis.ablation.ablations import DOSES, EXCHANGE, NUMBERS, SUMMARY, standard
from lrinterp.analysis.ablation.measured_ablations import NOTHING, MeasuredAblations, comparisons
from lrinterp.analysis.ablation.order_heads import carriers
from lrinterp.analysis.read import CARRIERS, LOST, NO_HEAD, WITHOUT, Place
from lrinterp.analysis.subject import decomposable, focus, is_large
from lrinterp.grades import grade, phrase_of
from lrinterp.metric import joined
from lrinterp.result import Figure, Metric, Result
from lrinterp.run import Edit, Run, TowerRun, knows_objects, objects, under
from lrinterp.wording import counted, head_name

__all__ = ["SUMMARISED", "TermAblation", "some_ablations", "term_ablation"]

DRAWS, FEWEST_DRAWS = 20, 3
"""Of a random ablation: as many as the work allows."""
MOST_WORK = 1e12
"""Multiplications that the draws of one ablation may take."""
SUMMARISED = ("unseen_pair", "pictures")
"""Sets that a summary may speak of: held-out pairs, or pictures that nothing was trained on."""
OBJECTS = "order_key_position_and_objects"
SHAPE = (
    "In one layer three controls follow from algebra and are no evidence: reversed key-position "
    "is, but for the values, the mirrored picture; exchanged attention, as far as key-content is "
    "alike for both objects, the swapped one; equalised attention a bag of objects. The table of "
    "the figure gives predictions and gaps. The evidence is in the straight line against its "
    "residual, in single heads, and in doses."
)
ENOUGH = 0.1
"""Swap accuracy that key-position alone may lose and still count as sufficient."""
NOTHING_TO_LOSE = " Intact swap accuracy is not above chance: these ablations cannot lower it."
TOLD = (
    "“Objects told from empty pixels” keeps key-position and replaces all else by its mean over "
    "the objects and its mean over the empty pixels of each picture."
)
RAW = (
    "The raw rows (zero) divide key-position into EP, PP and bP as training left the weights. "
    "Initial scales and weight decay decide how much of one and the same positional preference "
    "ends up in the query's token, position or bias part, so it can look like “EP alone” in one "
    "model and like a shared effort in another"
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TermAblation(Result):
    """Accuracy after taking terms of the attention scores away, and swap accuracy lost by head."""

    name: ClassVar[str] = "term_ablation"
    question: ClassVar[str] = "Which terms of the attention scores does the model need?"

    table: pd.DataFrame
    """One row for each model, ablation, set, metric and candidates."""
    numbers: Mapping[str, Metric]
    """By summary key: orders, their differences, the heads that carry order where they are known,
    and with `_gap` behind the key of a control measured minus what algebra predicts."""
    pieces: Mapping[str, Metric]
    """The other accuracies of NUMBERS that were measured."""
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
        return self.numbers if self.focus in SUMMARISED else dict.fromkeys(SUMMARY, NOTHING)

    @property
    def more(self) -> Mapping[str, Metric]:
        """Every accuracy without key-position, a piece of it or the values' part, and controls."""
        nothing = {key: NOTHING for key in NUMBERS if key not in SUMMARY}
        return self.pieces if self.focus in SUMMARISED else nothing

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return WITHOUT

    @property
    def finding(self) -> str:
        """What removal and sufficiency of key-position did, and what each tower needs."""
        numbers = self.numbers
        keys = ("intact", "without_key_position", "placebo", "key_position_only")
        intact, without, placebo, only = (numbers[f"order_{key}"] for key in keys)
        spread = numbers["order_placebo_minus_without"]
        where = f" in all {self.layers} layers and every query row" if self.layers > 1 else ""
        text, both = (numbers[f"order_without_{key}_key_position"] for key in ("text", "both"))
        known = grade(intact, self.chance) in ("knows", "in part")
        return (
            f"Swap accuracy on {pictures_of(self.focus)} is {intact.phrase} intact, "
            f"{without.phrase} without key-position{where}, {placebo.phrase} under a norm-matched "
            f"random control (paired difference from the removal {spread.phrase}), and "
            f"{only.phrase} with key-position alone ({counted(intact.n, 'picture')}, "
            f"{counted(intact.n_units, 'label')}). Without key-position: "
            f"{phrase_of(without, self.chance)}. Without that of the text tower swap accuracy is "
            f"{text.phrase}, without both {both.phrase}."
            f"{shape(numbers) + carried(numbers) if known else NOTHING_TO_LOSE}{loss(self)}"
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """Kinds of ablation, and why the raw split moves."""
        return notes(self)

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The order that each head's removal costs."""
        lost = [
            {"layer": layer, "head": head, **metric.plain()}
            for (layer, head), metric in self.order_lost.items()
        ]
        return {LOST: pd.DataFrame(lost)}

    def figures(self) -> tuple[Figure, ...]:
        """Swap accuracy under each ablation, controls of shape, the raw split, by head and dose."""
        return ablation_figures(self)


def term_ablation(recording: Run, *, draws: int | None = None) -> TermAblation:
    """Edit attention scores before the softmax and measure every accuracy again.

    Kinds and their formulas: `lrinterp.decomposition.changes`; the list of ablations: `standard`.
    All layers are edited together, each alone, and the first one's nine terms; of towers with many
    heads all are estimated and some measured. `draws` of random ablations: 20, in large towers as
    many as MOST_WORK allows, 3 at least. Raises NotApplicable where a tower cannot be split.
    Source: arXiv 2601.12809, section 5; the split of deeper layers: arXiv 2310.04861.
    """
    model, image = recording.model, decomposable(recording, "image").cfg
    decomposable(recording, "text")
    run = recording.of(focus(recording.examples))
    measured, examples = MeasuredAblations(run), run.examples
    measured.measure(standard(model), draws or affordable(run))
    if is_large(model):
        measured.estimate()
    rows, further = comparisons(recording)
    found = measured.numbers(NUMBERS)
    summary = {key: found.pop(key) for key in SUMMARY}
    return TermAblation(
        table=pd.DataFrame([*measured.table, *rows]),
        numbers=joined(summary, measured.gaps(), carriers(run, measured.credits)),
        pieces={key: metric for key, metric in found.items() if metric is not NOTHING},
        order_lost=measured.lost(),
        exchanged=measured.lost(**EXCHANGE),
        doses={dose: measured.accuracy(one, chance=examples.chance) for dose, one in DOSES.items()},
        chance=examples.chance,
        on_objects=on_objects(run.towers["image"]),
        focus=examples.image_set[0],
        normed=image.normalization_type is not None,
        notes=(*measured.notes, *further),
        layers=image.n_layers,
    )


def some_ablations(recording: Run, keys: Sequence[str]) -> dict[str, Metric]:
    """The numbers of `term_ablation` that NUMBERS names, of those asked for; no other is measured.

    Raises as `term_ablation` does.
    """
    for tower in recording.model.towers:
        decomposable(recording, tower)
    asked = [one for key in keys if key in NUMBERS for one in NUMBERS[key][0]]
    run = recording.of(focus(recording.examples))
    if run.examples.image_set[0] not in SUMMARISED:
        return {}
    measured = MeasuredAblations(run)
    measured.measure(list(dict.fromkeys(asked)), affordable(run))
    found = measured.numbers(keys)
    return {key: metric for key, metric in found.items() if metric is not NOTHING}


def affordable(run: Run) -> int:
    """Draws of a random ablation that MOST_WORK allows."""
    rows, columns = run.examples.grid
    weights = sum(parameter.numel() for parameter in run.model.image.parameters())
    work = weights * len(run.examples) * (1 + rows * columns)
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


def shape(numbers: Mapping[str, Metric]) -> str:
    """Whether the straight line carries order, against what it leaves; what reversal does."""
    keys = ("order_linear_only", "order_residual_rescaled", "order_reversed")
    line, left, turned = (numbers[key] for key in keys)
    return (
        f" With only the straight line of key-position, swap accuracy is {line.phrase}; with the "
        f"residual of the line, rescaled to the size of the term, {left.phrase}; with "
        f"key-position reversed, {turned.phrase}."
    )


def carried(numbers: Mapping[str, Metric]) -> str:
    """Which heads carry order, judged on labels that were not used to choose them."""
    if CARRIERS[0] not in numbers:
        return ""
    heads, order, more = (numbers[key] for key in CARRIERS)
    if heads.value == "none":
        return f" {NO_HEAD}"
    return (
        f" Without the key-position of {heads}, chosen on half of the labels, swap accuracy on "
        f"pairs of the other half is {order.phrase}, {more.phrase} above that without the "
        "key-position of all heads."
    )


def loss(result: TermAblation) -> str:
    """Why key-position alone loses order, where it does and attention of one layer says so."""
    lost = result.numbers["order_intact_minus_key_position_only"]
    told = result.layers == 1 and not result.normed and result.on_objects.size
    if not told or not result.order_lost or lost.low is None or lost.low <= ENOUGH:
        return ""
    place = max(result.order_lost, key=lambda p: float(result.order_lost[p].value or 0))
    before, after = result.on_objects[:, place[1]]
    return (
        f" Keeping key-position alone lowers swap accuracy by {lost.phrase}: attention spreads "
        f"over empty pixels, and the objects hold {after:.2f} of the attention of "
        f"{head_name(*place)} instead of {before:.2f}. If the scores still tell that something "
        f"stands at a pixel, but not what, swap accuracy is {result.numbers[OBJECTS].phrase}."
    )


def notes(result: TermAblation) -> tuple[str, ...]:
    """Kinds of ablation, and why the raw split moves."""
    whole = (
        "with LayerNorm, whose scale differs by key, even the result for key-position as a whole "
        "depends on the gauge."
        if result.normed
        else "for key-position as a whole the result does not depend on the gauge"
        + (" in the first layer." if result.layers > 1 else ".")
    )
    raw = RAW + ("." if result.normed else ". Only their sum is a fact about the model.")
    placebo = result.numbers["order_placebo"].sample
    draws = 0 if placebo is None else len(placebo.top)
    return (
        "Flatten replaces a term on the patch keys by its mean over them and leaves CLS alone: "
        + whole,
        *([raw] if (result.table["gauge"] == "raw").any() else []),
        *([TOLD] if result.numbers[OBJECTS].n else []),
        *([SHAPE] if result.layers == 1 else []),
        "The norm-matched random control keeps the term and subtracts a random row, orthogonal to "
        "it and of the same norm. Random, permuted and resampled rows are means over "
        f"{counted(draws, 'seeded draw')}; their intervals cover other draws and other labels.",
        *result.notes,
    )
