"""Attribution where it must equal patching, where it must not, and against plain differences."""

import numpy as np
import pytest
import torch
from lrinterp.analysis.patching.bench import PatchBench

from lrinterp import DualEncoder, Scenes, Split, World, preset
from lrinterp.analysis.patching.attribution_patching import attribution, gradients, part_size
from lrinterp.analysis.patching.cells import ALL, Cell, cells_of

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
SCALES = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.6}
N = 4


class Unscaled(DualEncoder):
    """Embeddings are not divided by their length, so that they are linear in the last stream."""

    def project(self, tower, residual, pool):
        return self.towers[tower].unembed(residual[torch.arange(len(pool)), pool])


def bench_of(tower: str, name: str, kind=DualEncoder) -> tuple[PatchBench, dict]:
    """A random model of two layers in double precision on some inputs that differ everywhere."""
    split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=5), split)
    config = preset(name, **SIZES, **SCALES, image_layers=2, text_layers=2)
    model = kind.build(config, scenes.sizes, 0).double()
    for one in model.towers.values():
        one.cfg.dtype = torch.float64  # norms cast to it
    generator = torch.Generator().manual_seed(4)
    for key, weight in model.trainable().items():
        if ".b_" in key or key.endswith((".w", ".b")):
            weight.data += 0.3 * torch.randn(weight.shape, generator=generator)
    examples = scenes.examples()
    some = np.flatnonzero(np.array(examples.caption_template) != "single")
    some = some if tower == "text" else np.arange(len(examples))
    rows = torch.from_numpy(some)[torch.randperm(len(some), generator=generator)[: 2 * N]]
    inputs = getattr(examples, tower)
    direction = torch.randn(N, SIZES["d_embed"], generator=generator, dtype=torch.float64)
    roles = {role: mask[rows[:N]] for role, mask in examples.roles[tower].items()}
    return PatchBench(model, tower, (inputs.at(rows[:N]), inputs.at(rows[N:])), direction), roles


def moved_by(bench: PatchBench, cells: list[Cell], roles: dict) -> torch.Tensor:
    return bench.patched(cells, roles) - bench.base_margin


LINEAR = ("z", "v", "attn_out", "pattern")
"""Sites of the last layer that its output is linear in while all else is held."""


@pytest.mark.parametrize("tower", ["image", "text"])
def test_attribution_is_patching_where_the_margin_is_linear(tower: str):
    """And where it is not, behind a softmax, it differs."""
    bench, roles = bench_of(tower, "minimal", Unscaled)
    cells = [cell for cell in cells_of(range(1, 2), range(2), list(roles)) if not cell.full]
    estimated, exact = attribution(bench, cells, roles), moved_by(bench, cells, roles)
    apart = (estimated - exact).abs().amax(1)
    sites = np.array([cell.site for cell in cells])
    for site in LINEAR:
        assert apart[sites == site].max() < 1e-9
        assert exact[sites == site].abs().max() > 1e-2
    for site in ("q", "k", "attn_scores", "resid_pre"):
        assert apart[sites == site].max() > 1e-3


def test_attribution_of_the_stream_is_patching_where_attention_is_constant():
    bench, roles = bench_of("image", "minimal", Unscaled)
    for block in bench.tower.blocks:
        block.attn.W_K.data.zero_()  # all keys alike
    bench = PatchBench(
        bench.model, "image", (bench.base_tokens, bench.source_tokens), bench.direction
    )
    cells = [c for c in cells_of(range(2), range(2), list(roles)) if c.site in ("resid_pre", "v")]
    exact = moved_by(bench, cells, roles)
    torch.testing.assert_close(attribution(bench, cells, roles), exact, atol=1e-9, rtol=0)
    assert exact.abs().max() > 1e-2
    whole = Cell(site="resid_pre", layer=0, head=None, role=ALL)
    target = bench.target_margin - bench.base_margin
    torch.testing.assert_close(attribution(bench, [whole], roles)[0], target)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_small_patches_move_the_margin_by_their_attribution(tower: str):
    """With norms, MLPs and a length: the ratio tends to 1; whole patches are another matter."""
    bench, roles = bench_of(tower, "full")
    cells = cells_of(range(2), range(2), list(roles))
    estimated, whole = attribution(bench, cells, roles), moved_by(bench, cells, roles)
    scale, source = estimated.abs().max(), bench.source
    misses = []
    for t in (1e-2, 1e-4, 1e-6):
        bench.source = {
            name: base + t * apart_of(base, source[name]) for name, base in items(bench)
        }
        misses.append(float((moved_by(bench, cells, roles) / t - estimated).abs().max() / scale))
    assert misses[0] > 10 * misses[1] > 100 * misses[2]
    assert misses[2] < 1e-5
    assert (whole - estimated).abs().max() / scale > 0.05


