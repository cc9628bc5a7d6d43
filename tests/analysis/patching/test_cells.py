"""Cells by name, sums over overlapping roles, and patches by hand and against plain runs."""

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder
from lrinterp.analysis.patching.cells import (
    RESIDUAL_SITES,
    cell_sums,
    cells_of,
    hook_of,
    is_full,
    layer_of,
    query_of,
    same,
)
from lrinterp.axes import Tokens
from lrinterp.encoders import build_tower, tower_from_plain
from lrinterp.run import Edit, Places, TowerRun, margins, under
from lrinterp.run.edit import ALL, HEAD_SITES, MAP_SITES

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


def pictures(examples, rows: list[tuple[list[int], list[int]]]) -> np.ndarray:
    """The indices of pictures by their labels and pixels."""
    keys = zip(examples.image_labels.tolist(), examples.image_pixels.tolist(), strict=True)
    place = {(tuple(labels), tuple(pixels)): i for i, (labels, pixels) in enumerate(keys)}
    return np.array([place[tuple(labels), tuple(pixels)] for labels, pixels in rows])


def runs_of(
    model: DualEncoder, tower: str, base: Tokens, source: Tokens, roles
) -> tuple[TowerRun, TowerRun]:
    """Two runs whose positions play the same roles."""
    places = Places(roles=roles)
    return TowerRun(model, tower, base, places), TowerRun(model, tower, source, places)


def margin_of(run: TowerRun, direction: torch.Tensor) -> torch.Tensor:
    return (run.embeddings.double() * direction.double()).sum(-1)


@pytest.fixture
def micro_pair(micro, micro_examples) -> tuple[TowerRun, TowerRun]:
    """Corrupted: dog, background, cat. Clean: cat, background, dog."""
    i, j = pictures(micro_examples, [([3, 2], [0, 2]), ([2, 3], [0, 2])])
    base, source = (micro_examples.image.at(slice(k, k + 1)) for k in (i, j))
    roles = {name: mask[[i]] for name, mask in micro_examples.roles["image"].items()}
    return runs_of(micro, "image", base, source, roles)


def cell(
    source: TowerRun, site: str, role: str, *, head: int | None = None, query: str = ALL
) -> Edit:
    """A cell of the first layer."""
    place = {"heads": None if head is None else (head,), "queries": query, "role": role}
    return Edit(what=site, how="patch", tower=source.name, layers=(0,), source=source, **place)


def test_identical_cells_of_the_micro_model(micro_pair: tuple[TowerRun, TowerRun]):
    """Both objects draw alike, so what CLS looks at is the same in both runs; their own keys and
    values are not, though only the values matter.
    """
    base, source = micro_pair

    def alike(site: str, role: str, query: str = ALL, head: int | None = 0) -> bool:
        return bool(same(base, source, [cell(source, site, role, head=head, query=query)])[0])

    assert alike("q", "CLS")
    assert not alike("q", "left")
    assert not alike("k", "left")
    assert not alike("v", "right")
    assert alike("v", "right", head=1)
    assert alike("v", "background")
    for site in MAP_SITES:
        assert alike(site, "left", query="CLS")
        assert alike(site, "right", query="CLS")
    assert alike("attn_scores", "right", query="left")  # two labels at right angles
    assert not alike("z", "left")
    assert alike("resid_pre", "CLS", head=None)
    assert not alike("resid_pre", ALL, head=None)


