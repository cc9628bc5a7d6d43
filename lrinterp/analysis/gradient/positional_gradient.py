"""Do the attention scores rise from left to right, and does the right object gain by it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch
from einops import einsum

from lrinterp.analysis.gradient.figures import gradient_figures
from lrinterp.analysis.gradient.fit import (
    WHOLE,
    LayerRows,
    choose,
    permuted_null,
    tower_rows,
    untrained_null,
)
from lrinterp.analysis.gradient.plane_fit import Grid
from lrinterp.analysis.gradient.table import (
    EXACT,
    exact_numbers,
    fit_in,
    fits,
    slopes_in,
    whole_rows,
)
from lrinterp.analysis.gradient.words import found, notes
from lrinterp.analysis.read import GAIN, Place, order_lost
from lrinterp.analysis.subject import (
    SIDES,
    decomposable,
    focus,
    over_pictures,
    sides_of,
)
from lrinterp.axes import Pixels
from lrinterp.result import Figure, Metric, Result
from lrinterp.run import Run
from lrinterp.stats import COSINE, Sample
from lrinterp.wording import head_name

__all__ = ["PositionalGradient", "positional_gradient"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PositionalGradient(Result):
    """Line and plane fits to the positional rows of every head, and attention gained."""

    name: ClassVar[str] = "positional_gradient"
    question: ClassVar[str] = "Do the attention scores rise from left to right?"

    table: pd.DataFrame
    """Fits by layer, head, term and gauge; attention gained beside key-position as a whole."""
    rows: pd.DataFrame
    """The fitted values themselves: logits by gauge, term, layer, head and pixel."""
    null: str
    """`untrained` or `permuted`."""
    headline: int
    """The head that the summary speaks of."""
    headline_layer: int
    """The layer of that head."""
    headline_by: str
    """How it was chosen."""
    focus: str
    normed: bool
    """Does LayerNorm scale the rows by picture?"""
    layers: int
    """Layers of the image tower."""
    grid: Grid
    """Rows and columns of pixels or patches."""
    unit: str
    """What a position of the grid holds: a pixel of the toy world, or a patch."""
    side: str
    """What is known of a side: where its object is, or no more than the half of the picture."""
    gain: Metric
    """Attention that the headline head gives the right side over the left, over the pictures."""

    @property
    def headline_name(self) -> str:
        """The headline head as it is written: L0H2."""
        return head_name(self.headline_layer, self.headline)

    @property
    def whole(self) -> pd.DataFrame:
        """The table's rows of key-position as a whole, in each layer's own gauge."""
        return whole_rows(self.table)

    @property
    def headline_row(self) -> dict[str, Any]:
        """The table row of the headline head, key-position as a whole."""
        return self.fit_of(self.headline, layer=self.headline_layer)

    @property
    def headline_rows(self) -> pd.DataFrame:
        """The fitted values of key-position of all heads in the headline's layer."""
        return whole_rows(self.rows[self.rows["layer"] == self.headline_layer])

    def fit_of(
        self, head: int, term: str = WHOLE, gauge: str | None = None, *, layer: int = 0
    ) -> dict[str, Any]:
        """The table row of one head and term; gauge None is the layer's first."""
        return fit_in(self.table, (layer, head), term, gauge)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The headline head: its name, slope, span, and the attention the right object gains."""
        row, known = self.headline_row, self.exact
        down = {
            "headline_slope_y": Metric(value=row["slope_y"], estimator="slope"),
            "headline_span_y": Metric(value=row["span_y"], estimator="slope"),
            "null_slope_y": Metric(value=row["null_high_y"], estimator="slope"),
            "null_span_y": Metric(value=row["null_span_y"], estimator="slope"),
        }
        return {
            **{key: known[key] for key in EXACT},
            "null_slope": Metric(value=row["null_high"], estimator="slope"),
            "null_span": Metric(value=row["null_span"], estimator="slope"),
            **(down if self.grid[0] > 1 else {}),
            GAIN: self.gain,
        }

    @property
    def more(self) -> Mapping[str, Metric]:
        """The largest |slope| of any head, and rho of EP, PP and bP in a headline of layer 0."""
        return {key: one for key, one in self.exact.items() if key not in EXACT}

    @property
    def exact(self) -> dict[str, Metric]:
        """The numbers that depend on the weights alone and are held against no null."""
        return exact_numbers(self.table, (self.headline_layer, self.headline))

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return GAIN

    @property
    def finding(self) -> str:
        """The gradient of the headline head against its null."""
        return found(self)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Exactness, sign, gauge and the size of the null."""
        return notes(self)

    def frame(self) -> pd.DataFrame:
        """The fits."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Positional rows, or maps over the patches, slopes of all heads, attention gained."""
        return gradient_figures(self)


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
    table = fits(rows, grid, (kind, null), gains)
    (layer, head), chosen_by = choose(order_lost(term_ablation), slopes_in(table))
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


def attention_gains(run: Run) -> dict[Place, Metric]:
    """By layer and head: attention of the pooled row to the right minus the left of a picture."""
    tower, examples = run.towers["image"], run.examples
    left, right = (tower.places.roles[role].double() for role in SIDES[sides_of(examples)])
    rows, gains = torch.arange(len(tower), device=tower.inputs.pool.device), {}
    for layer in range(tower.n_layers):
        pattern = tower.cache["pattern", layer][rows, :, tower.inputs.pool].cpu().double()
        gained = einsum(pattern, right - left, "image head key, image key -> head image").numpy()
        for head, gain in enumerate(gained):
            sample = Sample.mean(gain[None], examples.image_units, COSINE)
            gains[layer, head] = over_pictures(examples, sample)
    return gains


def long_rows(rows: LayerRows, grid: Grid) -> pd.DataFrame:
    """The fitted values as a long table; pixels, grid rows and columns counted from 1."""
    down, across = np.indices(grid).reshape(2, -1) + 1
    parts = [
        pd.DataFrame(
            {
                "gauge": gauge,
                "term": term,
                "head": head_name(layer, head),
                "pixel": np.arange(len(row)) + 1,
                "row": down,
                "column": across,
                "value": row,
                "layer": layer,
            }
        )
        for (layer, gauge, term), values in rows.items()
        for head, row in enumerate(values)
    ]
    return pd.concat(parts, ignore_index=True)
