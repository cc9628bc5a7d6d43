"""Patches of the micro-model by hand, and of every site against one plain run a cell."""

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, InputError, Scenes, Split, World, preset
from lrinterp.analysis.patching import bench as patch_bench
from lrinterp.analysis.patching.bench import ALL, Cell, PatchBench, cells_of
from lrinterp.axes import Tokens

pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(examples, rows: list[tuple[list[int], list[int]]]) -> np.ndarray:
    """The indices of pictures by their labels and pixels."""
    keys = zip(examples.image_labels.tolist(), examples.image_pixels.tolist(), strict=True)
    place = {(tuple(labels), tuple(pixels)): i for i, (labels, pixels) in enumerate(keys)}
    return np.array([place[tuple(labels), tuple(pixels)] for labels, pixels in rows])


def bench_of(model: DualEncoder, tower: str, base: Tokens, source: Tokens) -> PatchBench:
    """Margins along a fixed random direction."""
    width = model.towers[tower].cfg.d_vocab_out
    direction = torch.randn(len(base), width, generator=torch.Generator().manual_seed(1))
    return PatchBench(model, tower, (base, source), direction)


@pytest.fixture
def micro_bench(micro, micro_examples) -> PatchBench:
    """Corrupted: dog, background, cat. Clean: cat, background, dog. Direction: clean's order."""
    i, j = pictures(micro_examples, [([3, 2], [0, 2]), ([2, 3], [0, 2])])
    base, source = (micro_examples.image.at(slice(k, k + 1)) for k in (i, j))
    direction = torch.tensor([[1.0, -1.0]])  # cat is -x, dog is -y
    return PatchBench(micro, "image", (base, source), direction)


def roles_of(micro_examples) -> dict[str, torch.Tensor]:
    row = pictures(micro_examples, [([3, 2], [0, 2])])
    return {name: mask[row] for name, mask in micro_examples.roles["image"].items()}


A = np.exp([12.0, 10, 10, 14]) / np.exp([12.0, 10, 10, 14]).sum()
"""Attention of head 0 from CLS in both runs: CLS, left object, background, right object."""


def along(x: float, y: float) -> float:
    """The margin of an embedding that points along (x, y)."""
    return (x - y) / np.hypot(x, y)


def test_margins_of_the_micro_model_by_hand(micro_bench: PatchBench):
    """The right object has e^4 times the weight of the left one."""
    corrupted, clean = along(-A[3], -A[1]), along(-A[1], -A[3])
    assert micro_bench.margin(micro_bench.base_tokens).item() == pytest.approx(corrupted, abs=1e-6)
    assert micro_bench.margin(micro_bench.source_tokens).item() == pytest.approx(clean, abs=1e-6)
    assert clean == -corrupted == pytest.approx((np.exp(4) - 1) / np.sqrt(1 + np.exp(8)))


def test_patches_of_the_micro_model_by_hand(micro_bench: PatchBench, micro_examples):
    """Taking one object's value from the clean run leaves two of its kind and none of the other;
    the background holds nothing; what CLS reads is all that its own output depends on.
    """
    corrupted, clean = along(-A[3], -A[1]), along(-A[1], -A[3])
    by_hand = {
        Cell(site="v", layer=0, head=0, role="left"): along(-A[1] - A[3], 0),  # cat twice
        Cell(site="v", layer=0, head=0, role="right"): along(0, -A[1] - A[3]),  # dog twice
        Cell(site="v", layer=0, head=0, role="background"): corrupted,
        Cell(site="v", layer=0, head=1, role="left"): corrupted,
        Cell(site="z", layer=0, head=0, role="CLS"): clean,
        Cell(site="z", layer=0, head=1, role="CLS"): corrupted,
        Cell(site="attn_out", layer=0, head=None, role="CLS"): clean,
        Cell(site="attn_out", layer=0, head=None, role="left"): corrupted,
        Cell(site="k", layer=0, head=0, role="left"): corrupted,
        Cell(site="resid_pre", layer=0, head=None, role="left"): along(-A[1] - A[3], 0),
        Cell(site="resid_pre", layer=0, head=None, role=ALL): clean,
    }
    margins = micro_bench.patched(list(by_hand), roles_of(micro_examples))[:, 0]
    for cell, margin, expected in zip(by_hand, margins, by_hand.values(), strict=True):
        assert margin.item() == pytest.approx(expected, abs=1e-6), cell


