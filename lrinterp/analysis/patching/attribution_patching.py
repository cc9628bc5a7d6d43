"""Attribution patching: what every cell's patch would do, from one backward pass of the base run.

The first-order estimate of the effect of a cell is d margin / d activation, at the base run, times
source minus base, summed over the entries of the cell. It is exact where the margin is linear in
the activation, and misses what bends on the way: a softmax that is saturated at the base run, or a
patch so large that a norm or an MLP answers otherwise than its slope says. So compare it with exact
patching of some cells before leaning on it. Sources: Nanda 2023 ("Attribution patching: activation
patching at industrial scale"); Syed et al. (arXiv 2310.10348); Kramár et al. (arXiv 2403.00745).
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.patching.bench import PatchBench
from lrinterp.analysis.patching.cells import Cell, Roles, cell_sums, per_entry
from lrinterp.encoders import Tower

__all__ = ["attribution", "gradients", "part_size"]

PART_BYTES = 2**30
"""What the activations of two runs and one backward pass may take, whatever the model."""


def attribution(
    bench: PatchBench, cells: Sequence[Cell], roles: Roles
) -> Float[Tensor, "cell example"]:
    """How far patching each cell would move each margin, to first order.

    Cost: one forward and one backward pass from the first layer on, however many cells.
    """
    hooks = list(dict.fromkeys(bench.require(cell) for cell in cells))
    slopes = gradients(bench, hooks)
    moved = {hook: per_entry(hook, slopes[hook] * bench.apart(hook)) for hook in hooks}
    return cell_sums(moved, cells, roles)


@torch.enable_grad()
def gradients(bench: PatchBench, hooks: Sequence[str]) -> dict[str, Float[Tensor, "example ..."]]:
    """Slopes d margin / d activation of some hooks at the base run; weights get no gradient."""
    start = bench.base["blocks.0.hook_resid_pre"].detach().clone().requires_grad_()
    kept: dict[str, Tensor] = {}

    def keep(activation: Tensor, hook: Any) -> None:
        kept[hook.name] = activation

    watching: list[Any] = [(name, keep) for name in hooks]
    with bench.tower.hooks(fwd_hooks=watching):
        residual = bench.tower(start, start_at_layer=0, stop_at_layer=bench.tower.cfg.n_layers)
    margins = bench.along(residual).sum()
    return dict(zip(kept, torch.autograd.grad(margins, list(kept.values())), strict=True))


def part_size(tower: Tower, n_positions: int) -> int:
    """How many examples may be patched side by side within PART_BYTES; at least one.

    Counted for each layer: six sites as wide as the stream and two maps, of both runs and as
    gradients; and what the backward pass keeps, about fourteen streams, four MLPs and four maps.
    ViT-B/32 patches 10 pairs at once, ViT-L/14 one.
    """
    cfg = tower.cfg
    wide, maps = n_positions * cfg.d_model, cfg.n_heads * n_positions**2
    mlp = 0 if cfg.attn_only else n_positions * (cfg.d_mlp or 0)
    numbers = 3 * (6 * wide + 2 * maps) + 14 * wide + 4 * mlp + 4 * maps
    return max(1, PART_BYTES // (4 * numbers * cfg.n_layers))
