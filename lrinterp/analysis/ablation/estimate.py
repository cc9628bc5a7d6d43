"""Which heads order needs, of all heads at once: a first-order estimate from one backward pass.

Estimate of a head: d margin / d scores of its layer at the intact run, times what flattening its
key-position adds to them, summed over queries and keys. The margin is the mean over pictures of
the cosine with the true caption minus that with the same labels in another order. It is exact for
small changes and misses what bends on the way: a softmax, a norm, an MLP. So some heads are
measured as well, and the agreement is told.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.ablation.bench import Bench
from lrinterp.analysis.ablation.depth import Depth, of_batch
from lrinterp.analysis.ablation.rows import head_row
from lrinterp.analysis.patching.agreement import agreement_of
from lrinterp.analysis.patching.attribution_patching import part_size
from lrinterp.decomposition import (
    KEY_POSITION,
    Ablation,
    Groups,
    Split,
    key_sides,
    row_delta,
)
from lrinterp.encoders import positions
from lrinterp.scenes import Examples
from lrinterp.scoring import orders
from lrinterp.stats import LINEAR, mean_interval

__all__ = [
    "AGREEMENT",
    "CHANGE",
    "agreement_rows",
    "estimate_rows",
    "exact_rows",
    "head_delta",
    "head_estimates",
    "margin_weights",
    "strongest_and_random",
]

CHANGE, AGREEMENT = "order_margin_change", "estimate_agreement"
"""Metrics of the table: edited minus intact margin, and how far two measures of it agree."""
STRONGEST, RANDOM = 6, 6
"""Heads that are measured: those of the largest estimate, and others drawn at random."""
SEED = 0

Place = tuple[int, int]
Estimates = Float[np.ndarray, "layer head"]


def margin_weights(examples: Examples) -> Float[Tensor, "image caption"]:
    """What each caption counts in a picture's order margin, sum of weight times cosine.

    1 for the true caption and minus the mean over the other orders, averaged over templates.
    """
    weights = torch.zeros(len(examples), len(examples.caption_text))
    for template in examples.templates:
        rivals = torch.from_numpy(orders(examples, template))
        good = torch.from_numpy(examples.caption_meaning)[rivals]
        good = good == torch.from_numpy(examples.image_meaning)[:, None]
        right, wrong = (m / m.sum(1, keepdim=True).clamp(min=1) for m in (good, ~good))
        weights.scatter_add_(1, rivals, (right - wrong).float() / len(examples.templates))
    return weights


def head_estimates(bench: Bench) -> Estimates:
    """The first-order change of the mean order margin when a head's key-position is flattened.

    Every head of the image tower, all query rows. Cost: a forward and a backward pass.
    """
    depth, groups = bench.depths["image"], bench.groups("image", pooled=False)
    texts, n = bench.embeddings["text"].detach(), len(bench.examples)
    direction = margin_weights(bench.examples).to(texts) @ texts
    tower, inputs = depth.tower, depth.inputs
    total = torch.zeros(tower.cfg.n_layers, tower.cfg.n_heads, dtype=torch.float64)
    size = part_size(tower, positions(tower, inputs))
    for start in range(0, n, size):
        chunk = slice(start, start + size)
        own = of_batch(groups, chunk)
        for layer, slope in enumerate(slopes(depth, direction, chunk)):
            change = slope * head_delta(depth, layer, own, chunk)
            total[layer] += change.sum((0, 2, 3)).double().cpu()
    return (total / n).numpy()


@torch.enable_grad()
def slopes(
    depth: Depth, direction: Float[Tensor, "image d_embed"], chunk: slice
) -> tuple[Float[Tensor, "batch head query key"], ...]:
    """By layer: d margin / d attention scores of some pictures; weights get no gradient."""
    tower, zeros = depth.tower, []

    def lift(activation: Tensor, hook: object) -> Tensor:
        zeros.append(torch.zeros_like(activation, requires_grad=True))
        return activation + zeros[-1]

    layers = range(tower.cfg.n_layers)
    hooks: list[Any] = [(f"blocks.{layer}.attn.hook_attn_scores", lift) for layer in layers]
    start = depth.streams.residual(0)[chunk]
    with tower.hooks(fwd_hooks=hooks):
        ended = tower(start, start_at_layer=0, stop_at_layer=len(layers))
    embedded = depth.model.project(depth.encoder, ended, depth.inputs.pool[chunk])
    return torch.autograd.grad((embedded * direction[chunk]).sum(), zeros)


@torch.no_grad()
def head_delta(
    depth: Depth, layer: int, groups: Groups, chunk: slice
) -> Float[Tensor, "batch head query key"]:
    """What flattening key-position adds to a layer's scores at the intact run, head by head."""
    vectors = depth.vectors[layer].vectors[None]
    content = depth.streams.residual(layer)[chunk] - vectors
    split = Split(content, vectors, torch.zeros_like(vectors[:, :1]))
    sides = key_sides(depth.tower, layer, split, depth.inputs.pool[chunk], pooled=False)
    return row_delta(sides[1], None, Ablation(terms=KEY_POSITION), groups)


def strongest_and_random(estimates: Estimates, seed: int = SEED) -> list[Place]:
    """The heads to measure: the largest estimates either way, then some of the others."""
    order = np.argsort(-np.abs(estimates), axis=None, kind="stable")
    others = np.random.default_rng(seed).permutation(order[STRONGEST:])[:RANDOM]
    chosen = [*order[:STRONGEST], *others]
    return [(int(i) // estimates.shape[1], int(i) % estimates.shape[1]) for i in chosen]


def estimate_rows(bench: Bench, estimates: Estimates) -> Iterator[dict[str, Any]]:
    """Table rows of every head's estimate."""
    counts = {"n": len(bench.examples), "n_units": bench.examples.image_units.n}
    for (layer, head), value in np.ndenumerate(estimates):
        cells = head_row(layer, head, len(estimates)).cells
        place = {"set": bench.examples.image_set[0], "metric": CHANGE, "candidates": "first order"}
        yield {**cells, **place, "value": float(value), **counts}


def exact_rows(
    bench: Bench, place: Place, change: Float[np.ndarray, "image"]
) -> Iterator[dict[str, Any]]:
    """The table row of one head's measured change."""
    cells = head_row(*place, bench.model.towers["image"].cfg.n_layers).cells
    where = {"set": bench.examples.image_set[0], "metric": CHANGE, "candidates": "exact"}
    interval = mean_interval(change, bench.examples.image_units, scale=LINEAR)
    yield {**cells, **where, **vars(interval)}


def agreement_rows(
    bench: Bench, estimates: Float[np.ndarray, "head"], exact: Float[np.ndarray, "head"]
) -> Iterator[dict[str, Any]]:
    """Pearson's r and Spearman's rho of the estimates and what was measured; n counts heads."""
    found = agreement_of(exact, estimates)
    cells = {**head_row(0, 0, 2).cells, "heads": "measured", "layers": "all"}
    for name in ("pearson", "spearman"):
        place = {"set": bench.examples.image_set[0], "metric": AGREEMENT, "candidates": name}
        yield {**cells, **place, "value": found[name], "n": found["n"], "n_units": found["n"]}
