"""What the pooled row gains from each patch's position, and the planes that are fitted to it.

value(row, column) = level + slope * column + slope_y * row, by least squares; on a full grid the
two slopes do not depend on each other. A single row of pixels has a line, and no `slope_y`. The
same is done where nothing was learned, as a null.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

from lrinterp.analysis.read import Place
from lrinterp.decomposition import (
    GAUGES,
    KEY_POSITION,
    MEANS,
    Streams,
    gauges_at,
    split_terms,
    term_scores,
    total,
)
from lrinterp.encoders import build_tower, initialise, tower_from_plain, tower_plain
from lrinterp.result import Metric, records
from lrinterp.run import Run, TowerRun

__all__ = [
    "ENOUGH",
    "PERMUTATIONS",
    "TERM_SETS",
    "UNTRAINED_MODELS",
    "WHOLE",
    "Grid",
    "LayerRows",
    "Null",
    "beside_null",
    "fit_in",
    "fit_plane",
    "fits",
    "gained",
    "permuted_null",
    "plain_fits",
    "plane_slopes",
    "slopes",
    "slopes_in",
    "tower_rows",
    "untrained_null",
    "whole_rows",
]

WHOLE = "+".join(KEY_POSITION)
TERM_SETS = ("EP", "PP", "bP", WHOLE)
UNTRAINED_MODELS = 100
PERMUTATIONS = 1000
GAINED = {
    "attention_gain": "value", "gain_low": "low", "gain_high": "high",
    "n": "n", "n_units": "n_units",
}  # fmt: skip
"""Columns of the attention gained, and the fields of its numbers."""
FEW, ENOUGH = 16, 64
"""Inputs that untrained models are measured on: the first ones of one layer, whose rows differ at
most by a norm's scale; of several, whose positions are means over inputs, some spread over all."""

Grid = tuple[int, int]
"""Rows and columns of patches; patch row * columns + column stands there."""
CONSTANT = 1e-6
"""Logits from smallest to largest below which values count as constant."""

LayerRows = dict[tuple[int, str, str], Float[np.ndarray, "head pixel"]]
"""By layer, gauge and term: what each head's pooled score gains from each pixel's position."""
Drawn = tuple[tuple[int, str, str], Float[np.ndarray, "head draw pixel"]]
"""The same of one layer, gauge and term, many times where nothing was learned."""
Null = dict[tuple[bool, str], Float[np.ndarray, "2"]]
"""By whether the gauge is raw, and term: the largest |slope| over the heads of a tower where
nothing was learned, to the right and downwards, in logits a column and a row."""


def tower_rows(streams: Streams) -> LayerRows:
    """By layer, gauge and term: the pooled row over the patch keys, mean over pictures.

    The first layer in both gauges of its weights, EP, PP and bP apart and together; the layers
    above it together alone, position by the means over these pictures.
    """
    tower, pool = streams.tower, streams.pool
    rows: LayerRows = {}
    for gauge in GAUGES:
        terms = split_terms(tower, 0, streams.split(0, gauge), pool)
        for name in TERM_SETS:
            rows[0, gauge, name] = patch_scores(total(terms, name.split("+")))
    for layer in range(1, tower.cfg.n_layers):
        position = term_scores(tower, layer, streams.split(layer, MEANS), KEY_POSITION, pool)
        rows[layer, MEANS, WHOLE] = patch_scores(position)
    return rows


def patch_scores(scores: Float[Tensor, "batch head 1 key"]) -> Float[np.ndarray, "head pixel"]:
    """Scores of the patch keys, mean over inputs."""
    return scores[:, :, 0, 1:].mean(0).cpu().double().numpy()


def untrained_null(run: TowerRun, grid: Grid) -> Null:
    """Largest |slope| over heads, and layers, of freshly initialised towers like that of a run."""
    model, tower = run.model, build_tower(tower_from_plain(tower_plain(run.tower.cfg)))
    some = np.arange(FEW)
    if run.n_layers > 1:
        some = np.unique(np.linspace(0, len(run) - 1, ENOUGH).round().astype(int))
    sample, found = run.at(torch.from_numpy(some)), []
    for seed in range(UNTRAINED_MODELS):
        initialise(tower, model.config, torch.Generator().manual_seed(UNTRAINED_MODELS + seed))  # type: ignore[arg-type]
        fresh = TowerRun(model.with_tower(run.name, tower), run.name, sample.inputs, sample.places)
        found.append(tower_rows(fresh.streams))
    drawn = ((key, np.stack([rows[key] for rows in found], axis=1)) for key in found[0])
    return {key: slopes.max(-1) for key, slopes in steepest(drawn, grid).items()}


def permuted_null(own: LayerRows, grid: Grid, seed: int) -> Null:
    """95 % quantile of the largest |slope| over heads, and layers, when patches are permuted."""
    orders = np.argsort(np.random.default_rng(seed).random((PERMUTATIONS, math.prod(grid))), axis=1)
    drawn = ((key, values[:, orders]) for key, values in own.items())
    return {key: np.quantile(s, 0.95, axis=-1) for key, s in steepest(drawn, grid).items()}


