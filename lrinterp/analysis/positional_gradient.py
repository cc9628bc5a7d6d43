"""Do the attention scores rise from left to right, and does the right object gain by it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
import torch
from einops import einsum

from lrinterp.analysis.positional_gradient_rows import (
    LayerRows,
    beside_null,
    fit_in,
    fits,
    gained,
    permuted_null,
    plain_fits,
    slopes_in,
    tower_rows,
    untrained_null,
    whole_rows,
)
from lrinterp.analysis.positional_gradient_shown import Gradients
from lrinterp.analysis.read import GAIN, Place, order_lost, value_of
from lrinterp.analysis.subject import (
    SIDES,
    decomposable,
    focus,
    heads_of,
    is_large,
    over_pictures,
    sides_of,
)
from lrinterp.axes import Pixels
from lrinterp.decomposition import KEY_POSITION
from lrinterp.result import Metric, Result
from lrinterp.run import Edit, Run
from lrinterp.scoring import order_credit
from lrinterp.stats import COSINE, GAP, Sample
from lrinterp.wording import head_name

__all__ = ["PositionalGradient", "choose_headline", "positional_gradient", "some_gradients"]

EXACT = ("headline_head", "headline_slope", "headline_span", "widest_span", "headline_spearman")
"""Numbers of the summary that depend on the weights alone."""
NULLS = {"null_slope": "null_high", "null_span": "null_span"}
DOWN = {
    "headline_slope_y": "slope_y",
    "headline_span_y": "span_y",
    "null_slope_y": "null_high_y",
    "null_span_y": "null_span_y",
}
"""Further numbers of the headline head, those downwards on a grid alone, and their columns."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PositionalGradient(Gradients):
    """Line and plane fits to the positional rows of every head, and attention gained."""

    name: ClassVar[str] = "positional_gradient"
    question: ClassVar[str] = "Do the attention scores rise from left to right?"
    primary: ClassVar[str] = GAIN

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The headline head: its name, slope, span, and the attention the right object gains."""
        row, columns = self.headline_row, NULLS | (DOWN if self.grid[0] > 1 else {})
        return {
            **{key: self.exact[key] for key in EXACT},
            **{k: Metric(value=row[name], estimator="slope") for k, name in columns.items()},
            GAIN: self.gain,
        }

    @cached_property
    def more(self) -> Mapping[str, Metric]:
        """The largest |slope| of any head, and rho of EP, PP and bP in a headline of layer 0."""
        return {key: one for key, one in self.exact.items() if key not in EXACT}

    @cached_property
    def exact(self) -> dict[str, Metric]:
        """The numbers that depend on the weights alone and are held against no null."""
        return exact_numbers(self.table, (self.headline_layer, self.headline))


def positional_gradient(
    recording: Run, *, term_ablation: Result, seed: int = 0
) -> PositionalGradient:
    """Fit a plane to key-position over the patches, for each head of every layer.

    Slope (logits a column), span = |slope| x (columns - 1), range, R^2, Spearman rho, the null's
    largest |slope| (`null_high`) and span; slope_y and span_y downwards on a grid of several rows.
    The first layer also has EP, PP and bP apart. The headline is the head whose key-position
    removal costs most order, where an interval excludes 0, otherwise the one with the largest
    |slope|. Where rows differ by picture their mean is fitted. Source: arXiv 2601.12809, section
    4. Raises NotApplicable where the tower cannot be split.
    """
    tower = decomposable(recording, "image")
    part = recording.of(focus(recording.examples))
    run, grid = part.towers["image"], part.examples.grid
    rows, gains = tower_rows(run.streams), attention_gains(part)
    if recording.model.config is None:
        kind, null = "permuted", permuted_null(rows, grid, seed)
    else:
        kind, null = "untrained", untrained_null(run, grid)
    table = gained(beside_null(fits(rows, grid), kind, null, grid), gains)
    (layer, head), chosen_by = choose_headline(order_lost(term_ablation), slopes_in(table))
    return PositionalGradient(
        table=table,
        rows=long_rows(rows, grid),
        null=kind,
        headline=head,
        headline_layer=layer,
        headline_by=chosen_by,
        focus=part.examples.image_set[0],
        normed=tower.cfg.normalization_type is not None,
        layers=tower.cfg.n_layers,
        grid=grid,
        unit="patch" if isinstance(run.inputs, Pixels) else "pixel",
        side=sides_of(part.examples),
        gain=gains[layer, head],
    )


def some_gradients(recording: Run, keys: Sequence[str]) -> dict[str, Metric]:
    """The exact numbers of `positional_gradient` that are asked for, and nothing else run.

    None of large towers, of which `term_ablation` removes some heads alone. Raises as
    `positional_gradient` does.
    """
    decomposable(recording, "image")
    part = recording.of(focus(recording.examples))
    if is_large(recording.model):
        return {}
    table = plain_fits(part)
    place, _ = choose_headline(lost_by_head(part), slopes_in(table))
    known = exact_numbers(table, place)
    return {key: known[key] for key in keys if key in known}


def exact_numbers(table: pd.DataFrame, place: Place) -> dict[str, Metric]:
    """What the weights alone say of the headline head, and of the steepest of all."""
    row, whole = fit_in(table, place), whole_rows(table)
    lengths = {
        "headline_slope": row["slope"],
        "headline_span": row["span"],
        "widest_span": float(whole["span"].max()),
        "largest_slope": float(whole["slope"].abs().max()),
    }
    rho = {"": row["spearman"]} | {
        f"_{term}": fit_in(table, place, term, "raw")["spearman"] if place[0] == 0 else None
        for term in KEY_POSITION
    }
    return {
        "headline_head": Metric(value=head_name(*place), estimator="name"),
        **{key: Metric(value=one, estimator="slope") for key, one in lengths.items()},
        **{
            f"headline_spearman{term}": Metric(value=one, estimator="correlation")
            for term, one in rho.items()
        },
    }


def choose_headline(
    order_lost: Mapping[Place, Metric], slopes: Mapping[Place, float]
) -> tuple[Place, str]:
    """The headline head and why, from the order that each head's removal costs, and its slope."""
    lost = {h: value_of(s) for h, s in order_lost.items() if s.low is not None and s.low > 0}
    if lost:
        return max(lost, key=lambda head: lost[head]), "its removal lowers swap accuracy most"
    why = "no head's removal reliably lowers swap accuracy"
    if all(lost.low is None for lost in order_lost.values()):
        why = "the loss of swap accuracy has no interval"
    return max(slopes, key=lambda head: abs(slopes[head])), f"the largest |slope|: {why}"


