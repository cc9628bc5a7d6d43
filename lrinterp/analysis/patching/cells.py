"""What can be patched: the cells of a tower's activations, and sums of numbers over each of them.

A cell is a site, a layer, a head and a role of positions, as an `Edit` that patches it. Roles may
overlap, so cells may too.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.run import Edit, TowerRun
from lrinterp.run.edit import ALL, MAP_SITES

__all__ = [
    "HEAD_SITES",
    "RESIDUAL_SITES",
    "Roles",
    "cell_sums",
    "cells_of",
    "head_of",
    "hook_of",
    "is_full",
    "layer_of",
    "per_entry",
    "query_of",
]

Roles = Mapping[str, Bool[Tensor, "example pos"]]

RESIDUAL_SITES = ("resid_pre", "attn_out")
HEAD_SITES = ("q", "k", "v", "z")
"""Sites that are patched; an MLP's output is in the next layer's stream."""


def cells_of(source: TowerRun, layers: Iterable[int] | None = None) -> list[Edit]:
    """Every cell of some layers, all for None, patched from a run.

    Residual sites by role, head sites by head and role, maps by head, query role and key role.
    """
    heads, roles = range(source.tower.cfg.n_heads), list(source.places.roles)
    cells = []
    for layer in range(source.n_layers) if layers is None else layers:
        place = {"how": "patch", "tower": source.name, "layers": (layer,), "source": source}
        for site in RESIDUAL_SITES:
            cells += [Edit(what=site, role=role, **place) for role in (*roles, ALL)]
        for site in HEAD_SITES:
            cells += [Edit(what=site, heads=(h,), role=r, **place) for h in heads for r in roles]
        for site in MAP_SITES:
            cells += [
                Edit(what=site, heads=(head,), role=key, queries=query, **place)
                for head in heads
                for query in roles
                for key in roles
            ]
    return cells


def hook_of(cell: Edit) -> str:
    """The hook of a cell's only layer."""
    return cell.hook(layer_of(cell))


def layer_of(cell: Edit) -> int:
    """The only layer of a cell."""
    assert cell.layers is not None
    return cell.layers[0]


def head_of(cell: Edit) -> int | None:
    """The head of a cell; None of a residual site."""
    return cell.heads[0] if cell.heads else None


def query_of(cell: Edit) -> str | None:
    """The query role of a cell of a map, whose `role` is the key's; None of other sites."""
    return cell.queries if cell.what in MAP_SITES else None


def is_full(cell: Edit) -> bool:
    """Is it a whole residual stream, whose patch restores the target by construction?"""
    return cell.what == "resid_pre" and cell.role == ALL


def per_entry(hook: str, values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Numbers of an activation summed over its width; an entry of a map has none."""
    return values if hook.endswith(MAP_SITES) else values.sum(-1)


def cell_sums(
    values: Mapping[str, Float[Tensor, "..."]], cells: Sequence[Edit], roles: Roles
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
        table, query, head = tables[hook_of(cell)], query_of(cell), head_of(cell)
        by_role = (table if query is None else table[place[query]])[place[cell.role]]
        sums.append(by_role if head is None else by_role[head])
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
