"""Attribution where it must equal patching, where it must not, and against plain differences."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Edit, Scenes, Split, World, preset
from lrinterp.analysis.patching.attribution_patching import estimate
from lrinterp.analysis.patching.cells import cells_of, hook_of, is_full, layer_of, query_of, same
from lrinterp.run import Places, TowerRun, gradient, margins
from lrinterp.run.edit import ALL

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
SCALES = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.6}
N = 4


class Unscaled(DualEncoder):
    """Embeddings are not divided by their length, so that they are linear in the last stream."""

    def project(self, tower, residual, pool):
        return self.towers[tower].unembed(residual[torch.arange(len(pool)), pool])


class Two(NamedTuple):
    """A base and a source run of one tower, and a direction for each example."""

    base: TowerRun
    source: TowerRun
    direction: torch.Tensor

    def attribution(self, cells: list[Edit]) -> torch.Tensor:
        return torch.from_numpy(estimate(self.base, self.source, cells, self.direction).attribution)

    def moved(self, cells: list[Edit]) -> torch.Tensor:
        found = margins(self.base, [*cells, Edit(tower=self.base.name).scaled(0.0)], self.direction)
        return found[:-1] - found[-1]


def two_of(tower: str, name: str, kind: Any = DualEncoder, *, keys: bool = True) -> Two:
    """A random model of two layers in double precision on some inputs that differ everywhere."""
    split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=5), split)
    config = preset(name, **SIZES, **SCALES, image_layers=2, text_layers=2)
    model = kind.build(config, scenes.sizes, 0).double()
    for one in model.towers.values():
        one.cfg.dtype = torch.float64  # norms cast to it
        for block in one.blocks:
            block.attn.W_K.data *= float(keys)
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
    places = Places(occurs=examples.occurs[tower], roles=roles)
    base, source = (
        TowerRun(model, tower, inputs.at(part), places) for part in (rows[:N], rows[N:])
    )
    return Two(base, source, direction)


LINEAR = ("z", "v", "attn_out", "pattern")
"""Sites of the last layer that its output is linear in while all else is held."""


@pytest.mark.parametrize("tower", ["image", "text"])
def test_attribution_is_patching_where_the_margin_is_linear(tower: str):
    """And where it is not, behind a softmax, it differs. Cells that differ by less than a millionth
    count as the same, and have an estimate of 0.
    """
    two = two_of(tower, "minimal", Unscaled)
    cells = [cell for cell in cells_of(two.source) if layer_of(cell) == 1 and not is_full(cell)]
    alike = same(two.base, two.source, cells)
    cells = [cell for cell, is_same in zip(cells, alike, strict=True) if not is_same]
    estimated, exact = two.attribution(cells), two.moved(cells)
    apart = (estimated - exact).abs().amax(1)
    sites = np.array([cell.what for cell in cells])
    for site in LINEAR:
        assert apart[sites == site].max() < 1e-9
        assert exact[sites == site].abs().max() > 1e-2
    for site in ("q", "k", "attn_scores", "resid_pre"):
        assert apart[sites == site].max() > 1e-3


def test_attribution_of_the_stream_is_patching_where_attention_is_constant():
    two = two_of("image", "minimal", Unscaled, keys=False)
    cells = [cell for cell in cells_of(two.source) if cell.what in ("resid_pre", "v")]
    exact = two.moved(cells)
    torch.testing.assert_close(two.attribution(cells), exact, atol=1e-9, rtol=0)
    assert exact.abs().max() > 1e-2
    found = estimate(two.base, two.source, cells, two.direction)
    whole = [i for i, cell in enumerate(cells) if is_full(cell)]
    np.testing.assert_allclose(found.attribution[whole[0]], found.whole)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_small_patches_move_the_margin_by_their_attribution(tower: str):
    """With norms, MLPs and a length: the ratio tends to 1; whole patches are another matter."""
    two = two_of(tower, "full")
    cells = [cell for cell in cells_of(two.source) if cell.what != "attn_scores"]
    estimated, whole = two.attribution(cells), two.moved(cells)
    scale = estimated.abs().max()
    misses = []
    for t in (1e-2, 1e-4, 1e-6):
        small = two.moved([cell.scaled(t) for cell in cells])
        misses.append(float((small / t - estimated).abs().max() / scale))
    assert misses[0] > 10 * misses[1] > 100 * misses[2]
    assert misses[2] < 1e-5
    assert (whole - estimated).abs().max() / scale > 0.05


@pytest.mark.parametrize("tower", ["image", "text"])
@torch.no_grad()
def test_sign_and_size_by_plain_differences(tower: str):
    """Runs from the inputs, with entries moved one by one; no gradient and no mask of ours."""
    two = two_of(tower, "full")
    cells, step, run = cells_of(two.source), 1e-4, two.base
    _, source = run.tower.run_with_cache(two.source.inputs.values)
    _, base = run.tower.run_with_cache(run.inputs.values)
    picked = np.random.default_rng(0).choice(len(cells), 40, replace=False)
    estimated = two.attribution([cells[i] for i in picked])
    for i, row in zip(picked, estimated, strict=True):
        ends = []
        for sign in (step, -step):

            def move(activation, hook, cell=cells[i], sign=sign):
                n = activation.shape[-1 if query_of(cell) else 1]
                for where in entries(cell, run.places.roles, n):
                    change = source[hook_of(cell)][where] - base[hook_of(cell)][where]
                    if bool(torch.isfinite(change).all()):
                        activation[where] += sign * change
                return activation

            logits = run.tower.run_with_hooks(
                run.inputs.values, fwd_hooks=[(hook_of(cells[i]), move)]
            )
            pooled = logits[torch.arange(N), run.inputs.pool]
            ends.append((pooled / pooled.norm(dim=-1, keepdim=True) * two.direction).sum(-1))
        torch.testing.assert_close((ends[0] - ends[1]) / (2 * step), row, atol=1e-6, rtol=1e-3)
    assert estimated.min() < -1e-3
    assert estimated.max() > 1e-3


def entries(cell: Edit, roles: Any, n: int) -> list[tuple]:
    """The entries of an activation that a cell patches, one index each."""

    def places(example: int, role: str) -> list[int]:
        return [p for p in range(n) if role == ALL or roles[role][example, p]]

    found, head = [], (cell.heads or (None,))[0]
    for example in range(N):
        for key in places(example, cell.role):
            if query := query_of(cell):
                found += [(example, head, q, key) for q in places(example, query)]
            else:
                found.append((example, key) if head is None else (example, key, head))
    return found


def test_masked_scores_leak_no_nan():
    two = two_of("text", "full")
    cells = [cell for cell in cells_of(two.source) if cell.what == "attn_scores"]
    hook = hook_of(cells[0])
    assert torch.isnan(two.source.sites[hook] - two.base.sites[hook]).any()
    estimated = two.attribution(cells)
    assert torch.isfinite(estimated).all()
    later = [cell.queries == "SOT" and cell.role == "EOT" for cell in cells]
    assert (estimated[later] == 0).all()
    assert (estimated[~torch.tensor(later)] != 0).any()


def test_weights_and_inputs_are_left_alone():
    two = two_of("image", "full")
    before = {name: weight.clone() for name, weight in two.base.model.trainable().items()}
    names = ["blocks.0.hook_resid_pre", "blocks.1.attn.hook_z"]
    assert list(gradient(two.base, two.direction, names)) == names
    for name, weight in two.base.model.trainable().items():
        assert weight.grad is None
        assert torch.equal(weight, before[name])
    assert not two.base.residual(0).requires_grad
    assert not any(point.fwd_hooks for point in two.base.tower.hook_dict.values())