def steepest(
    drawn: Iterable[Drawn], grid: Grid
) -> dict[tuple[bool, str], Float[np.ndarray, "2 draw"]]:
    """By null and term: the largest |slope| over heads, and layers, in each draw."""
    largest: dict[tuple[bool, str], np.ndarray] = {}
    for (_, gauge, term), values in drawn:
        key, found = (gauge == "raw", term), np.abs(plane_slopes(values, grid)).max(1)
        largest[key] = np.maximum(largest.get(key, 0.0), found)
    return largest


def slopes(rows: Float[np.ndarray, "*row pixel"]) -> Float[np.ndarray, "*row"]:
    """Least-squares slope over the pixels; 0 for a constant row, and for a single pixel."""
    x = np.arange(rows.shape[-1]) - (rows.shape[-1] - 1) / 2
    return (rows - rows.mean(-1, keepdims=True)) @ x / max(x @ x, 0.5)


def plane_slopes(rows: Float[np.ndarray, "*row patch"], grid: Grid) -> Float[np.ndarray, "2 *row"]:
    """Least-squares slopes of a plane: per column (to the right), then per row (downwards)."""
    cells = rearrange(rows, "... (row column) -> ... row column", row=grid[0])
    return np.stack([slopes(cells.mean(-2)), slopes(cells.mean(-1))])


def fit_plane(values: Float[np.ndarray, "patch"], grid: Grid) -> dict[str, Any]:
    """Slope, span, range, R^2 and Spearman rho; slope and span downwards where there are rows.

    Spans are |slope| times the steps from end to end, R^2 is that of the plane, rho that of the
    means of the columns with their number, from left to right. Constant values have slopes of 0
    and no correlation. Slopes in logits a column or row, spans and range in logits.
    """
    (rows, columns), reach = grid, float(np.ptp(values))
    x, y, r2, rho = 0.0, 0.0, None, None
    if reach >= CONSTANT:
        x, y = plane_slopes(values[None], grid)[:, 0].tolist()
        (down, across), means = np.indices(grid), values.reshape(grid).mean(0)
        r2 = float((x * across + y * down).var() / values.var())
        if np.ptp(means) >= CONSTANT:
            rho = float(np.asarray(spearmanr(np.arange(columns), means))[0])
    return {
        "slope": x,
        "span": abs(x) * (columns - 1),
        "range": reach,
        "r2": r2,
        "spearman": rho,
        "slope_y": y if rows > 1 else None,
        "span_y": abs(y) * (rows - 1) if rows > 1 else None,
    }


def fits(rows: LayerRows, grid: Grid) -> pd.DataFrame:
    """A table of the fits by layer, gauge, term and head."""
    return pd.DataFrame(
        [
            {
                "encoder": "image",
                "layer": layer,
                "head": head,
                "term": term,
                "gauge": gauge,
                **fit_plane(row, grid),
            }
            for (layer, gauge, term), values in rows.items()
            for head, row in enumerate(values)
        ]
    ).astype({"slope_y": float, "span_y": float})


def beside_null(table: pd.DataFrame, kind: str, null: Null, grid: Grid) -> pd.DataFrame:
    """The fits beside a null of some kind: its largest |slope| and span, both ways on a grid."""
    x, y = np.array(
        [null[key] for key in zip(table["gauge"] == "raw", table["term"], strict=True)]
    ).T
    if grid[0] == 1:
        y = np.full_like(y, np.nan)
    return table.assign(
        null=kind,
        null_high=x,
        null_span=x * (grid[1] - 1),
        null_high_y=y,
        null_span_y=y * (grid[0] - 1),
    )


def gained(table: pd.DataFrame, gains: Mapping[Place, Metric]) -> pd.DataFrame:
    """The fits with the attention that each head gains, beside key-position as a whole."""
    whole = whole_rows(table)
    found = [gains[place] for place in zip(whole["layer"], whole["head"], strict=True)]
    return table.join(
        pd.DataFrame(
            {name: [getattr(one, of) for one in found] for name, of in GAINED.items()},
            index=whole.index,
        )
    ).astype({"n": "Int64", "n_units": "Int64"})


def plain_fits(part: Run) -> pd.DataFrame:
    """The table of fits without null and attention gained, of pictures of one set."""
    return fits(tower_rows(part.towers["image"].streams), part.examples.grid)


def whole_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of key-position as a whole, in each layer's native gauge."""
    return table[(table["term"] == WHOLE) & (table["gauge"] != "raw")]


def slopes_in(table: pd.DataFrame) -> dict[Place, float]:
    """By layer and head: the slope of key-position as a whole."""
    return {(row["layer"], row["head"]): row["slope"] for row in records(whole_rows(table))}


def fit_in(
    table: pd.DataFrame, place: Place, term: str = WHOLE, gauge: str | None = None
) -> dict[str, Any]:
    """The table row of one head and term; gauge None is the layer's first."""
    here = (table["layer"] == place[0]) & (table["head"] == place[1]) & (table["term"] == term)
    [row] = records(table[here & (table["gauge"] == (gauge or gauges_at(place[0])[0]))])
    return row