def lost_by_head(run: Run) -> dict[Place, Metric]:
    """By layer and head: the order that its removal costs, as `term_ablation` measures it.

    Of a run of the pictures of one set. Cost: an ablation a head.
    """
    intact, units = order_credit(run.scores, run.examples), run.examples.image_units
    found = {}
    for layer, head in heads_of(run.model):
        scores = run.under(Edit(layers=(layer,), heads=(head,))).scores
        change = intact - order_credit(scores, run.examples)
        found[layer, head] = over_pictures(run.examples, Sample.mean(change[None], units, GAP))
    return found


def attention_gains(run: Run) -> dict[Place, Metric]:
    """By layer and head: attention of the pooled row to the right minus the left of a picture."""
    tower, examples = run.towers["image"], run.examples
    left, right = (tower.places.roles[role].double() for role in SIDES[sides_of(examples)])
    rows, gains = torch.arange(len(tower), device=tower.inputs.pool.device), {}
    for layer in range(tower.n_layers):
        pattern = tower.cache["pattern", layer][rows, :, tower.inputs.pool].cpu().double()
        each = einsum(pattern, right - left, "image head key, image key -> head image").numpy()
        for head, gain in enumerate(each):
            gains[layer, head] = over_pictures(
                examples, Sample.mean(gain[None], examples.image_units, COSINE)
            )
    return gains


def long_rows(rows: LayerRows, grid: tuple[int, int]) -> pd.DataFrame:
    """The fitted values as a long table; pixels, grid rows and columns counted from 1."""
    down, across = np.indices(grid).reshape(2, -1) + 1
    places = {"pixel": np.arange(down.size) + 1, "row": down, "column": across}
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "gauge": gauge,
                    "term": term,
                    "head": head_name(layer, head),
                    **places,
                    "value": row,
                    "layer": layer,
                }
            )
            for (layer, gauge, term), values in rows.items()
            for head, row in enumerate(values)
        ],
        ignore_index=True,
    )
