"""What the pooled row gains from each patch's position, and the same where nothing was learned.

Which head is spoken of: the one that order needs most.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.gradient.plane_fit import Grid, plane_slopes
from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import heads_of, over_pictures
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
from lrinterp.result import Metric
from lrinterp.run import Edit, Run, TowerRun
from lrinterp.run.passes import Index
from lrinterp.scoring import order_credit
from lrinterp.stats import GAP, Sample

__all__ = [
    "ENOUGH",
    "PERMUTATIONS",
    "TERM_SETS",
    "UNTRAINED_MODELS",
    "WHOLE",
    "LayerRows",
    "Null",
    "choose",
    "family",
    "lost_by_head",
    "permuted_null",
    "tower_rows",
    "untrained_null",
]

WHOLE = "+".join(KEY_POSITION)
TERM_SETS = ("EP", "PP", "bP", WHOLE)
UNTRAINED_MODELS = 100
PERMUTATIONS = 1000
FEW, ENOUGH = 16, 64
"""Inputs that untrained models are measured on: one layer, whose rows differ at most by a norm's
scale, and several, whose positions are means over inputs."""

LayerRows = dict[tuple[int, str, str], Float[np.ndarray, "head pixel"]]
"""By layer, gauge and term: what each head's pooled score gains from each pixel's position."""
Drawn = tuple[tuple[int, str, str], Float[np.ndarray, "head draw pixel"]]
"""The same of one layer, gauge and term, many times where nothing was learned."""
Null = dict[tuple[str, str], Float[np.ndarray, "2"]]
"""By family of gauges and term: the largest |slope| over the heads of a tower where nothing was
learned, to the right and downwards, in logits a column and a row."""


def family(gauge: str) -> str:
    """Rows that are compared with one null: canonical and means together, raw apart."""
    return "raw" if gauge == "raw" else "canonical"


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
            group = [TERMS.index(term) for term in name.split("+")]
            rows[0, gauge, name] = over_patches(terms[group].sum(0))
    for layer in range(1, tower.cfg.n_layers):
        position = term_scores(tower, layer, streams.split(layer, MEANS), KEY_POSITION, pool)
        rows[layer, MEANS, WHOLE] = over_patches(position)
    return rows


def over_patches(scores: Float[Tensor, "batch head 1 key"]) -> Float[np.ndarray, "head pixel"]:
    """Scores of the patch keys, mean over inputs."""
    return scores[:, :, 0, 1:].mean(0).cpu().double().numpy()


def untrained_null(run: TowerRun, grid: Grid) -> Null:
    """Largest |slope| over heads, and layers, of freshly initialised towers like that of a run."""
    model, tower = run.model, build_tower(tower_from_plain(tower_plain(run.tower.cfg)))
    sample, found = run.at(some(run.inputs, run.n_layers)), []
    for seed in range(UNTRAINED_MODELS):
        generator = torch.Generator().manual_seed(UNTRAINED_MODELS + seed)
        initialise(tower, model.config, generator)  # type: ignore[arg-type]
        fresh = TowerRun(model.with_tower(run.name, tower), run.name, sample.inputs, sample.places)
        found.append(tower_rows(fresh.streams))
    drawn = ((key, np.stack([rows[key] for rows in found], axis=1)) for key in found[0])
    return {key: slopes.max(-1) for key, slopes in steepest(drawn, grid).items()}


def permuted_null(own: LayerRows, grid: Grid, seed: int) -> Null:
    """95 % quantile of the largest |slope| over heads, and layers, when patches are permuted."""
    rng = np.random.default_rng(seed)
    orders = np.argsort(rng.random((PERMUTATIONS, math.prod(grid))), axis=1)
    drawn = ((key, values[:, orders]) for key, values in own.items())
    return {key: np.quantile(s, 0.95, axis=-1) for key, s in steepest(drawn, grid).items()}


def steepest(
    drawn: Iterable[Drawn], grid: Grid
) -> dict[tuple[str, str], Float[np.ndarray, "2 draw"]]:
    """By family and term: the largest |slope| over heads, and layers, in each draw."""
    largest: dict[tuple[str, str], np.ndarray] = {}
    for (_, gauge, term), values in drawn:
        key, found = (family(gauge), term), np.abs(plane_slopes(values, grid)).max(1)
        largest[key] = np.maximum(largest.get(key, 0.0), found)
    return largest


def some(inputs: Inputs, layers: int) -> Index:
    """The inputs that untrained models are measured on, for means spread over all of them."""
    if layers == 1:
        return slice(0, FEW)
    return torch.from_numpy(np.unique(np.linspace(0, len(inputs) - 1, ENOUGH).round().astype(int)))


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


def choose(order_lost: Mapping[Place, Metric], slopes: Mapping[Place, float]) -> tuple[Place, str]:
    """The headline head and why, from the order that each head's removal costs, and its slope."""
    lost = {h: s for h, s in order_lost.items() if s.low is not None and s.low > 0}
    if lost:
        best = max(lost, key=lambda head: lost[head].value)  # type: ignore[arg-type, return-value]
        return best, "its removal costs most order"
    steepest = max(slopes, key=lambda head: abs(slopes[head]))
    if all(lost.low is None for lost in order_lost.values()):
        return steepest, "the largest |slope|: the order lost has no interval"
    return steepest, "the largest |slope|: no head's removal costs order beyond its interval"
