"""What can be patched: the cells of a tower's activations, and sums of numbers over each of them.

A cell is a site, a layer, a head and a role of positions, as an `Edit` that patches it. Roles may
overlap, so cells may too.
"""

from collections.abc import Mapping, Sequence

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from lrinterp.run import Edit, TowerRun
from lrinterp.run.edit import ALL, HEAD_SITES, MAP_SITES

__all__ = [
    "RESIDUAL_SITES",
    "activation_change",
    "cell_sums",
    "cells_of",
    "hook_of",
    "is_full",
    "layer_of",
    "query_of",
    "same",
]

RESIDUAL_SITES = ("resid_pre", "attn_out")
"""Those that are patched; an MLP's output is in the next layer's stream."""
IDENTICAL = 1e-6


def cells_of(source: TowerRun) -> list[Edit]:
    """Every cell of a tower by layer, patched from a run.

    Residual sites by role, head sites by head and role, maps by head, query role and key role.
    """
    heads, roles = [(head,) for head in range(source.tower.cfg.n_heads)], list(source.places.roles)
    places = {
        RESIDUAL_SITES: [{"role": role} for role in (*roles, ALL)],
        HEAD_SITES: [{"heads": head, "role": role} for head in heads for role in roles],
        MAP_SITES: [
            {"heads": head, "queries": query, "role": key}
            for head in heads
            for query in roles
            for key in roles
        ],
    }
    shared = {"how": "patch", "tower": source.name, "source": source}
    return [
        Edit(what=site, layers=(layer,), **place, **shared)
        for layer in range(source.n_layers)
        for sites, own in places.items()
        for site in sites
        for place in own
    ]


def hook_of(cell: Edit) -> str:
    """The hook of a cell's only layer."""
    return cell.hook(layer_of(cell))


def layer_of(cell: Edit) -> int:
    """The only layer of a cell."""
    assert cell.layers is not None
    return cell.layers[0]


def query_of(cell: Edit) -> str | None:
    """The query role of a cell of a map, whose `role` is the key's; None of other sites."""
    return cell.queries if cell.what in MAP_SITES else None


def is_full(cell: Edit) -> bool:
    """Is it a whole residual stream, whose patch restores the target by construction?"""
    return cell.what == "resid_pre" and cell.role == ALL


def activation_change(
    base: TowerRun, source: TowerRun, cells: Sequence[Edit]
) -> dict[str, Float[Tensor, "example ..."]]:
    """Source minus base by the hooks of some cells; 0 where both are masked."""
    hooks = list(dict.fromkeys(hook_of(cell) for cell in cells))
    start, end = base.values(hooks), source.values(hooks)
    return {h: torch.where(start[h] == end[h], 0.0, end[h] - start[h]) for h in hooks}


def same(base: TowerRun, source: TowerRun, cells: Sequence[Edit]) -> Bool[Tensor, "cell"]:
    """For each cell: does no entry differ by over a millionth of the largest of its site?"""
    differ = {}
    for hook, change in activation_change(base, source, cells).items():
        own = base.sites[hook]
        scale = own[torch.isfinite(own)].abs().max().clamp(min=1e-30)
        differ[hook] = (change.abs() / scale > IDENTICAL).to(own.dtype)
    return (cell_sums(differ, cells, base.places.roles) == 0).all(-1)


def cell_sums(
    values: Mapping[str, Float[Tensor, "example ..."]],
    cells: Sequence[Edit],
    roles: Mapping[str, Bool[Tensor, "example pos"]],
) -> Float[Tensor, "cell example"]:
    """Numbers of each example summed over the entries of each cell, in double precision.

    `values` by hook, shaped as the activations. Cost: one product with the masks of the roles for
    each hook, however many cells it has.
    """
    masks = torch.stack(list(roles.values()))
    masks = torch.cat([masks, torch.ones_like(masks[:1])])
    place: dict[str | None, int] = {None: 0} | {name: i for i, name in enumerate((*roles, ALL))}
    tables = {hook: role_sums(hook, own, masks.to(own.device)) for hook, own in values.items()}
    return torch.stack(
        [
            tables[hook_of(cell)][place[query_of(cell)], place[cell.role], (cell.heads or (0,))[0]]
            for cell in cells
        ]
    )


def role_sums(
    hook: str, values: Float[Tensor, "example ..."], masks: Bool[Tensor, "role example pos"]
) -> Float[Tensor, "query key head example"]:
    """Sums by query role (one without queries), key role and head (one without heads)."""
    where = masks.double()
    if hook.endswith(MAP_SITES):
        keys = einsum(values.double(), where, "n head query key, role n key -> role n head query")
        return einsum(keys, where, "key n head pos, query n pos -> query key head n")
    sums = values.sum(-1).double()
    by_head = sums if sums.ndim == 3 else sums[..., None]
    return einsum(by_head, where, "n pos head, role n pos -> role head n")[None]
