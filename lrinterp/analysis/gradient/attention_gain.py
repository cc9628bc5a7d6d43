"""How much more attention the pooled token gives to the right of a picture than to its left."""

from typing import Any

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float

from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import SIDES, focus, sides_of
from lrinterp.run import Run
from lrinterp.stats import COSINE, ratio_intervals

__all__ = ["attention_gains", "gains_of"]


def attention_gains(recording: Run) -> dict[Place, dict[str, Any]]:
    """By layer and head: the pooled row's weight on the right minus that on the left object."""
    examples = recording.examples
    units = examples.image_units.at(examples.where(focus(examples)))
    gains = {}
    for layer in range(recording.model.towers["image"].cfg.n_layers):
        gain = gains_of(recording, layer)
        ones = np.ones(gain.shape[1])
        for head, i in enumerate(ratio_intervals(gain, ones, units, scale=COSINE)):
            ends = {"attention_gain": i.value, "gain_low": i.low, "gain_high": i.high}
            gains[layer, head] = {**ends, "n": i.n, "n_units": i.n_units}
    return gains


def gains_of(recording: Run, layer: int) -> Float[np.ndarray, "head image"]:
    """The same by head of one layer and picture of the focus set."""
    run = recording.of(focus(recording.examples)).towers["image"]
    left, right = (run.places.roles[role].double() for role in SIDES[sides_of(recording.examples)])
    pattern = run.cache["pattern", layer]
    rows = torch.arange(len(run), device=pattern.device)
    row = pattern[rows, :, run.inputs.pool].cpu().double()
    return einsum(row, right - left, "image head key, image key -> head image").numpy()
