"""Attribution patching: what every cell's patch would do, from one backward pass of the base run.

The first-order estimate of the effect of a cell is d margin / d activation, at the base run, times
source minus base, summed over the entries of the cell. It is exact where the margin is linear in
the activation, and misses what bends on the way: a softmax that is saturated at the base run, or a
patch so large that a norm or an MLP answers otherwise than its slope says. So compare it with exact
patching of some cells before leaning on it. Sources: Nanda 2023 ("Attribution patching: activation
patching at industrial scale"); Syed et al. (arXiv 2310.10348); Kramár et al. (arXiv 2403.00745).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.analysis.patching.cells import cell_sums, hook_of, per_entry
from lrinterp.axes import Embeddings
from lrinterp.run import Edit, TowerRun, gradient
from lrinterp.run.margins import reaches

__all__ = ["Estimate", "estimate", "same"]

IDENTICAL = 1e-6


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

    @classmethod
    def joined(cls, parts: Sequence["Estimate"]) -> "Estimate":
        """One estimate of the examples of several."""
        return cls(
            whole=np.concatenate([part.whole for part in parts]),
            attribution=np.concatenate([part.attribution for part in parts], axis=1),
            same=np.all([part.same for part in parts], axis=0),
            reaches=np.any([part.reaches for part in parts], axis=0),
        )

    @property
    def zero(self) -> Bool[np.ndarray, "cell"]:
        """Cells whose effect is 0 by construction."""
        return self.same | ~self.reaches

    @property
    def share(self) -> Float[np.ndarray, "cell"]:
        """Attribution as effects are measured: a ratio of means over examples."""
        return self.attribution.sum(1) / self.whole.sum()


def estimate(
    base: TowerRun, source: TowerRun, cells: Sequence[Edit], direction: Embeddings
) -> Estimate:
    """How far patching each cell would move each margin, to first order.

    Cost: one forward and one backward pass of the base from the first layer on, however many cells.
    """
    hooks = list(dict.fromkeys(hook_of(cell) for cell in cells))
    changes = apart(base, source, hooks)
    slopes = gradient(base, direction, hooks)
    moved = {hook: per_entry(hook, slopes[hook] * changes[hook]) for hook in hooks}
    alike = same(base, source, cells).cpu().numpy()
    sums = cell_sums(moved, cells, base.places.roles).cpu().numpy()
    start, end = (run.along(run.residual(run.n_layers), direction) for run in (base, source))
    return Estimate(
        whole=(end - start).cpu().numpy(),
        attribution=np.where(alike[:, None], 0.0, sums),
        same=alike,
        reaches=np.array([reaches(base, cell) for cell in cells]),
    )


def apart(
    base: TowerRun, source: TowerRun, hooks: Sequence[str]
) -> dict[str, Float[Tensor, "example ..."]]:
    """Source minus base by hook; 0 where both are masked."""
    start, end = base.values(hooks), source.values(hooks)
    return {h: torch.where(start[h] == end[h], 0.0, end[h] - start[h]) for h in hooks}


def same(base: TowerRun, source: TowerRun, cells: Sequence[Edit]) -> Bool[Tensor, "cell"]:
    """For each cell: does no entry differ by over a millionth of the largest of its site?"""
    counts, hooks = {}, list(dict.fromkeys(hook_of(cell) for cell in cells))
    for hook, change in apart(base, source, hooks).items():
        own = base.sites[hook]
        scale = own[torch.isfinite(own)].abs().max().clamp(min=1e-30)
        counts[hook] = per_entry(hook, (change.abs() / scale > IDENTICAL).to(own.dtype))
    return (cell_sums(counts, cells, base.places.roles) == 0).all(-1)
