"""What can be patched: the cells of a tower's activations, and sums of numbers over each of them.

A cell is a site, a layer, a head and a role of positions. Roles may overlap, so cells may too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "ALL",
    "MAP_SITES",
    "RESIDUAL_SITES",
    "SITES",
    "Cell",
    "Roles",
    "cell_sums",
    "cells_of",
    "per_entry",
]

Roles = Mapping[str, Bool[Tensor, "example pos"]]

ALL = "all"
"""The role of every position: patching `resid_pre` there must restore the target."""
RESIDUAL_SITES = ("resid_pre", "attn_out")
HEAD_SITES = ("q", "k", "v", "z")
MAP_SITES = ("attn_scores", "pattern")
SITES = (*RESIDUAL_SITES, *HEAD_SITES, *MAP_SITES)


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

    @property
    def full(self) -> bool:
        """Is it a whole residual stream, whose patch restores the target by construction?"""
        return self.site == "resid_pre" and self.role == ALL


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


def per_entry(hook: str, values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Numbers of an activation summed over its width; an entry of a map has none."""
    return values if hook.endswith(MAP_SITES) else values.sum(-1)


def cell_sums(
    values: Mapping[str, Float[Tensor, "..."]], cells: Sequence[Cell], roles: Roles
) -> Float[Tensor, "cell example"]:
    """Numbers of each example summed over the entries of each cell, in double precision.

    `values` by hook, as from `per_entry`: [example pos] of a residual site, [example pos head] of
    a head site, [example head query key] of a map. Cost: one product with the masks of the roles
    for each hook, however many cells it has.
    """
    like = next(iter(values.values()))
    masks = [mask.to(like.device) for mask in roles.values()]
    stacked = torch.stack([*masks, torch.ones_like(masks[0])]).double()
    place = {name: i for i, name in enumerate((*roles, ALL))}
    tables = {hook: role_sums(values[hook].double(), stacked) for hook in values}
    sums = []
    for cell in cells:
        table = tables[cell.hook] if cell.query is None else tables[cell.hook][place[cell.query]]
        by_role = table[place[cell.role]]
        sums.append(by_role if cell.head is None else by_role[cell.head])
    return torch.stack(sums)


def role_sums(
    values: Float[Tensor, "example ..."], masks: Float[Tensor, "role example pos"]
) -> Float[Tensor, "..."]:
    """Sums by role, by role and head, or by query role, key role and head; examples last."""
    if values.ndim == 2:
        return einsum(values, masks, "n pos, role n pos -> role n")
    if values.ndim == 3:
        return einsum(values, masks, "n pos head, role n pos -> role head n")
    keys = einsum(values, masks, "n head query key, role n key -> role n head query")
    return einsum(keys, masks, "key n head pos, query n pos -> query key head n")
