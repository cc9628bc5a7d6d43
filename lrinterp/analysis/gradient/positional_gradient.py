"""Do the attention scores rise from left to right, and does the right object gain by it?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.gradient.attention_gain import attention_gains, gains_of
from lrinterp.analysis.gradient.figures import gradient_figures
from lrinterp.analysis.gradient.fit import (
    WHOLE,
    LayerRows,
    Null,
    permuted_null,
    tower_rows,
    untrained_null,
)
from lrinterp.analysis.gradient.headline import choose
from lrinterp.analysis.gradient.plane_fit import Grid, fit_plane, plane_slopes
from lrinterp.analysis.gradient.words import found, notes
from lrinterp.analysis.read import GAIN, Place, order_lost
from lrinterp.analysis.subject import decomposable, focus, over_pictures, sides_of
from lrinterp.axes import Pixels
from lrinterp.decomposition import gauges_at
from lrinterp.result import Figure, Metric, Result, records
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
    def widest(self) -> float:
        """The largest span of key-position of any head of any layer."""
        return max(
            self.fit_of(int(head), layer=int(layer))["span"]
            for layer, head in self.table[["layer", "head"]].drop_duplicates().to_numpy()
        )

    @property
    def headline_row(self) -> dict[str, Any]:
        """The table row of the headline head, key-position as a whole."""
        return self.fit_of(self.headline, layer=self.headline_layer)

    @property
    def headline_rows(self) -> pd.DataFrame:
        """The fitted values of key-position of all heads in the headline's layer."""
        gauge = gauges_at(self.headline_layer)[0]
        rows = self.rows[(self.rows["gauge"] == gauge) & (self.rows["term"] == WHOLE)]
        return rows[rows["layer"] == self.headline_layer]

    def fit_of(
        self, head: int, term: str = WHOLE, gauge: str | None = None, *, layer: int = 0
    ) -> dict[str, Any]:
        """The table row of one head and term; gauge None is the layer's first."""
        wanted = {"layer": layer, "head": head, "term": term}
        wanted |= {"gauge": gauge or gauges_at(layer)[0]}
        return next(row for row in records(self.table) if wanted.items() <= row.items())

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The headline head: its name, slope, span, and the attention the right object gains."""
        row = self.headline_row
        down = {
            "headline_slope_y": Metric(value=row["slope_y"], estimator="slope"),
            "headline_span_y": Metric(value=row["span_y"], estimator="slope"),
            "null_slope_y": Metric(value=row["null_high_y"], estimator="slope"),
            "null_span_y": Metric(value=row["null_span_y"], estimator="slope"),
        }
        return {
            "headline_head": Metric(value=self.headline_name, estimator="name"),
            "headline_slope": Metric(value=row["slope"], estimator="slope"),
            "headline_span": Metric(value=row["span"], estimator="slope"),
            "widest_span": Metric(value=self.widest, estimator="slope"),
            "headline_spearman": Metric(value=row["spearman"], estimator="correlation"),
            "null_slope": Metric(value=row["null_high"], estimator="slope"),
            "null_span": Metric(value=row["null_span"], estimator="slope"),
            **(down if self.grid[0] > 1 else {}),
            GAIN: self.gain,
        }

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
    examples, name = recording.examples, focus(recording.examples)
    run = recording.of(name).towers["image"]
    rows = tower_rows(run.streams)
    null = (
        permuted_null(rows, examples.grid, seed)
        if recording.model.config is None
        else untrained_null(run, examples.grid)
    )
    fits = pd.DataFrame(list(fitted(rows, examples.grid, null, attention_gains(recording))))
    (layer, head), chosen_by = choose(order_lost(term_ablation), steepness(rows, examples.grid))
    part, gained = examples.of(name), gains_of(recording, layer)[head]
    return PositionalGradient(
        table=fits.astype({"n": "Int64", "n_units": "Int64", **dict.fromkeys(DOWN, float)}),
        rows=pd.DataFrame(list(long_rows(rows, examples.grid))),
        null=null.kind,
        headline=head,
        headline_layer=layer,
        headline_by=chosen_by,
        focus=name,
        normed=tower.cfg.normalization_type is not None,
        layers=tower.cfg.n_layers,
        grid=examples.grid,
        unit="patch" if isinstance(run.inputs, Pixels) else "pixel",
        side=sides_of(examples),
        gain=over_pictures(part, Sample.mean(gained[None], part.image_units, COSINE)),
    )


DOWN = ("slope_y", "span_y", "null_high_y", "null_span_y")
"""Columns that a single row of pixels leaves empty."""


def fitted(
    rows: LayerRows, grid: Grid, null: Null, gains: Mapping[Place, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """One table row for each layer, gauge, term and head."""
    nothing = dict.fromkeys(next(iter(gains.values())))
    for (layer, gauge, term), values in rows.items():
        x, y = null.of(gauge, term)
        against = {"null": null.kind, "null_high": x, "null_span": x * (grid[1] - 1)}
        if grid[0] > 1:
            against |= {"null_high_y": y, "null_span_y": y * (grid[0] - 1)}
        else:
            against |= {"null_high_y": None, "null_span_y": None}
        whole = (gauge, term) == (gauges_at(layer)[0], WHOLE)
        for head, row in enumerate(values):
            place = {"encoder": "image", "layer": layer, "head": head, "term": term}
            gained = gains[layer, head] if whole else nothing
            yield {**place, "gauge": gauge, **fit_plane(row, grid), **against, **gained}


def steepness(rows: LayerRows, grid: Grid) -> dict[Place, float]:
    """The slope of key-position from left to right, by layer and head."""
    return {
        (layer, head): float(slope)
        for (layer, gauge, term), values in rows.items()
        if (gauge, term) == (gauges_at(layer)[0], WHOLE)
        for head, slope in enumerate(plane_slopes(values, grid)[0])
    }


def long_rows(rows: LayerRows, grid: Grid) -> Iterator[dict[str, Any]]:
    """The fitted values as a long table; pixels, grid rows and columns counted from 1."""
    for (layer, gauge, term), values in rows.items():
        for head, row in enumerate(values):
            for pixel, value in enumerate(row.tolist()):
                place = {"gauge": gauge, "term": term, "head": head_name(layer, head)}
                down, across = divmod(pixel, grid[1])
                where = {"pixel": pixel + 1, "row": down + 1, "column": across + 1}
                yield {**place, **where, "value": value, "layer": layer}
