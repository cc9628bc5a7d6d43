"""A grid of captions through the text tower, and every number of its geometry by layer."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.geometry.caption_grid import CaptionGrid
from lrinterp.analysis.geometry.measures import apart, cosines, direction, signs_of
from lrinterp.analysis.subject import random_twins
from lrinterp.encoders import DualEncoder
from lrinterp.result import NotApplicable
from lrinterp.run import TowerRun
from lrinterp.stats import Sample

__all__ = ["EMBEDDING", "RESIDUAL", "SITES", "geometry", "pooled_streams", "random_consistency"]

EMBEDDING, RESIDUAL = "embedding", "residual"
SITES = (EMBEDDING, RESIDUAL)
"""Through the final norm and the projection, to unit length; and the stream as it stands."""
FIRST_SEED = 2000
"""Seeds of models with random weights, far from those that people train with."""
SHORTEST = 1e-9
"""An embedding, of length 1 otherwise, whose largest number is below this has no direction."""
ROUNDING = 1e-9
"""Draws that exchange all pairs, or none, are the value itself up to this."""

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


def geometry(run: TowerRun, grid: CaptionGrid, seed: int) -> tuple[pd.DataFrame, dict[str, Sample]]:
    """Every measure by layer, site and axis; and as `axis/measure` samples of the last embedding.

    Measures: `measures.cosines` and, for embeddings, `measures.direction`.
    Cost: one forward pass, and a tenth of a second a layer and axis.
    """
    model, streams = run.model, pooled_streams(run)
    if not np.abs(at_site(model, streams[-1], EMBEDDING)).max() > SHORTEST:
        raise NotApplicable("the embeddings of all captions have no length")
    objects, far, signs = grid.objects, apart(grid.pairs), signs_of(len(grid.pairs), seed)
    rows: list[dict[str, Any]] = []
    samples: dict[str, Sample] = {}
    for layer, stream in enumerate(streams):
        for site in SITES:
            for axis, points in grid.by_axis(at_site(model, stream, site)).items():
                found = {**cosines(points, far)}
                if site == EMBEDDING:  # the samples of the last layer replace those before it
                    found |= direction(points, far, signs)
                    samples |= {f"{axis}/{key}": one.sample(objects) for key, one in found.items()}
                for name, measure in found.items():
                    place = {"layer": layer, "site": site, "relation": axis, "measure": name}
                    own = measure.interval(objects)
                    rows.append({**place, **vars(own), **null_of(measure.null, own.value)})
    return pd.DataFrame(rows), {key: one for key, one in samples.items() if one.bottom.sum() > 0}


def random_consistency(model: DualEncoder, grid: CaptionGrid, seed: int) -> tuple[float, ...]:
    """Consistency of the first axis in models of random weights: what words alone make of it.

    Cost: one forward pass of the axis' captions for each.
    """
    own = grid.of_axis(grid.axes[0])
    signs = signs_of(len(own.pairs), seed, 0)

    def consistency(twin: DualEncoder) -> float:
        stream = pooled_streams(TowerRun(twin, "text", own.tokens, progress=False))[-1]
        [points] = own.by_axis(at_site(twin, stream, EMBEDDING)).values()
        found = direction(points, apart(own.pairs), signs)["consistency"]
        return found.interval(own.objects).value or 0.0

    return tuple(map(consistency, random_twins(model, "text", FIRST_SEED + seed)))


def null_of(null: Float[np.ndarray, "draw"] | None, value: float | None) -> dict[str, float]:
    """Mean of the null, its middle 95 %, its 95 % quantile, and how often it reaches the value."""
    names = ("null_mean", "null_low", "null_high", "null_95", "p")
    if null is None or value is None:
        return dict.fromkeys(names, np.nan)
    low, high, most = np.quantile(null, [0.025, 0.975, 0.95])
    p = (1 + (null >= value - ROUNDING).sum()) / (1 + len(null))
    return dict(zip(names, map(float, (null.mean(), low, high, most, p)), strict=True))
