"""Attribution patching: what every cell's patch would do, from one backward pass of the base run.

The first-order estimate of the effect of a cell is d margin / d activation, at the base run, times
source minus base, summed over the entries of the cell. It is exact where the margin is linear in
the activation, and misses what bends on the way: a softmax that is saturated at the base run, or a
patch so large that a norm or an MLP answers otherwise than its slope says. So compare it with exact
patching of some cells before leaning on it. Sources: Nanda 2023 ("Attribution patching: activation
patching at industrial scale"); Syed et al. (arXiv 2310.10348); Kramár et al. (arXiv 2403.00745).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.patching.cells import apart, cell_sums, same
from lrinterp.axes import Embeddings
from lrinterp.run import Edit, TowerRun, gradient
from lrinterp.run.margins import reaches
from lrinterp.run.memory import part_size

__all__ = ["DIRECTIONS", "Estimate", "by_part", "estimate", "estimates"]

DIRECTIONS: tuple[str, ...] = ("denoising", "noising")


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """What is known of one direction before any cell is patched."""

    whole: Float[np.ndarray, "example"]
    """How far the margins of the two runs lie apart: target minus base."""
    attribution: Float[np.ndarray, "cell example"]
    same: Bool[np.ndarray, "cell"]
    """Both runs hold the same activation there."""
    reaches: Bool[np.ndarray, "cell"]
    """A path leads from there to the pooled position."""

    @property
    def zero(self) -> Bool[np.ndarray, "cell"]:
        """Cells whose effect is 0 by construction."""
        return self.same | ~self.reaches

    @property
    def share(self) -> Float[np.ndarray, "cell"]:
        """Attribution as effects are measured: a ratio of means over examples."""
        return self.attribution.sum(1) / self.whole.sum()


def by_part(contrast: Contrast) -> Iterator[tuple[slice, Contrast, str]]:
    """Parts of the examples that fit into memory whatever the model, each in both directions."""
    size = part_size(contrast.clean.tower, contrast.clean.n_positions)
    for start in range(0, len(contrast.clean), size):
        some = slice(start, start + size)
        part = contrast.at(some)
        yield from ((some, part, direction) for direction in DIRECTIONS)


def estimates(contrast: Contrast, cells: Sequence[Edit]) -> dict[str, Estimate]:
    """Estimates of some cells by direction. Cost: two passes forward and back of each input."""
    parts: dict[str, list[Estimate]] = {direction: [] for direction in DIRECTIONS}
    for _, part, direction in by_part(contrast):
        parts[direction].append(estimate(*part.pair(direction), cells, part.direction))
    return {
        direction: Estimate(
            whole=np.concatenate([part.whole for part in own]),
            attribution=np.concatenate([part.attribution for part in own], axis=1),
            same=np.all([part.same for part in own], axis=0),
            reaches=np.any([part.reaches for part in own], axis=0),
        )
        for direction, own in parts.items()
    }


def estimate(
    base: TowerRun, source: TowerRun, cells: Sequence[Edit], direction: Embeddings
) -> Estimate:
    """How far patching each cell would move each margin, to first order.

    Cost: one forward and one backward pass of the base from the first layer on, however many cells.
    """
    changes = apart(base, source, cells)
    slopes = gradient(base, direction, list(changes))
    moved = {hook: slopes[hook] * change for hook, change in changes.items()}
    sums = cell_sums(moved, cells, base.places.roles).cpu().numpy()
    start, end = (run.along(run.residual(run.n_layers), direction) for run in (base, source))
    alike = same(base, source, cells).cpu().numpy()
    return Estimate(
        whole=(end - start).cpu().numpy(),
        attribution=np.where(alike[:, None], 0.0, sums),
        same=alike,
        reaches=np.array([reaches(base, cell) for cell in cells]),
    )
