"""Which earlier component made the keys: shares of every part of the stream before a layer.

The query is whole and the key is divided: embed, pos, each earlier head, MLP and bias. Where the
nine terms ask whether a score comes from what stands at a key or from where it stands, this asks
who wrote it there. In a tower of one layer it says nothing new.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.terms.shares import Part, chunks, share_rows
from lrinterp.decomposition import key_parts, part_names
from lrinterp.encoders import DualEncoder

__all__ = ["BIAS", "PARTS", "few_rows", "grouped", "part_shares"]

BIAS = "bias"
"""What the norm's bias and b_K add; the scores' last part."""
PARTS = "key parts"
"""The way of dividing the scores that this module is about."""
CHUNK = 64
MOST_ROWS = 2000
"""Table rows up to which parts are also given by head."""


def part_shares(part: Part, layer: int, *, by_head: bool) -> tuple[list[dict[str, Any]], float]:
    """Rows of shares of the key parts of a layer, and the error of their sum.

    share = cov(part, score) / var(score) on the pooled row, centred within the row over seen
    keys, over all heads together, and by head too where asked. The error is max |sum of parts -
    recorded score| / max |recorded score|. embed and pos are divided in the canonical gauge.
    """
    model, n = part.model, len(part.inputs)
    names = [*part_names(model, layer), BIAS]
    cached = part.cached(layer)[torch.arange(n), :, part.inputs.pool]
    seen = part.streams.seen[:, None].expand_as(cached)
    covariance, apart = [], 0.0
    written = ("attn.hook_z", "hook_mlp_out")
    part.run.sites.load(f"blocks.{below}.{site}" for below in range(layer) for site in written)
    for some in chunks(n, CHUNK):
        scores = key_parts(part.run.at(some).streams, layer)
        apart = max(apart, float((scores.sum(0) - cached[some])[seen[some]].abs().max()))
        covariance.append(covariances(scores, seen[some]))
    values = np.concatenate(covariance, axis=1)
    heads = (*(range(model.cfg.n_heads) if by_head else ()), None)
    place = {"encoder": part.tower, "layer": layer, "gauge": "canonical", "split": PARTS}
    found = share_rows(names, values, values.sum(0), part.units, heads)
    largest = float(cached[seen].abs().max().clamp(min=1e-30))
    return [{**place, **row} for row in found], apart / largest


def covariances(
    scores: Float[Tensor, "part batch head key"], seen: Tensor
) -> Float[np.ndarray, "part batch head"]:
    """Row-centred covariance of each part with the whole score, summed over seen keys."""
    weight = seen.to(scores.dtype)
    centred = scores - (scores * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)
    centred = centred * weight
    return (centred * centred.sum(0)).sum(-1).cpu().double().numpy()


def few_rows(model: DualEncoder) -> bool:
    """Are the parts of all layers few enough to be given by head?"""
    return (
        sum(
            (len(part_names(tower, layer)) + 1) * (tower.cfg.n_heads + 1)
            for tower in model.towers.values()
            if tower.cfg.n_layers > 1
            for layer in range(tower.cfg.n_layers)
        )
        <= MOST_ROWS
    )


def grouped(name: str) -> str:
    """The parts of one layer's attention as one: L3H1 and L3 b_O are L3 heads, L3 mlp is L3 MLP.

    >>> [grouped(name) for name in ("embed", "L3H1", "L3 b_O", "L3 mlp")]
    ['embed', 'L3 heads', 'L3 heads', 'L3 MLP']
    """
    if name.endswith(" mlp"):
        return name.replace("mlp", "MLP")
    if name.endswith(" b_O"):
        return name.replace("b_O", "heads")
    layer, head, _ = name.partition("H")
    return f"{layer} heads" if head else name
