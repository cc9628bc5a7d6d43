"""What the pooled row gains from each patch's position, and the same where nothing was learned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.gradient.plane_fit import Grid, fit_row, plane_slopes
from lrinterp.axes import Inputs
from lrinterp.decomposition import (
    GAUGES,
    KEY_POSITION,
    MEANS,
    TERMS,
    Streams,
    split_terms,
    term_scores,
)
from lrinterp.encoders import build_tower, initialise, tower_from_plain, tower_plain
from lrinterp.run import TowerRun
from lrinterp.run.places import Index

__all__ = [
    "ENOUGH",
    "PERMUTATIONS",
    "TERM_SETS",
    "UNTRAINED_MODELS",
    "WHOLE",
    "LayerRows",
    "Null",
    "fit_row",
    "permuted_null",
    "tower_rows",
    "untrained_null",
]

TERM_SETS = {"EP": ("EP",), "PP": ("PP",), "bP": ("bP",), "EP+PP+bP": KEY_POSITION}
WHOLE = "EP+PP+bP"
UNTRAINED_MODELS = 100
PERMUTATIONS = 1000
FEW, ENOUGH = 16, 64
"""Inputs that untrained models are measured on: one layer, whose rows differ at most by a norm's
scale, and several, whose positions are means over inputs."""

LayerRows = dict[tuple[int, str, str], Float[np.ndarray, "head pixel"]]
"""By layer, gauge and term: what each head's pooled score gains from each pixel's position."""


@dataclass(frozen=True)
class Null:
    """The largest |slope| over the heads of a tower where nothing was learned, and its kind."""

    kind: str
    highs: Mapping[tuple[str, str], Float[np.ndarray, "2"]]
    """By family of gauges and term: to the right and downwards, in logits a column and a row."""

    def of(self, gauge: str, term: str) -> tuple[float, float]:
        """The largest |slope| to the right and downwards, for the rows of a gauge."""
        x, y = self.highs[family(gauge), term].tolist()
        return x, y


def family(gauge: str) -> str:
    """Rows that are compared with one null: canonical and means together, raw apart."""
    return "raw" if gauge == "raw" else "canonical"


def tower_rows(streams: Streams) -> LayerRows:
    """By layer, gauge and term: the pooled row over the patch keys, mean over pictures.

    The first layer in both gauges of its weights, EP, PP and bP apart and together; the layers
    above it together alone, position by the means over these pictures.
    """
    tower = streams.tower
    rows: LayerRows = {}
    for gauge in GAUGES:
        terms = split_terms(tower, 0, streams.split(0, gauge), streams.pool)
        rows |= {(0, gauge, name): row for name, row in _named(terms)}
    for layer in range(1, tower.cfg.n_layers):
        split = streams.split(layer, MEANS)
        position = term_scores(tower, layer, split, KEY_POSITION, streams.pool)
        rows[layer, MEANS, WHOLE] = position[:, :, 0, 1:].mean(0).cpu().double().numpy()
    return rows


def untrained_null(run: TowerRun, grid: Grid) -> Null:
    """Largest |slope| over heads, and layers, of freshly initialised towers like that of a run."""
    model, tower = run.model, build_tower(tower_from_plain(tower_plain(run.tower.cfg)))
    sample = run.at(some(run.inputs, run.n_layers))
    highs: dict[tuple[str, str], np.ndarray] = {}
    for seed in range(UNTRAINED_MODELS):
        generator = torch.Generator().manual_seed(UNTRAINED_MODELS + seed)
        initialise(tower, model.config, generator)  # type: ignore[arg-type]
        fresh = TowerRun(model.with_tower(run.name, tower), run.name, sample.inputs, sample.places)
        rows = tower_rows(fresh.streams)
        for (_, gauge, term), values in rows.items():
            high = np.abs(plane_slopes(values, grid)).max(-1)
            key = family(gauge), term
            highs[key] = np.maximum(highs[key], high) if key in highs else high
    return Null("untrained", highs)


def permuted_null(own: LayerRows, grid: Grid, seed: int) -> Null:
    """95 % quantile of the largest |slope| over heads, and layers, when patches are permuted."""
    rng = np.random.default_rng(seed)
    n_pixels = next(iter(own.values())).shape[1]
    orders = np.argsort(rng.random((PERMUTATIONS, n_pixels)), axis=1)
    largest: dict[tuple[str, str], np.ndarray] = {}
    for (_, gauge, term), values in own.items():
        found = np.max([np.abs(plane_slopes(row[orders], grid)) for row in values], axis=0)
        key = family(gauge), term
        largest[key] = np.maximum(largest[key], found) if key in largest else found
    return Null("permuted", {key: np.quantile(v, 0.95, axis=-1) for key, v in largest.items()})


def some(inputs: Inputs, layers: int) -> Index:
    """The inputs that untrained models are measured on, for means spread over all of them."""
    if layers == 1:
        return slice(0, FEW)
    return torch.from_numpy(np.unique(np.linspace(0, len(inputs) - 1, ENOUGH).round().astype(int)))


def _named(
    terms: Float[Tensor, "term batch head 1 key"],
) -> Iterator[tuple[str, Float[np.ndarray, "head pixel"]]]:
    """The key-position terms, apart and together, over the patch keys, mean over inputs."""
    for name, group in TERM_SETS.items():
        picked = terms[[TERMS.index(term) for term in group]][..., 0, 1:].sum(0).mean(0)
        yield name, picked.cpu().double().numpy()