def items(bench: PatchBench):
    return bench.base.items()


def apart_of(base: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    return torch.where(base == source, 0.0, source - base)


@pytest.mark.parametrize("tower", ["image", "text"])
@torch.no_grad()
def test_sign_and_size_by_plain_differences(tower: str):
    """Runs from the inputs, with entries moved one by one; no gradient and no mask of ours."""
    bench, roles = bench_of(tower, "full")
    cells = cells_of(range(2), range(2), list(roles))
    step = 1e-4
    _, source = bench.tower.run_with_cache(bench.source_tokens.values)
    _, base = bench.tower.run_with_cache(bench.base_tokens.values)
    picked = np.random.default_rng(0).choice(len(cells), 40, replace=False)
    estimated = attribution(bench, [cells[i] for i in picked], roles)
    for i, row in zip(picked, estimated, strict=True):
        ends = []
        for sign in (step, -step):

            def move(activation, hook, cell=cells[i], sign=sign):
                for where in entries(cell, roles, activation.shape[-1 if cell.query else 1]):
                    change = source[cell.hook][where] - base[cell.hook][where]
                    if bool(torch.isfinite(change).all()):
                        activation[where] += sign * change
                return activation

            logits = bench.tower.run_with_hooks(
                bench.base_tokens.values, fwd_hooks=[(cells[i].hook, move)]
            )
            pooled = logits[torch.arange(N), bench.base_tokens.pool]
            ends.append((pooled / pooled.norm(dim=-1, keepdim=True) * bench.direction).sum(-1))
        torch.testing.assert_close((ends[0] - ends[1]) / (2 * step), row, atol=1e-6, rtol=1e-3)
    assert estimated.min() < -1e-3
    assert estimated.max() > 1e-3


def entries(cell: Cell, roles: dict, n: int) -> list[tuple]:
    """The entries of an activation that a cell patches, one index each."""

    def places(example: int, role: str) -> list[int]:
        return [p for p in range(n) if role == ALL or roles[role][example, p]]

    found = []
    for example in range(N):
        for key in places(example, cell.role):
            if cell.query is not None:
                found += [(example, cell.head, q, key) for q in places(example, cell.query)]
            else:
                found.append((example, key) if cell.head is None else (example, key, cell.head))
    return found


def test_masked_scores_leak_no_nan():
    bench, roles = bench_of("text", "full")
    cells = [c for c in cells_of(range(2), range(2), list(roles)) if c.site == "attn_scores"]
    hook = cells[0].hook
    assert torch.isnan(bench.source[hook] - bench.base[hook]).any()
    estimated = attribution(bench, cells, roles)
    assert torch.isfinite(estimated).all()
    later = [c.query == "SOT" and c.role == "EOT" for c in cells]
    assert (estimated[later] == 0).all()
    assert (estimated[~torch.tensor(later)] != 0).any()


def test_weights_and_inputs_are_left_alone():
    bench, roles = bench_of("image", "full")
    before = {name: weight.clone() for name, weight in bench.model.trainable().items()}
    slopes = gradients(bench, ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_z"])
    assert list(slopes) == ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_z"]
    for name, weight in bench.model.trainable().items():
        assert weight.grad is None
        assert torch.equal(weight, before[name])
    assert not any(tensor.requires_grad for tensor in bench.base.values())
    assert not any(point.fwd_hooks for point in bench.tower.hook_dict.values())
    assert roles


def test_memory_bounds_the_examples_of_a_part():
    b32 = {"d_model": 768, "d_mlp": 3072, "n_heads": 12, "n_layers": 12, "attn_only": False}
    l14 = {"d_model": 1024, "d_mlp": 4096, "n_heads": 16, "n_layers": 24, "attn_only": False}
    bench, _ = bench_of("image", "minimal")
    assert part_size(bench.tower, 5) > 1000
    for shape, n_positions, examples in ((b32, 50, 10), (l14, 257, 1)):
        for name, value in shape.items():
            setattr(bench.tower.cfg, name, value)
        assert part_size(bench.tower, n_positions) == examples
