"""Which cells are patched exactly where there are too many for all: the strongest, and a sample.

The strongest by attribution are those a reader asks about. They say little of how good attribution
is elsewhere, because they were chosen by it; the random sample says that without bias.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from lrinterp.encoders import Tower
from lrinterp.run import Edit

__all__ = ["MOST_WORK", "RANDOM", "STRONGEST", "choose", "work_of"]

MOST_WORK = 1e12
"""Multiplications up to which every cell is patched: about half a minute on two cores."""
STRONGEST = 8
"""Cells of each tower and direction, and the strongest head output where it is not among them."""
RANDOM = 12
"""Cells of each tower and direction that are drawn at random from all that could matter."""
CHOSEN = np.array(["none", "strongest", "random", "both"])


def work_of(tower: Tower, cells: Sequence[Edit], n_examples: int, n_positions: int) -> float:
    """Multiplications of patching each cell exactly, once in each direction.

    Formula: 2 x cells x examples x layers from the cell's own on x positions x weights of a layer.
    """
    cfg = tower.cfg
    d_mlp = 0 if cfg.attn_only else cfg.d_mlp or 0
    weights = 4 * cfg.d_model * cfg.n_heads * cfg.d_head + 2 * cfg.d_model * d_mlp
    layers = sum(cfg.n_layers - layer for cell in cells for layer in cell.layers_of(tower))
    return 2.0 * layers * n_examples * n_positions * weights


def choose(
    attribution: Float[np.ndarray, "cell"],
    cells: Sequence[Edit],
    open_cells: Bool[np.ndarray, "cell"],
    rng: np.random.Generator,
) -> list[str]:
    """For each cell "strongest", "random", "both" or "none"; only open cells can be chosen.

    The sample is drawn without replacement from all open cells, the strongest included, each as
    likely as any other.
    """
    index = np.flatnonzero(open_cells)
    top = ordered(attribution, index)
    heads = [i for i in top if cells[i].what == "z"]
    strongest = np.isin(np.arange(len(cells)), [*top[:STRONGEST], *heads[:1]])
    drawn = rng.choice(index, size=min(RANDOM, len(index)), replace=False)
    sampled = np.isin(np.arange(len(cells)), drawn)
    return CHOSEN[strongest + 2 * sampled].tolist()


def ordered(
    attribution: Float[np.ndarray, "cell"], index: Int[np.ndarray, "some"]
) -> Int[np.ndarray, "some"]:
    """Some cells, the largest attribution of either sign first."""
    return index[np.argsort(-np.abs(attribution[index]), kind="stable")]
