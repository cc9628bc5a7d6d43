"""The strongest cells really are, the sample can be any of them, and work is counted by hand."""

import numpy as np

from lrinterp.analysis.patching.choice import RANDOM, STRONGEST, choose, work_of
from lrinterp.encoders import DualEncoder
from lrinterp.run import Edit

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


def test_work_of_the_micro_model_by_hand(micro: DualEncoder):
    """One layer of 4 x 4 x (2 heads x 4) weights."""
    cells = CELLS[:5]
    assert work_of(micro.image, cells, 6, 4) == 2 * 5 * 6 * 4 * (4 * 4 * 8)
