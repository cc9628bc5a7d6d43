"""Which heads order needs, of all heads at once: a first-order estimate from one backward pass.

Estimate of a head: d margin / d scores of its layer at the intact run, times what flattening its
key-position adds to them, summed over queries and keys. The margin is the mean over pictures of
the cosine with the true caption minus that with the same labels in another order. It is exact for
small changes and misses what bends on the way: a softmax, a norm, an MLP. So some heads are
measured as well, and the agreement is told.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.ablation.rows import one_head, row_of
from lrinterp.analysis.read import Place
from lrinterp.decomposition import gauge_of
from lrinterp.run import Edit, Run, TowerRun, gradient
from lrinterp.run.hooks import term_change
from lrinterp.run.memory import part_size
from lrinterp.stats import LINEAR, agreement_of, mean_interval

__all__ = ["AGREEMENT", "CHANGE", "estimate_rows", "head_estimates", "strongest_and_random"]

CHANGE, AGREEMENT = "order_margin_change", "estimate_agreement"
"""Metrics of the table: edited minus intact margin, and how far two measures of it agree."""
STRONGEST, RANDOM = 6, 6
"""Heads that are measured: those of the largest estimate, and others drawn at random."""
SEED = 0

Estimates = Float[np.ndarray, "layer head"]


def head_estimates(run: Run) -> Estimates:
    """The first-order change of the mean order margin when a head's key-position is flattened.

    Every head of the image tower, all query rows. Cost: a forward and a backward pass.
    """
    tower, direction = run.towers["image"], run.direction
    names = [f"blocks.{layer}.attn.hook_attn_scores" for layer in range(tower.n_layers)]
    total = torch.zeros(len(names), tower.tower.cfg.n_heads, dtype=torch.float64)
    for some, part in tower.parts(part_size(tower.tower, tower.n_positions)):
        slopes = gradient(part, direction[some], names)
        for layer, name in enumerate(names):
            change = slopes[name] * flattening(part, layer)
            total[layer] += change.sum((0, 2, 3)).double().cpu()
    return (total / len(tower)).numpy()


@torch.no_grad()
def flattening(part: TowerRun, layer: int) -> Float[Tensor, "batch head query key"]:
    """What flattening key-position adds to a layer's scores at the intact run, head by head."""
    split = part.streams.split(layer, gauge_of(part.tower, layer))
    return term_change(Edit(), part.at(slice(None)), layer, split)


def strongest_and_random(estimates: Estimates, seed: int = SEED) -> list[Place]:
    """The heads to measure: the largest estimates either way, then some of the others."""
    order = np.argsort(-np.abs(estimates), axis=None, kind="stable")
    others = np.random.default_rng(seed).permutation(order[STRONGEST:])[:RANDOM]
    chosen = np.unravel_index([*order[:STRONGEST], *others], estimates.shape)
    return list(zip(*(places.tolist() for places in chosen), strict=True))


def estimate_rows(
    run: Run, estimates: Estimates, exact: Mapping[Place, Float[np.ndarray, "image"]]
) -> Iterator[dict[str, Any]]:
    """Table rows of every head's estimate, of what some heads did, and of how far both agree.

    The last two are Pearson's r and Spearman's rho over the heads that were measured; n counts
    them.
    """
    units = run.examples.image_units
    for place, value in np.ndenumerate(estimates):
        numbers = {"value": float(value), "n": len(units), "n_units": units.n}
        yield row_of(run, one_head(*place), (CHANGE, "first order"), numbers)
    for place, change in exact.items():
        interval = mean_interval(change, units, scale=LINEAR)
        yield row_of(run, one_head(*place), (CHANGE, "exact"), vars(interval))
    found = agreement_of(
        np.array([change.mean() for change in exact.values()]),
        np.array([estimates[place] for place in exact]),
    )
    for name in ("pearson", "spearman"):
        numbers = {"value": found[name], "n": found["n"], "n_units": found["n"]}
        row = row_of(run, one_head(0, 0), (AGREEMENT, name), numbers)
        yield {**row, "heads": "measured", "layers": "all"}
