"""A grid of captions through the text tower, and every number of its geometry by layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.geometry.caption_grid import CaptionGrid
from lrinterp.analysis.geometry.cosines import Measure, cosines
from lrinterp.analysis.geometry.direction import direction, signs_of
from lrinterp.analysis.subject import random_twins
from lrinterp.encoders import DualEncoder
from lrinterp.result import NotApplicable
from lrinterp.run import TowerRun
from lrinterp.stats import COSINE, LINEAR, SHARE, Units

__all__ = [
    "EMBEDDING",
    "RESIDUAL",
    "SCALES",
    "SITES",
    "geometry",
    "pooled_streams",
    "random_consistency",
]

EMBEDDING, RESIDUAL = "embedding", "residual"
SITES = (EMBEDDING, RESIDUAL)
"""Through the final norm and the projection, to unit length; and the stream as it stands."""
COSINES = ("relation", "order", "paraphrase", "mirror", "other_objects", "consistency")
SCALES = {**dict.fromkeys(COSINES, COSINE), "direction_accuracy": SHARE}
"""Measures that have bounds."""
FIRST_SEED = 2000
"""Seeds of models with random weights, far from those that people train with."""

Streams = Float[Tensor, "layer caption d_model"]


def pooled_streams(run: TowerRun) -> Streams:
    """The residual stream of the pooled position after each layer."""
    return torch.stack([run.pooled(layer) for layer in range(1, run.n_layers + 1)])


@torch.no_grad()
def at_site(
    model: DualEncoder, stream: Float[Tensor, "caption d_model"], site: str
) -> Float[np.ndarray, "caption _"]:
    """One layer's stream as it stands, or read as if it were the last: an embedding."""
    if site == EMBEDDING:
        first = torch.zeros(len(stream), dtype=torch.long, device=stream.device)
        stream = model.project("text", stream[:, None], first)
    return stream.double().cpu().numpy()


def geometry(run: TowerRun, grid: CaptionGrid, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every measure by layer, site and axis; and by object pair, for the last embedding, its sums.

    Measures: `cosines.cosines` and, for embeddings, `direction.direction`.
    Cost: one forward pass, and a tenth of a second a layer and axis.
    """
    model, streams = run.model, pooled_streams(run)
    if not np.abs(at_site(model, streams[-1], EMBEDDING)).max() > SHORTEST:
        raise NotApplicable("the embeddings of all captions have no length")
    signs, apart = signs_of(len(grid.pairs), seed), grid.apart
    rows: list[dict[str, Any]] = []
    sums: list[pd.DataFrame] = []
    for layer, stream in enumerate(streams):
        for site in SITES:
            for axis, points in grid.by_axis(at_site(model, stream, site)).items():
                found = {**cosines(points, apart)}
                if site == EMBEDDING:
                    found |= direction(points, apart, signs)
                place = {"layer": layer, "site": site, "relation": axis}
                rows.extend({**place, **row} for row in rows_of(found, grid.objects))
                if layer == len(streams) - 1 and site == EMBEDDING:
                    sums.extend(sums_of(found, axis, grid.objects))
    return pd.DataFrame(rows), pd.concat(sums, ignore_index=True)


def random_consistency(model: DualEncoder, grid: CaptionGrid, seed: int) -> tuple[float, ...]:
    """Consistency of the first axis in models of random weights: what words alone make of it.

    Cost: one forward pass of the axis' captions for each.
    """
    own = grid.of_axis(grid.axes[0])
    signs = signs_of(len(own.pairs), seed, 0)

    def consistency(twin: DualEncoder) -> float:
        stream = pooled_streams(TowerRun(twin, "text", own.tokens, progress=False))[-1]
        [points] = own.by_axis(at_site(twin, stream, EMBEDDING)).values()
        top, bottom = direction(points, own.apart, signs)["consistency"].by_pair
        return float(top.sum() / bottom.sum()) if bottom.sum() > 0 else 0.0

    return tuple(map(consistency, random_twins(model, "text", FIRST_SEED + seed)))


def rows_of(found: Mapping[str, Measure], objects: Units) -> Iterator[dict[str, Any]]:
    """Measures with their intervals, and the null where there is one."""
    for name, measure in found.items():
        interval = measure.interval(objects, SCALES.get(name, LINEAR))
        yield {"measure": name, **vars(interval), **null_of(measure.null, interval.value)}


SHORTEST = 1e-9
"""An embedding, of length 1 otherwise, whose largest number is below this has no direction."""
ROUNDING = 1e-9
"""Draws that exchange all pairs, or none, are the value itself up to this."""


def null_of(null: Float[np.ndarray, "draw"] | None, value: float | None) -> dict[str, float]:
    """Mean of the null, its middle 95 %, its 95 % quantile, and how often it reaches the value."""
    names = ("null_mean", "null_low", "null_high", "null_95", "p")
    if null is None or value is None:
        return dict.fromkeys(names, np.nan)
    low, high, most = np.quantile(null, [0.025, 0.975, 0.95])
    p = (1 + (null >= value - ROUNDING).sum()) / (1 + len(null))
    return dict(zip(names, map(float, (null.mean(), low, high, most, p)), strict=True))


def sums_of(found: Mapping[str, Measure], axis: str, objects: Units) -> Iterator[pd.DataFrame]:
    """By object pair, the numbers of its objects: sums of top and bottom of each measure."""
    one, other = objects.member.T
    for name, measure in found.items():
        top, bottom = measure.by_pair
        place = {"relation": axis, "measure": name, "object": one, "other": other}
        yield pd.DataFrame({**place, "top": top, "bottom": bottom})
