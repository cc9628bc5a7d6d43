"""A bench for activation patching: many cells a forward pass, in one tower, in one direction.

Patching a cell takes the activation there from the source run. Cells of one site run together, as
many as CELL_EXAMPLES allows, from the residual stream of their layer on; a cell that cannot reach
the pooled position is not run at all. The other tower enters only as a fixed direction.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from itertools import groupby

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.analysis.patching.cells import (
    ALL,
    MAP_SITES,
    Cell,
    Roles,
    cell_sums,
    cells_of,
    per_entry,
)
from lrinterp.axes import Embeddings, Inputs
from lrinterp.encoders import DualEncoder, batch_that_fits, positions
from lrinterp.store import InputError

__all__ = ["ALL", "Cell", "PatchBench", "Roles", "cells_of"]

CELL_EXAMPLES = 256
"""Cells x examples of one forward pass: small enough for the cache, large enough to share cost."""
IDENTICAL = 1e-6


class PatchBench:
    """One tower run on base and source inputs; margins are embeddings along a direction."""

    def __init__(
        self, model: DualEncoder, tower: str, inputs: tuple[Inputs, Inputs], direction: Embeddings
    ) -> None:
        self.model, self.name, self.tower = model, tower, model.towers[tower]
        self.base_tokens, self.source_tokens = inputs
        self.direction = direction
        self.base = self.cache(self.base_tokens)
        self.source = self.cache(self.source_tokens)
        with torch.no_grad():
            self.base_margin = self.along(self.base[self.last])
            self.target_margin = self.along(self.source[self.last])
        self._changes: dict[str, Tensor] = {}

    def reverse(self) -> "PatchBench":
        """The other direction: base and source change places, and nothing is run again."""
        other = copy(self)
        other.base_tokens, other.source_tokens = self.source_tokens, self.base_tokens
        other.base, other.source = self.source, self.base
        other.base_margin, other.target_margin = self.target_margin, self.base_margin
        other._changes = {}
        return other

    @torch.no_grad()
    def cache(self, inputs: Inputs) -> dict[str, Tensor]:
        """What a patch can take from one run, and the last residual stream."""
        layers = range(self.tower.cfg.n_layers)
        cells = cells_of(layers, range(1), [ALL])
        wanted = {cell.hook for cell in cells} | {self.last}
        _, cache = self.tower.run_with_cache(
            inputs.values,
            return_cache_object=False,
            stop_at_layer=len(layers),
            names_filter=lambda name: name in wanted,
        )
        return cache

    @property
    def last(self) -> str:
        """The hook of the stream that embeddings are read from."""
        return f"blocks.{self.tower.cfg.n_layers - 1}.hook_resid_post"

    def margin(self, inputs: Inputs) -> Float[Tensor, "example"]:
        """Margins of any inputs of as many examples."""
        embedded = self.model.embed_all(self.name, inputs)
        return (embedded.double() * self.direction.double()).sum(-1)

    def along(
        self, residual: Float[Tensor, "example pos d_model"], copies: int = 1
    ) -> Float[Tensor, "some"]:
        """Margins by the last residual stream, in double precision; examples repeat `copies`."""
        pool = self.base_tokens.pool.repeat(copies)
        embedded = self.model.project(self.name, residual, pool)
        return (embedded.double() * self.direction.double().repeat(copies, 1)).sum(-1)

    def mask(self, cell: Cell, roles: Roles) -> Bool[Tensor, "example ..."]:
        """Where a cell patches: shaped to broadcast over the activation of its site."""
        shape = self.base[self.require(cell)].shape
        whole = torch.ones(shape[0], positions(self.tower, self.base_tokens), dtype=torch.bool)
        key = (whole if cell.role == ALL else roles[cell.role]).to(self.model.device)
        if cell.head is None:
            return key[:, :, None]
        head = torch.arange(self.tower.cfg.n_heads, device=key.device) == cell.head
        if cell.query is None:
            return (key[:, :, None] & head)[..., None]
        query = roles[cell.query].to(self.model.device)
        return head[:, None, None] & (query[:, :, None] & key[:, None])[:, None]

    def require(self, cell: Cell) -> str:
        """The hook of a cell; InputError where it never fires."""
        if cell.hook not in self.base:
            raise InputError(f"hook {cell.hook!r} of the {self.name} tower never fired")
        return cell.hook

    def changes(self, hook: str) -> Float[Tensor, "example ..."]:
        """How many numbers of each entry differ, by over a millionth of the largest of the site."""
        if hook not in self._changes:
            base, apart = self.base[hook], self.apart(hook).abs()
            scale = base[torch.isfinite(base)].abs().max().clamp(min=1e-30)
            self._changes[hook] = per_entry(hook, (apart / scale > IDENTICAL).to(base.dtype))
        return self._changes[hook]

    def apart(self, hook: str) -> Float[Tensor, "example ..."]:
        """Source minus base; 0 where both are masked."""
        base, source = self.base[hook], self.source[hook]
        return torch.where(base == source, 0.0, source - base)

    def same(self, cells: Sequence[Cell], roles: Roles) -> Bool[Tensor, "cell"]:
        """For each cell: do both runs hold the same activation there?"""
        hooks = dict.fromkeys(self.require(cell) for cell in cells)
        return (cell_sums({h: self.changes(h) for h in hooks}, cells, roles) == 0).all(-1)

    def identical(self, cell: Cell, roles: Roles) -> bool:
        """Do both runs hold the same activation in one cell?"""
        return bool(self.same([cell], roles)[0])

    @torch.no_grad()
    def patched(self, cells: Sequence[Cell], roles: Roles) -> Float[Tensor, "cell example"]:
        """The margin of every example with each cell patched in turn."""
        margins = self.base_margin.repeat(len(cells), 1)
        alive = [i for i, cell in enumerate(cells) if self.reaches(cell, roles)]
        for chunk in self.chunks(cells, alive):
            margins[chunk] = self.forward([cells[i] for i in chunk], roles)
        return margins

    def reaches(self, cell: Cell, roles: Roles) -> bool:
        """Can the cell change the embedding? In the last layer only the pooled query row can."""
        role = cell.query if cell.site in MAP_SITES else cell.role
        queries = cell.site in (*MAP_SITES, "q", "z", "attn_out")
        if not queries or role in (ALL, None) or cell.layer < self.tower.cfg.n_layers - 1:
            return True
        pool = self.base_tokens.pool.cpu()
        return bool(roles[role].cpu()[torch.arange(len(pool)), pool].any())

    def chunks(self, cells: Sequence[Cell], index: Sequence[int]) -> Iterator[list[int]]:
        """Runs of cells (by index) that share a hook, bounded by cells x examples."""
        fits = batch_that_fits(self.tower, self.base_tokens)
        size = max(1, min(CELL_EXAMPLES, fits) // len(self.base_tokens))
        for _, group in groupby(index, key=lambda i: cells[i].hook):
            same = list(group)
            yield from (same[i : i + size] for i in range(0, len(same), size))

    def forward(self, cells: Sequence[Cell], roles: Roles) -> Float[Tensor, "cell example"]:
        """One forward pass for cells of one hook."""
        layer, hook, fired = cells[0].layer, self.require(cells[0]), []
        masks = torch.stack([self.mask(cell, roles) for cell in cells])
        source = self.source[hook]

        def patch(activation: Tensor, hook: object) -> Tensor:
            fired.append(True)
            each = activation.reshape(len(cells), *source.shape)
            return torch.where(masks, source, each).reshape(activation.shape)

        start = self.base[f"blocks.{layer}.hook_resid_pre"]
        start = start.expand(len(cells), *start.shape).reshape(-1, *start.shape[1:])
        with self.tower.hooks(fwd_hooks=[(hook, patch)]):
            residual = self.tower(
                start, start_at_layer=layer, stop_at_layer=self.tower.cfg.n_layers
            )
        if not fired:
            raise InputError(f"hook {hook!r} of the {self.name} tower never fired")
        return self.along(residual, len(cells)).reshape(len(cells), -1)
