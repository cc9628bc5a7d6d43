"""Passes of a tower without gradient: batch by batch, with what the hooks of edits change.

And what is known of the positions of the inputs that pass: clusters, roles, a grid.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.axes import AnyInputs, Occurrence
from lrinterp.encoders import DualEncoder, Tower, batch_that_fits, positions
from lrinterp.run.edit import Edit
from lrinterp.run.memory import keeping

__all__ = ["EVERY", "Hook", "Index", "Pass", "Places", "as_slice", "last_name", "resid_pre"]

Hook = tuple[str, Any]
"""Name of a hook and the function that it calls."""
PATIENCE = 2
"""Seconds before a bar shows."""
Index = slice | Int[Tensor, "_"]
"""Which of some inputs."""
EVERY = slice(None)


def as_slice(index: Index, n: int) -> Index:
    """Those of n inputs that follow one another as a slice: it takes views, an index copies."""
    if isinstance(index, slice) or not len(index):
        return index
    start, end = int(index[0]), int(index[0]) + len(index)
    follow = torch.equal(index, torch.arange(start, end, device=index.device))
    return slice(start, end) if follow and start >= 0 and end <= n else index


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """What is known of the positions of some inputs."""

    occurs: Occurrence | None = None
    """Which token stands at which position in some admissible input."""
    clusters: Int[np.ndarray, "batch"] | None = None
    """A number of each input: what is its position is learnt from other clusters alone."""
    roles: Mapping[str, Bool[Tensor, "batch pos"]] = field(default_factory=dict)
    """Masks of the positions that play a role."""
    grid: tuple[int, int] | None = None
    """Rows and columns of the patches behind CLS; None where positions are words."""

    def at(self, index: Index) -> "Places":
        """The same of some inputs."""
        place = index if isinstance(index, slice) else index.cpu()
        own = self.clusters
        some = own if own is None else own[place if isinstance(place, slice) else place.numpy()]
        roles = {name: mask[place] for name, mask in self.roles.items()}
        return replace(self, clusters=some, roles=roles)


class Pass:
    """What runs: a tower, its inputs, and the hooks of edits."""

    def __init__(
        self,
        model: DualEncoder,
        name: str,
        inputs: AnyInputs,
        places: Places | None = None,
        *,
        progress: bool | None = None,
    ) -> None:
        self.model, self.name, self.inputs = model, name, inputs.to(model.device)
        self.tower = model.towers[name]
        self.places = places or Places()
        self.progress = progress
        """Show a bar where the pass takes long; None on a terminal alone."""
        self.kept: dict[str, Tensor] = {}
        self.edits: tuple[Edit, ...] = ()
        """What is changed in the tower; nothing in an intact run."""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def n_layers(self) -> int:
        """Layers of the tower."""
        return self.tower.cfg.n_layers

    @property
    def n_positions(self) -> int:
        """Positions of the tower on these inputs."""
        return positions(self.tower, self.inputs)

    @property
    def batch_size(self) -> int:
        """Inputs of one forward pass."""
        return batch_that_fits(self.tower, self.inputs)

    def bar(self, batches: Iterable[Any]) -> Iterable[Any]:
        """The batches of a pass behind a progress bar, where it takes longer than PATIENCE."""
        hidden = None if self.progress is None else not self.progress
        total = -(-len(self) // self.batch_size)
        options = {"unit": "batch", "total": total, "delay": PATIENCE, "disable": hidden}
        return tqdm(batches, desc=self.name, leave=False, **options)

    def forward(
        self, first: int = 0, start: Tensor | None = None, stop: int | None = None
    ) -> Tensor:
        """The last stream, or that before a layer `stop`; from a layer on where it is given."""
        end = self.n_layers if stop is None else stop
        if start is None:
            return self.tower(self.inputs.values, stop_at_layer=end)
        return self.tower(start, start_at_layer=first, stop_at_layer=end)

    def hooks_at(self, _: Index, __: int | None = None) -> list[Hook]:
        """Functions that change what the tower does with some inputs; none of an intact one.

        The second argument is a layer whose stream edits have changed already.
        """
        return []

    @contextmanager
    def hooked(self, more: Sequence[Hook] = (), *, inside: int | None = None) -> Iterator[None]:
        """Inside, the run's own hooks and some more are on; leaving restores the tower always."""
        with self.tower.hooks(fwd_hooks=[*self.hooks_at(EVERY, inside), *more]):
            yield

    @cached_property
    @torch.no_grad()
    def pooled_streams(self) -> Float[Tensor, "layer batch d_model"]:
        """The pooled position before every layer and behind the last. Cost: one further pass.

        Words are read in the order of their length, and under a causal mask only as far as the
        longest of a batch is pooled: what stands behind changes nothing.
        """
        cfg, pool = self.tower.cfg, self.inputs.pool
        names = [*map(resid_pre, range(cfg.n_layers)), last_name(self.tower)]
        shape = (len(names), len(self), cfg.d_model)
        found = torch.zeros(shape, dtype=self.tower.W_U.dtype, device=pool.device)
        for index in self.bar(pool.argsort(stable=True).split(self.batch_size)):
            some, kept = self.inputs.at(index), {}
            with self.tower.hooks(fwd_hooks=[(name, keeping(kept)) for name in names]):
                end = int(some.pool.max()) + 1 if cfg.attention_dir == "causal" else None
                self.tower(some.values[:, :end], stop_at_layer=cfg.n_layers)
            rows = torch.arange(len(index), device=pool.device)
            found[:, index] = torch.stack([kept[name][rows, some.pool] for name in names])
        return found


def resid_pre(layer: int) -> str:
    """The hook of what a layer reads."""
    return f"blocks.{layer}.hook_resid_pre"


def last_name(tower: Tower) -> str:
    """The hook of the stream that embeddings are read from."""
    return f"blocks.{tower.cfg.n_layers - 1}.hook_resid_post"
