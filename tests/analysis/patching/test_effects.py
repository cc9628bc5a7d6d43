"""Attribution where it equals patching and where not, what is checked, and which cells are run."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Edit, Run, Scenes, Split, World, preset, record
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patching import effects
from lrinterp.analysis.patching.cells import cells_of, hook_of, is_full, layer_of, same
from lrinterp.analysis.patching.effects import (
    RANDOM,
    STRONGEST,
    CellPlan,
    check_full,
    choose,
    estimate,
    estimates,
    exactly,
    patch,
    work_of,
)
from lrinterp.run import Places, TowerRun, margins

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


def two_of(noisy, tower: str, name: str, kind: Any = DualEncoder, *, keys: bool = True) -> Two:
    """A random model of two layers in double precision on some inputs that differ everywhere."""
    split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=5), split)
    config = preset(name, **SIZES, **SCALES, image_layers=2, text_layers=2)
    model = kind.build(config, scenes.sizes, 0).double()
    for one in model.towers.values():
        one.cfg.dtype = torch.float64  # norms cast to it
        for block in one.blocks:
            block.attn.W_K.data *= float(keys)
    noisy(model, 4, 0.3)
    generator = torch.Generator().manual_seed(4)
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
def test_attribution_is_patching_where_the_margin_is_linear(noisy, tower: str):
    """And where it is not, behind a softmax, it differs. Cells that differ by less than a millionth
    count as the same, and have an estimate of 0.
    """
    two = two_of(noisy, tower, "minimal", Unscaled)
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


def test_attribution_of_the_stream_is_patching_where_attention_is_constant(noisy):
    two = two_of(noisy, "image", "minimal", Unscaled, keys=False)
    cells = [cell for cell in cells_of(two.source) if cell.what in ("resid_pre", "v")]
    exact = two.moved(cells)
    torch.testing.assert_close(two.attribution(cells), exact, atol=1e-9, rtol=0)
    assert exact.abs().max() > 1e-2
    found = estimate(two.base, two.source, cells, two.direction)
    whole = [i for i, cell in enumerate(cells) if is_full(cell)]
    np.testing.assert_allclose(found.attribution[whole[0]], found.whole)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_small_patches_move_the_margin_by_their_attribution(noisy, tower: str):
    """With norms, MLPs and a length: the ratio tends to 1; whole patches are another matter."""
    two = two_of(noisy, tower, "full")
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


def test_masked_scores_leak_no_nan(noisy):
    two = two_of(noisy, "text", "full")
    cells = [cell for cell in cells_of(two.source) if cell.what == "attn_scores"]
    hook = hook_of(cells[0])
    assert torch.isnan(two.source.sites[hook] - two.base.sites[hook]).any()
    estimated = two.attribution(cells)
    assert torch.isfinite(estimated).all()
    later = [cell.queries == "SOT" and cell.role == "EOT" for cell in cells]
    assert (estimated[later] == 0).all()
    assert (estimated[~torch.tensor(later)] != 0).any()


@pytest.fixture
def image(micro_recording) -> Contrast:
    return contrasts(micro_recording, 64, 0)[0]


def test_a_full_patch_that_is_not_one_stops_everything():
    """Where margins lie close together rounding is allowed for."""
    full = Edit(what="resid_pre", how="zero", layers=(0,))
    with pytest.raises(RuntimeError, match=r"hook_resid_pre: full noising patch gave 0\.99"):
        check_full(full, 0.999, "noising")
    assert check_full(full, 1 + 1e-6, "noising") is None
    assert check_full(full, 1.0005, "noising", whole=1e-4) is None


def test_every_cell_is_run_up_to_a_bound(image: Contrast):
    """One layer of 4 x 4 x (2 heads x 4) weights."""
    n_cells = len(cells_of(image.clean))
    work = work_of(image)
    assert work == 2 * n_cells * len(image.pictures) * 4 * (4 * 4 * 8)
    rows, _ = patch(image, most_work=work)
    assert len(rows) == 2 * n_cells
    assert all(row["exact"] and row["chosen"] == "all" for row in rows)
    some, _ = patch(image, most_work=work - 1)
    assert "all" not in {row["chosen"] for row in some}


def test_a_large_tower_gives_the_same_effects_where_it_is_run(image, monkeypatch):
    """With one strongest cell and one drawn, because the micro-model has few that matter."""
    monkeypatch.setattr(effects, "STRONGEST", 1)
    monkeypatch.setattr(effects, "RANDOM", 1)
    whole, part = (patch(image, most_work=most)[0] for most in (math.inf, 0.0))
    for one, other in zip(whole, part, strict=True):
        same = ("site", "head", "query", "role", "direction", "known", "identical", "n")
        assert [one[name] for name in same] == [other[name] for name in same]
        assert one["attribution"] == pytest.approx(other["attribution"], abs=1e-9)
        if other["exact"]:
            assert one["effect"] == pytest.approx(other["effect"], abs=1e-6)
            assert one["low"] == pytest.approx(other["low"], abs=1e-6)
        else:
            assert other["chosen"] == "none"
            assert other["effect"] is other["low"] is None
    exact = np.array([row["exact"] for row in part])
    assert not exact.all()
    full = [row["exact"] for row in part if row["site"] == "resid_pre" and row["role"] == "all"]
    assert full == [True, True]  # the last layer is also the first here


def plan_of(share: np.ndarray, free: np.ndarray) -> CellPlan:
    """A plan of CELLS with a share each; those that are not free are 0 by construction."""
    return CellPlan(
        cells=CELLS, whole=np.ones(1), attribution=share[:, None], same=~free,
        reaches=np.ones(len(CELLS), dtype=bool), chosen=np.full(len(CELLS), "all"),
    )  # fmt: skip


CELLS = [
    Edit(what=site, how="zero", layers=(layer,), role=role)
    for layer in range(2)
    for site in ("resid_pre", "attn_out")
    for role in ("CLS", "left")
] + [
    Edit(what=site, how="zero", layers=(layer,), heads=(head,), role=role)
    for layer in range(2)
    for head in range(3)
    for site in ("q", "k", "v", "z", "pattern")
    for role in ("CLS", "left")
]


def picked(plan: CellPlan, name: str) -> np.ndarray:
    return np.flatnonzero(np.isin(plan.chosen, [name, "both"]))


def test_the_strongest_of_either_sign_are_chosen_among_the_open_ones():
    """And the strongest head output, whatever else is."""
    rng = np.random.default_rng(0)
    size, free = rng.normal(size=len(CELLS)), rng.random(len(CELLS)) > 0.3
    heads = [i for i in np.flatnonzero(free) if CELLS[i].what == "z"]
    size[heads] /= 1000
    plan = choose(plan_of(size, free), rng)
    strong, rest = picked(plan, "strongest"), free.copy()
    rest[[*strong, *heads]] = False
    assert len(strong) == STRONGEST + 1
    assert [i for i in strong if i in heads] == [max(heads, key=lambda i: abs(size[i]))]
    assert np.abs(size[[i for i in strong if i not in heads]]).min() > np.abs(size[rest]).max()
    assert size[strong].min() < 0 < size[strong].max()
    assert set(plan.chosen[~free]) == {"none"}
    assert (plan.runs == (plan.chosen != "none")).all()


def test_the_sample_is_seeded_and_every_open_cell_is_as_likely():
    free = np.arange(len(CELLS)) >= 10
    plan = plan_of(np.arange(len(CELLS), dtype=float), free)
    first, again, other = (choose(plan, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.chosen.tolist() == again.chosen.tolist() != other.chosen.tolist()
    draws = 600
    drawn = np.zeros(len(CELLS))
    for seed in range(draws):
        chosen = picked(choose(plan, np.random.default_rng(seed)), "random")
        assert len(chosen) == RANDOM
        drawn[chosen] += 1
    expected = draws * RANDOM / free.sum()
    assert (drawn[:10] == 0).all()
    assert (np.abs(drawn[10:] - expected) < 5 * np.sqrt(expected)).all()


def test_fewer_open_cells_than_asked_for_are_all_chosen():
    free = np.isin(np.arange(len(CELLS)), [3, 20])
    plan = choose(plan_of(np.ones(len(CELLS)), free), np.random.default_rng(0))
    assert np.flatnonzero(plan.chosen == "both").tolist() == [3, 20]


@pytest.fixture(scope="module")
def natural(photographs) -> Run:
    return record(*photographs, progress=False)


@pytest.mark.parametrize("k", [0, 1])
def test_a_picture_and_its_mirror_image_are_patched(natural: Run, k: int):
    """Full patches reach the target, and one word differs in a caption."""
    contrast = contrasts(natural, 64, 0)[k]
    clean, corrupted = (inputs.values for inputs in contrast.inputs)
    if contrast.tower == "image":
        assert torch.equal(clean.flip(-1), corrupted)
    else:
        assert (clean != corrupted).sum(1).tolist() == [1] * len(clean)
    rows, _ = patch(contrast)
    full = [r["effect"] for r in rows if r["site"] == "resid_pre" and r["role"] == "all"]
    np.testing.assert_allclose(full, np.ones(4), atol=1e-4)
    assert np.isfinite([row["attribution"] for row in rows]).all()


@pytest.mark.parametrize("k", [0, 1])
def test_parts_do_not_matter(natural: Run, k: int, monkeypatch: pytest.MonkeyPatch):
    """One direction is the other's reverse; cells that are not chosen stay at 0."""
    contrast = contrasts(natural, 5, 0)[k]
    cells = cells_of(contrast.clean)[::7]
    whole = estimates(contrast, cells)
    np.testing.assert_allclose(whole["denoising"].whole, -whole["noising"].whole)
    assert not np.allclose(whole["denoising"].share, whole["noising"].share)
    some = np.where(np.arange(len(cells)) % 2, "all", "none")
    whole["noising"] = replace(whole["noising"], chosen=some)
    moved = exactly(contrast, whole)
    monkeypatch.setattr(effects, "part_size", lambda *_: 2)
    ways = effects.by_part(contrast)
    assert [len(part.pictures) for _, part, way in ways if way == "noising"] == [2, 2, 1]
    for direction, other in estimates(contrast, cells).items():
        one = whole[direction]
        np.testing.assert_allclose(other.whole, one.whole, atol=1e-6)
        np.testing.assert_allclose(other.attribution, one.attribution, atol=1e-5)
        assert (other.same == one.same).all()
        assert (other.reaches == one.reaches).all()
    for direction, values in exactly(contrast, whole).items():
        runs = whole[direction].runs
        np.testing.assert_allclose(values, moved[direction], atol=1e-6)
        assert np.abs(values[runs]).max() > 1e-4
        assert (values[~runs] == 0).all()