def test_identical_cells_of_the_micro_model(micro_bench: PatchBench, micro_examples):
    """Both objects draw alike, so what CLS looks at is the same in both runs; their own keys and
    values are not, though only the values matter.
    """
    roles = roles_of(micro_examples)

    def same(site: str, role: str, query: str | None = None, head: int | None = 0) -> bool:
        cell = Cell(site=site, layer=0, head=head, role=role, query=query)
        return micro_bench.identical(cell, roles)

    assert same("q", "CLS")
    assert not same("q", "left")
    assert not same("k", "left")
    assert not same("v", "right")
    assert same("v", "right", head=1)
    assert same("v", "background")
    for site in ("attn_scores", "pattern"):
        assert same(site, "left", query="CLS")
        assert same(site, "right", query="CLS")
    assert same("attn_scores", "right", query="left")  # two labels at right angles
    assert not same("z", "left")
    assert same("resid_pre", "CLS", head=None)
    assert not same("resid_pre", ALL, head=None)


def random_models(tower: str):
    """A random model of two layers with norms, MLPs and biases, and inputs that differ in order."""
    split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=5), split)
    sizes = {
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "d_embed": 6,
        "std_W_E": 1.0,
        "std_W_pos": 1.0,
    }
    config = preset("full", **sizes, std_weights=0.5, image_layers=2, text_layers=2)
    model = DualEncoder.build(config, scenes.sizes, 0)
    generator = torch.Generator().manual_seed(4)
    for name, weight in model.trainable().items():
        if ".b_" in name or name.endswith((".w", ".b")):
            weight.data += 0.3 * torch.randn(weight.shape, generator=generator)
    examples = scenes.examples(["unseen_pair"])
    if tower == "image":
        index = pictures(examples, [([2, 3], [0, 2]), ([2, 4], [1, 3]), ([4, 3], [1, 2])])
        other = pictures(examples, [([3, 2], [0, 2]), ([4, 2], [1, 3]), ([3, 4], [1, 2])])
        tokens = examples.image
    else:
        stated = examples.caption_labels.tolist()
        index = np.array([stated.index(pair) for pair in ([2, 3], [2, 4], [4, 3])])
        other = np.array([stated.index(pair) for pair in ([3, 2], [4, 2], [3, 4])])
        tokens = examples.text
    base, source = (tokens.at(torch.from_numpy(i)) for i in (index, other))
    roles = {name: mask[index] for name, mask in examples.roles[tower].items()}
    return model, base, source, roles


def cells_in(cell: Cell, roles, n_positions: int) -> list[tuple]:
    """The entries of an activation that a cell patches, one index each."""

    def wanted(example: int, role: str) -> list[int]:
        if role == ALL:
            return list(range(n_positions))
        return [p for p in range(n_positions) if roles[role][example, p]]

    entries = []
    for example in range(len(next(iter(roles.values())))):
        for key in wanted(example, cell.role):
            if cell.query is not None:
                queries = wanted(example, cell.query)
                entries += [(example, cell.head, query, key) for query in queries]
            else:
                entries.append((example, key) if cell.head is None else (example, key, cell.head))
    return entries


def plain_run(bench: PatchBench, cell: Cell, roles, source) -> torch.Tensor:
    """One forward pass from the tokens with one hook that copies entry by entry."""

    def copy(activation, hook):
        for where in cells_in(cell, roles, bench.base_tokens.values.shape[1]):
            activation[where] = source[cell.hook][where]
        return activation

    logits = bench.tower.run_with_hooks(bench.base_tokens.values, fwd_hooks=[(cell.hook, copy)])
    pooled = logits[torch.arange(len(logits)), bench.base_tokens.pool]
    unit = pooled / pooled.norm(dim=-1, keepdim=True)
    return (unit * bench.direction).sum(-1)


@pytest.mark.parametrize("tower", ["image", "text"])
@torch.no_grad()
def test_every_cell_of_every_site_equals_a_plain_run(tower: str):
    model, base, tokens, roles = random_models(tower)
    bench = bench_of(model, tower, base, tokens)
    _, source = bench.tower.run_with_cache(tokens.ids)
    cells = cells_of(range(2), range(2), list(roles))
    intact, moved = bench.margin(base), set()
    for cell, margins in zip(cells, bench.patched(cells, roles), strict=True):
        expected = plain_run(bench, cell, roles, source)
        torch.testing.assert_close(margins.float(), expected, atol=1e-5, rtol=0)
        if (margins - intact).abs().max() > 1e-4:
            moved.add((cell.site, cell.layer))
        if bench.identical(cell, roles):
            torch.testing.assert_close(margins, intact, atol=1e-5, rtol=0)
    sites = {"resid_pre", "attn_out", "q", "k", "v", "z", "attn_scores", "pattern"}
    assert moved == {(site, layer) for site in sites for layer in range(2)}


