"""Cells by name, and sums over overlapping roles against sums entry by entry."""

import pytest
import torch

from lrinterp.analysis.patching.cells import ALL, SITES, Cell, cell_sums, cells_of, per_entry

N, POS, HEADS, WIDTH = 3, 5, 2, 4


def test_cells_of_a_layer_and_their_hooks():
    cells = cells_of(range(1, 2), range(2), ["CLS", "left"])
    assert [sum(cell.site == site for cell in cells) for site in SITES] == [3, 3, 4, 4, 4, 4, 8, 8]
    assert {cell.hook for cell in cells if cell.site == "z"} == {"blocks.1.attn.hook_z"}
    assert {cell.hook for cell in cells if cell.site == "attn_out"} == {"blocks.1.hook_attn_out"}
    assert [cell for cell in cells if cell.full] == [
        Cell(site="resid_pre", layer=1, head=None, role=ALL)
    ]


def test_sums_over_overlapping_roles_entry_by_entry():
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(N, POS, generator=generator) > 0.4 for _ in range(2))
    assert (one & other).any()
    roles = {"one": one, "other": other}
    shapes = {"resid_pre": (N, POS, WIDTH), "z": (N, POS, HEADS, WIDTH)}
    shapes["pattern"] = (N, HEADS, POS, POS)
    cells = [c for c in cells_of(range(1), range(HEADS), list(roles)) if c.site in shapes]
    whole = {c.hook: torch.randn(shapes[c.site], generator=generator) for c in cells}
    sums = cell_sums({hook: per_entry(hook, x) for hook, x in whole.items()}, cells, roles)
    masks = {**roles, ALL: torch.ones_like(one)}
    for cell, row in zip(cells, sums, strict=True):
        for n in range(N):
            values, total = whole[cell.hook][n], 0.0
            for p in range(POS):
                for q in range(POS) if cell.query else [None]:
                    asked = q is None or masks[str(cell.query)][n, q]
                    if not (masks[cell.role][n, p] and asked):
                        continue
                    if q is not None:
                        total += float(values[cell.head, q, p])
                    elif cell.head is None:
                        total += float(values[p].sum())
                    else:
                        total += float(values[p, cell.head].sum())
            assert row[n].item() == pytest.approx(total, abs=1e-5)
