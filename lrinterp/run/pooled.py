"""The pooled position of every layer of a tower, without keeping whole streams."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.axes import AnyInputs
from lrinterp.encoders import Tower
from lrinterp.run.memory import keeping

__all__ = ["pooled_rows"]


@torch.no_grad()
def pooled_rows(
    tower: Tower,
    inputs: AnyInputs,
    bar: Callable[[Iterable[Any]], Iterable[Any]],
    batch_size: int,
) -> Float[Tensor, "layer batch d_model"]:
    """The pooled position before every layer and behind the last. Cost: a pass of its own.

    Words are read in the order of their length, and under a causal mask only as far as the longest
    of a batch is pooled: what stands behind changes nothing. `bar` shows the batches go by.
    """
    layers, pool = range(tower.cfg.n_layers), inputs.pool
    names = [
        *(f"blocks.{k}.hook_resid_pre" for k in layers),
        f"blocks.{layers[-1]}.hook_resid_post",
    ]
    shape = (len(names), len(inputs), tower.cfg.d_model)
    found = torch.zeros(shape, dtype=tower.W_U.dtype, device=pool.device)
    causal = tower.cfg.attention_dir == "causal"
    for index in bar(pool.argsort(stable=True).split(batch_size)):
        some, kept = inputs.at(index), {}
        with tower.hooks(fwd_hooks=[(name, keeping(kept)) for name in names]):
            end = int(some.pool.max()) + 1 if causal else None
            tower(some.values[:, :end], stop_at_layer=len(layers))
        rows = torch.arange(len(index), device=pool.device)
        found[:, index] = torch.stack([kept[name][rows, some.pool] for name in names])
    return found