def random_pair(small, tower: str) -> tuple[TowerRun, TowerRun, torch.Tensor]:
    """A random model of two layers on inputs that differ in order, and a random direction."""
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    run = small("full", noise=(4, 0.3), **scales, image_layers=2, text_layers=2)
    model, examples = run.model, run.examples
    if tower == "image":
        index = pictures(examples, [([2, 3], [0, 2]), ([2, 4], [1, 3]), ([4, 3], [1, 2])])
        other = pictures(examples, [([3, 2], [0, 2]), ([4, 2], [1, 3]), ([3, 4], [1, 2])])
        tokens = examples.image
    else:
        stated = examples.caption_labels.tolist()
        index = np.array([stated.index(pair) for pair in ([2, 3], [2, 4], [4, 3])])
        other = np.array([stated.index(pair) for pair in ([3, 2], [4, 2], [3, 4])])
        tokens = examples.text
    clean, corrupted = (tokens.at(torch.from_numpy(i)) for i in (index, other))
    roles = {name: mask[index] for name, mask in examples.roles[tower].items()}
    width = model.towers[tower].cfg.d_vocab_out
    direction = torch.randn(3, width, generator=torch.Generator().manual_seed(1))
    return *runs_of(model, tower, clean, corrupted, roles), direction


def entries(one: Edit, run: TowerRun) -> list[tuple]:
    """The entries of an activation that a cell patches, one index each."""

    def wanted(example: int, role: str) -> list[int]:
        whole, roles = range(run.n_positions), run.places.roles
        return [p for p in whole if role == ALL or roles[role][example, p]]

    found, head = [], (one.heads or (None,))[0]
    for example in range(len(run)):
        for key in wanted(example, one.role):
            if query := query_of(one):
                found += [(example, head, q, key) for q in wanted(example, query)]
            else:
                found.append((example, key) if head is None else (example, key, head))
    return found


def plain_run(run: TowerRun, one: Edit, taken: torch.Tensor, direction: torch.Tensor):
    """One forward pass from the tokens with one hook that copies entry by entry."""

    def copy(activation, hook):
        for where in entries(one, run):
            activation[where] = taken[where]
        return activation

    logits = run.tower.run_with_hooks(run.inputs.values, fwd_hooks=[(hook_of(one), copy)])
    pooled = logits[torch.arange(len(logits)), run.inputs.pool]
    return (pooled / pooled.norm(dim=-1, keepdim=True) * direction).sum(-1)


@pytest.mark.parametrize("tower", ["image", "text"])
@torch.no_grad()
def test_every_cell_of_every_site_equals_a_plain_run(small, tower):
    base, source, direction = random_pair(small, tower)
    _, taken = base.tower.run_with_cache(source.inputs.values)
    cells = cells_of(source)
    intact, moved = margin_of(base, direction), set()
    alike = same(base, source, cells)
    for one, found, unmoved in zip(cells, margins(base, cells, direction), alike, strict=True):
        expected = plain_run(base, one, taken[hook_of(one)], direction)
        torch.testing.assert_close(found.float(), expected, atol=1e-5, rtol=0)
        if (found - intact).abs().max() > 1e-4:
            moved.add(hook_of(one))
        if unmoved:
            torch.testing.assert_close(found, intact, atol=1e-5, rtol=0)
        if is_full(one):
            torch.testing.assert_close(found, margin_of(source, direction), atol=1e-6, rtol=0)
    assert moved == {hook_of(one) for one in cells}
    assert len(moved) == 2 * 8
    assert (margin_of(source, direction) - intact).abs().min() > 1e-3


def test_patches_made_together_equal_those_made_one_by_one(small):
    """Also where doses or sources differ, which no single choice of entries can make."""
    base, source, direction = random_pair(small, "text")
    again = source.at(slice(None))
    cells = [one for one in cells_of(source) if layer_of(one) == 1 and one.what in ("z", "pattern")]
    mixed = [one.scaled(0.5) if i % 2 else one for i, one in enumerate(cells)]
    mixed += [cell(again, "q", role, head=0) for role in base.places.roles]
    mixed += [cell(source, "q", role, head=0) for role in base.places.roles]
    for some in (cells, mixed):
        single = torch.stack([margin_of(under(base, one), direction) for one in some])
        torch.testing.assert_close(margins(base, some, direction), single, atol=1e-6, rtol=0)
    assert not torch.allclose(margins(base, cells, direction), single[: len(cells)], atol=1e-4)
