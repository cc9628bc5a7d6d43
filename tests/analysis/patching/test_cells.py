"""Cells by name, and sums over overlapping roles against sums entry by entry."""

import pytest
import torch

from lrinterp.analysis.patching.cells import (
    HEAD_SITES,
    RESIDUAL_SITES,
    cell_sums,
    cells_of,
    hook_of,
    is_full,
    query_of,
)
from lrinterp.axes import Tokens
from lrinterp.encoders import DualEncoder, build_tower, tower_from_plain
from lrinterp.run import Places, TowerRun
from lrinterp.run.edit import ALL, MAP_SITES

N, POS, HEADS, WIDTH = 3, 5, 2, 4


def source_of(n: int, pos: int, heads: int, layers: int, roles: dict) -> TowerRun:
    """A run of a small tower, whose values nobody asks for."""
    sizes = {"n_layers": layers, "d_model": 4, "n_heads": heads, "d_head": 2, "d_vocab_out": 2}
    sizes |= {"attn_only": True, "act_fn": "gelu", "normalization_type": None, "n_ctx": pos}
    sizes |= {"d_vocab": 3, "attention_dir": "bidirectional"}
    tower = build_tower(tower_from_plain(sizes))
    tokens = Tokens(torch.zeros(n, pos, dtype=torch.long), torch.zeros(n, dtype=torch.long))
    return TowerRun(DualEncoder.from_hooked(tower, tower), "image", tokens, Places(roles=roles))


def test_cells_of_a_layer_and_their_hooks():
    none = torch.zeros(N, POS, dtype=torch.bool)
    every = cells_of(source_of(N, POS, HEADS, 2, {"CLS": none, "left": none}))
    cells = [cell for cell in every if cell.layers == (1,)]
    assert every[-len(cells) :] == cells
    sites = (*RESIDUAL_SITES, *HEAD_SITES, *MAP_SITES)
    assert [sum(cell.what == site for cell in cells) for site in sites] == [3, 3, 4, 4, 4, 4, 8, 8]
    assert {hook_of(cell) for cell in cells if cell.what == "z"} == {"blocks.1.attn.hook_z"}
    assert {hook_of(c) for c in cells if c.what == "attn_out"} == {"blocks.1.hook_attn_out"}
    [full] = [cell for cell in cells if is_full(cell)]
    assert (full.what, full.layers, full.role, full.heads) == ("resid_pre", (1,), ALL, None)


def test_sums_over_overlapping_roles_entry_by_entry():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(N, POS, generator=generator) > 0.4 for _ in range(2))
    assert (one & other).any()
    roles = {"one": one, "other": other}
    shapes = {"resid_pre": (N, POS, WIDTH), "z": (N, POS, HEADS, WIDTH)}
    shapes["pattern"] = (N, HEADS, POS, POS)
    cells = [c for c in cells_of(source_of(N, POS, HEADS, 1, roles)) if c.what in shapes]
    whole = {hook_of(c): torch.randn(shapes[c.what], generator=generator) for c in cells}
    sums = cell_sums(whole, cells, roles)
    masks = {**roles, ALL: torch.ones_like(one)}
    for cell, row in zip(cells, sums, strict=True):
        for n in range(N):
            values, total, head = whole[hook_of(cell)][n], 0.0, (cell.heads or (None,))[0]
            for p in range(POS):
                for q in range(POS) if query_of(cell) else [None]:
                    asked = q is None or masks[str(query_of(cell))][n, q]
                    if not (masks[cell.role][n, p] and asked):
                        continue
                    if q is not None:
                        total += float(values[head, q, p])
                    elif head is None:
                        total += float(values[p].sum())
                    else:
                        total += float(values[p, head].sum())
            assert row[n].item() == pytest.approx(total, abs=1e-5)