@pytest.mark.parametrize("tower", ["image", "text"])
def test_the_full_patch_is_the_source_run_at_any_layer(tower: str):
    model, base, source, roles = random_models(tower)
    bench = bench_of(model, tower, base, source)
    cells = [Cell(site="resid_pre", layer=layer, head=None, role=ALL) for layer in range(2)]
    target = bench.margin(source)
    assert (target - bench.margin(base)).abs().min() > 1e-3
    for margins in bench.patched(cells, roles):
        torch.testing.assert_close(margins, target, atol=1e-6, rtol=0)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch):
    model, base, source, roles = random_models("image")
    bench = bench_of(model, "image", base, source)
    cells = cells_of(range(2), range(2), list(roles))
    whole = bench.patched(cells, roles)
    for size in (1, 7, 10**6):
        monkeypatch.setattr(patch_bench, "CELL_EXAMPLES", size)
        chunks = list(bench.chunks(cells, range(len(cells))))
        assert [i for chunk in chunks for i in chunk] == list(range(len(cells)))
        assert all(len({cells[i].hook for i in chunk}) == 1 for chunk in chunks)
        assert max(map(len, chunks)) <= max(1, size // 3)
        torch.testing.assert_close(bench.patched(cells, roles), whole, atol=1e-6, rtol=0)


def test_no_cells_give_no_margins(micro_bench: PatchBench, micro_examples):
    assert micro_bench.patched([], roles_of(micro_examples)).shape == (0, 1)


def test_a_hook_that_never_fires_is_named(micro_bench: PatchBench, micro_examples):
    """The micro-model has no MLP; a layer it has not is no better."""
    for cell in (
        Cell(site="mlp_out", layer=0, head=None, role="CLS"),
        Cell(site="resid_pre", layer=1, head=None, role="CLS"),
    ):
        with pytest.raises(InputError, match=rf"hook '{cell.hook}' of the image tower never"):
            micro_bench.patched([cell], roles_of(micro_examples))
        with pytest.raises(InputError, match="never"):
            micro_bench.identical(cell, roles_of(micro_examples))


def test_a_hook_behind_the_start_of_the_run_is_named(micro_bench: PatchBench, micro_examples):
    """Cached in a whole run, but a patched run starts behind it: an error, not an effect of 0."""
    micro_bench.base["blocks.0.attn.hook_gone"] = micro_bench.base["blocks.0.attn.hook_q"]
    micro_bench.source["blocks.0.attn.hook_gone"] = micro_bench.source["blocks.0.attn.hook_q"]
    cell = Cell(site="gone", layer=0, head=0, role="left")
    with pytest.raises(Exception, match="hook_gone"):
        micro_bench.patched([cell], roles_of(micro_examples))


def test_nothing_is_left_behind(micro_bench: PatchBench, micro_examples):
    tower = micro_bench.tower
    before = tower(micro_bench.base_tokens.values)
    cells = cells_of(range(1), range(2), ["CLS", "left", "right", "background"])
    micro_bench.patched(cells, roles_of(micro_examples))
    assert torch.equal(tower(micro_bench.base_tokens.values), before)
    assert not any(point.fwd_hooks for point in tower.hook_dict.values())


def test_cells_are_all_sites_by_head_role_and_query():
    cells = cells_of(range(2), range(3), ["a", "b"])
    # By layer: two residual sites at a, b and everywhere; four head sites; two maps a x b.
    assert len(cells) == len(set(cells)) == 2 * (2 * 3 + 4 * 3 * 2 + 2 * 3 * 4)
    full = [cell for cell in cells if cell.role == ALL]
    assert {(cell.site, cell.layer) for cell in full} == {
        (site, layer) for site in ("resid_pre", "attn_out") for layer in range(2)
    }
    assert Cell(site="z", layer=1, head=2, role="a") in cells
    assert Cell(site="pattern", layer=0, head=0, role="b", query="a") in cells
    assert all(
        (cell.query is not None) == (cell.site in ("attn_scores", "pattern")) for cell in cells
    )
