"""A bench for activation patching: many cells a forward pass, in one tower, in one direction.

A cell is a site, a layer, a head and a role of positions; patching it takes the activation there
from the source run. Cells of one site run together, as many as CELL_EXAMPLES allows, from the
residual stream of their layer on; a cell that cannot reach the pooled position is not run at all.
The other tower enters only as a fixed direction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.axes import Embeddings, Tokens
from lrinterp.encoders import DualEncoder
from lrinterp.store import InputError

__all__ = ["ALL", "Cell", "PatchBench", "Roles", "cells_of"]

Roles = Mapping[str, Bool[Tensor, "example pos"]]

ALL = "all"
"""The role of every position: patching `resid_pre` there must restore the target."""
RESIDUAL_SITES = ("resid_pre", "attn_out")
HEAD_SITES = ("q", "k", "v", "z")
MAP_SITES = ("attn_scores", "pattern")
CELL_EXAMPLES = 256
"""Cells x examples of one forward pass: small enough for the cache, large enough to share cost."""
IDENTICAL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is patched. `query` is set for maps, where `role` is the key's."""

    site: str
    layer: int
    head: int | None
    role: str
    query: str | None = None

    @property
    def hook(self) -> str:
        """The TransformerLens name of the site."""
        inner = "" if self.site in RESIDUAL_SITES else "attn."
        return f"blocks.{self.layer}.{inner}hook_{self.site}"


def cells_of(layers: range, heads: range, roles: Sequence[str]) -> list[Cell]:
    """Every cell of some layers.

    Residual sites by role, head sites by head and role, maps by head, query role and key role.
    """
    cells = []
    for layer in layers:
        for site in RESIDUAL_SITES:
            cells += [Cell(site=site, layer=layer, head=None, role=r) for r in (*roles, ALL)]
        for site in HEAD_SITES:
            cells += [Cell(site=site, layer=layer, head=h, role=r) for h in heads for r in roles]
        for site in MAP_SITES:
            cells += [
                Cell(site=site, layer=layer, head=head, role=key, query=query)
                for head in heads
                for query in roles
                for key in roles
            ]
    return cells


class PatchBench:
    """One tower run on base and source tokens; margins are embeddings along a direction."""

    def __init__(
        self, model: DualEncoder, tower: str, tokens: tuple[Tokens, Tokens], direction: Embeddings
    ) -> None:
        self.model, self.name, self.tower = model, tower, model.towers[tower]
        self.base_tokens, self.source_tokens = tokens
        self.direction = direction
        self.base = self.cache(self.base_tokens)
        self.source = self.cache(self.source_tokens)
        self._changes: dict[str, Tensor] = {}

    @torch.no_grad()
    def cache(self, tokens: Tokens) -> dict[str, Tensor]:
        """All activations of one run."""
        _, cache = self.tower.run_with_cache(
            tokens.ids, return_cache_object=False, stop_at_layer=self.tower.cfg.n_layers
        )
        return cache

    def margin(self, tokens: Tokens) -> Float[Tensor, "example"]:
        """Embedding along the direction, in double precision."""
        embedded = self.model.embed_all(self.name, tokens)
        return (embedded.double() * self.direction.double()).sum(-1)

    def mask(self, cell: Cell, roles: Roles) -> Bool[Tensor, "example ..."]:
        """Where a cell patches: shaped to broadcast over the activation of its site."""
        shape = self.base[self.require(cell)].shape
        whole = torch.ones(shape[0], self.base_tokens.ids.shape[1], dtype=torch.bool)
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

    def change(self, hook: str) -> Float[Tensor, "example ..."]:
        """How far the runs lie apart at a site, in units of its largest finite activation."""
        if hook not in self._changes:
            base, source = self.base[hook], self.source[hook]
            scale = base[torch.isfinite(base)].abs().max().clamp(min=1e-30)
            self._changes[hook] = torch.where(base == source, 0.0, base - source).abs() / scale
        return self._changes[hook]

    def identical(self, cell: Cell, roles: Roles) -> bool:
        """Do both runs hold the same activation there?"""
        change = self.change(self.require(cell))
        return bool((change * self.mask(cell, roles)).max() <= IDENTICAL)

    @torch.no_grad()
    def patched(self, cells: Sequence[Cell], roles: Roles) -> Float[Tensor, "cell example"]:
        """The margin of every example with each cell patched in turn."""
        margins = self.margin(self.base_tokens).repeat(len(cells), 1)
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
        size = max(1, CELL_EXAMPLES // len(self.base_tokens))
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
        embedded = self.model.project(self.name, residual, self.base_tokens.pool.repeat(len(cells)))
        each = embedded.double().reshape(len(cells), *self.direction.shape)
        return (each * self.direction.double()).sum(-1)
