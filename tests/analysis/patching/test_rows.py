"""What is checked of full patches, and which cells are run in towers small and large."""

import math

import numpy as np
import pytest

from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patching import rows as patch_rows
from lrinterp.analysis.patching.cells import cells_of
from lrinterp.analysis.patching.rows import RANDOM, STRONGEST, check_full, choose, patch, work_of
from lrinterp.run import Edit

pytestmark = pytest.mark.usefixtures("one_thread")

FULL = Edit(what="resid_pre", how="zero", layers=(0,))


ROLES = ("CLS", "left", "all")
PLACES = [(layer, head) for layer in range(2) for head in range(3)]
CELLS = [
    Edit(what=site, how="zero", layers=(layer,), role=role)
    for layer in range(2)
    for site in ("resid_pre", "attn_out")
    for role in ROLES
] + [
    Edit(what=site, how="zero", layers=(layer,), heads=(head,), role=role)
    for layer, head in PLACES
    for site in ("q", "k", "v", "z", "pattern")
    for role in ROLES[:2]
]


@pytest.fixture
def image(micro_recording) -> Contrast:
    return contrasts(micro_recording, 64, 0)[0]


def test_a_full_patch_that_is_not_one_stops_everything():
    with pytest.raises(
        RuntimeError, match=r"blocks.0.hook_resid_pre: full noising patch gave 0.99"
    ):
        check_full(FULL, 0.999, "noising")
    assert check_full(FULL, 1 + 1e-6, "noising") is None


def test_margins_close_together_allow_for_rounding():
    assert check_full(FULL, 1.0005, "noising", whole=1e-4) is None
    with pytest.raises(RuntimeError, match=r"gave 1\.0005"):
        check_full(FULL, 1.0005, "noising", whole=1e-3)


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


def test_a_large_tower_gives_the_same_effects_where_it_is_run(
    image: Contrast, monkeypatch: pytest.MonkeyPatch
):
    """With one strongest cell and one drawn, because the micro-model has few that matter."""
    monkeypatch.setattr(patch_rows, "STRONGEST", 1)
    monkeypatch.setattr(patch_rows, "RANDOM", 1)
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


def picked(chosen: list[str], *names: str) -> np.ndarray:
    return np.flatnonzero(np.isin(chosen, [*names, "both"]))


def test_the_strongest_of_either_sign_are_chosen_among_the_open_ones():
    rng = np.random.default_rng(0)
    size = rng.normal(size=len(CELLS))
    free = rng.random(len(CELLS)) > 0.3
    chosen = choose(size, CELLS, free, rng)
    strong, rest = picked(chosen, "strongest"), free.copy()
    rest[strong] = False
    heads = [i for i in np.flatnonzero(free) if CELLS[i].what == "z"]
    assert STRONGEST <= len(strong) <= STRONGEST + 1
    assert max(heads, key=lambda i: abs(size[i])) in strong
    top = [i for i in strong if CELLS[i].what != "z"]
    assert np.abs(size[top]).min() > np.abs(size[rest]).max()
    assert size[strong].min() < 0 < size[strong].max()
    assert not set(chosen).issubset({"none"})
    assert all(chosen[i] == "none" for i in np.flatnonzero(~free))


def test_the_strongest_head_output_is_run_whatever_else_is():
    weak = np.array([0.01 if cell.what == "z" else 1.0 for cell in CELLS])
    weak[[i for i, cell in enumerate(CELLS) if cell.what == "z"][2]] = 0.02
    chosen = choose(weak, CELLS, np.ones(len(CELLS), bool), np.random.default_rng(0))
    [head] = [i for i in picked(chosen, "strongest") if CELLS[i].what == "z"]
    assert weak[head] == 0.02


def test_the_sample_is_seeded_and_every_open_cell_is_as_likely():
    size, free = np.arange(len(CELLS), dtype=float), np.ones(len(CELLS), bool)
    free[:10] = False
    first = choose(size, CELLS, free, np.random.default_rng(3))
    assert first == choose(size, CELLS, free, np.random.default_rng(3))
    assert first != choose(size, CELLS, free, np.random.default_rng(4))
    draws = 600
    drawn = np.zeros(len(CELLS))
    for seed in range(draws):
        chosen = choose(size, CELLS, free, np.random.default_rng(seed))
        assert len(picked(chosen, "random")) == RANDOM
        drawn[picked(chosen, "random")] += 1
    expected = draws * RANDOM / free.sum()
    assert (drawn[:10] == 0).all()
    assert (np.abs(drawn[10:] - expected) < 5 * np.sqrt(expected)).all()


def test_fewer_open_cells_than_asked_for_are_all_chosen():
    free = np.zeros(len(CELLS), bool)
    free[[3, 20]] = True
    chosen = choose(np.ones(len(CELLS)), CELLS, free, np.random.default_rng(0))
    assert np.flatnonzero(np.array(chosen) == "both").tolist() == [3, 20]
