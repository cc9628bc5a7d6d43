"""One gradient-free pass of a tower: streams of all layers and embeddings, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.axes import AnyInputs
from lrinterp.encoders import DualEncoder, Tower, batch_that_fits, positions
from lrinterp.run.memory import keeping, room
from lrinterp.run.places import Index

if TYPE_CHECKING:
    from lrinterp.run.tower import TowerRun

__all__ = ["EMBEDDING", "Hook", "Pass", "last_name", "resid_pre"]

Hook = tuple[str, Any]
"""Name of a hook and the function that it calls."""
EMBEDDING = "embedding"
PATIENCE = 2
"""Seconds before a bar shows."""


class Pass:
    """What runs: a tower, its inputs, and the hooks of edits."""

    model: DualEncoder
    name: str
    inputs: AnyInputs
    tower: Tower
    progress: bool | None

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

    def parts(self, size: int | None = None) -> Iterator[tuple[slice, "TowerRun"]]:
        """The inputs in parts of a size, of a batch for None, in order."""
        raise NotImplementedError

    def bar(self, batches: Iterable[Any]) -> Iterable[Any]:
        """The batches of a pass behind a progress bar, where it takes longer than PATIENCE."""
        hidden = None if self.progress is None else not self.progress
        total = -(-len(self) // self.batch_size)
        options = {"unit": "batch", "total": total, "delay": PATIENCE, "disable": hidden}
        return tqdm(batches, desc=self.name, leave=False, **options)

    @torch.no_grad()
    def gathered(self, first: int, start: Tensor | None) -> dict[str, Tensor]:
        """Streams and embeddings from a layer on; from the inputs themselves for start None."""
        names = [resid_pre(layer) for layer in range(first, self.n_layers)]
        names.append(last_name(self.tower))
        stores: dict[str, Tensor] = {}
        for some, part in self.bar(self.parts()):
            for name, value in part.streamed(names, first, None if start is None else start[some]):
                if name not in stores:
                    shape = (len(self), *value.shape[1:])
                    stores[name] = room(shape, value, len(names))
                stores[name][some] = value
        return stores or self.empty(names)

    def streamed(
        self, names: Sequence[str], first: int, start: Tensor | None
    ) -> Iterator[tuple[str, Tensor]]:
        """One batch: the named sites, then the embeddings."""
        found: dict[str, Tensor] = {}
        with self.hooked([(name, keeping(found)) for name in names]):
            last = self.forward(first, start)
        yield from found.items()
        yield EMBEDDING, self.model.project(self.name, last, self.inputs.pool)

    def forward(self, first: int = 0, start: Tensor | None = None) -> Tensor:
        """The last stream, from a layer on where its stream is given."""
        if start is None:
            return self.tower(self.inputs.values, stop_at_layer=self.n_layers)
        return self.tower(start, start_at_layer=first, stop_at_layer=self.n_layers)

    def hooks_at(self, _: Index, __: int | None = None) -> list[Hook]:
        """Functions that change what the tower does with some inputs; none of an intact one.

        The second argument is a layer whose stream edits have changed already.
        """
        return []

    @contextmanager
    def hooked(self, more: Sequence[Hook] = (), *, inside: int | None = None) -> Iterator[None]:
        """Inside, the run's own hooks and some more are on; leaving restores the tower always."""
        own = self.hooks_at(slice(None), inside)
        with self.tower.hooks(fwd_hooks=[*own, *more]):
            yield

    def empty(self, names: Sequence[str]) -> dict[str, Tensor]:
        """What the pass leaves of no inputs."""
        n, cfg = self.n_positions, self.tower.cfg
        stream = torch.zeros(0, n, cfg.d_model, device=self.model.device)
        return dict.fromkeys(names, stream) | {
            EMBEDDING: torch.zeros(0, cfg.d_vocab_out, device=self.model.device)
        }


def resid_pre(layer: int) -> str:
    """The hook of what a layer reads."""
    return f"blocks.{layer}.hook_resid_pre"


def last_name(tower: Tower) -> str:
    """The hook of the stream that embeddings are read from."""
    return f"blocks.{tower.cfg.n_layers - 1}.hook_resid_post"
