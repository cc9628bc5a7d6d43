"""The design: five arms, two grids, the seeds that nobody used before."""

import pytest

from lrinterp.reproduction.design import ARMS, FIRST_SEED, Design
from lrinterp.store import InputError


def test_the_full_design():
    studies = Design().studies
    assert list(studies) == ["models", "scales", "diversity"]
    assert {name: len(list(s.settings())) * s.seeds for name, s in studies.items()} == {
        "models": 50,
        "scales": 200,
        "diversity": 160,
    }
    assert all(s.first_seed == FIRST_SEED for s in studies.values())
    assert studies["models"].arm_names == list(ARMS)


def test_a_quick_one_has_no_grid_of_diversity():
    studies = Design(quick=True, seeds=3).studies
    assert list(studies) == ["models", "scales"]
    assert len(list(studies["scales"].settings())) == 4


def test_arms_change_what_they_say():
    plans = {s.arm: s.plan(300) for s in Design().studies["models"].settings()}
    assert plans["both_2"].encoder.text_layers == 2
    assert plans["both_1"].scenes.world.template == plans["both_2"].scenes.world.template == "both"
    assert plans["shuffled"].scenes.split.shuffled
    assert plans["few"].scenes.split.n_pair == 5
    assert plans["standard"].fit.keep_every == 25
    world, split = plans["standard"].scenes.world, plans["standard"].scenes.split
    assert (world.n_labels, split.n_val, split.test_layouts) == (20, 5, 0)  # the paper's
    assert plans["standard"].scenes.world == plans["shuffled"].scenes.world


def test_a_base_changes_all_models():
    design = Design(base={"fit": {"steps": 70}})
    plans = [s.plan(0) for study in design.studies.values() for s in study.settings()]
    assert {plan.fit.steps for plan in plans} == {70}


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"fit": {"stps": 7}}, "unknown field 'stps'"),
        ({"world": {"n_labels": 6}}, "n_pair"),
        ({"fitt": {}}, "unknown section 'fitt'"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(base: dict, words: str):
    with pytest.raises(InputError, match=words):
        Design(base=base).studies  # noqa: B018


@pytest.mark.parametrize("seeds", [0, 1, 1001])
def test_a_number_of_seeds_that_cannot_be_is_refused(seeds: int):
    with pytest.raises(ValueError, match="seeds: expected 2 to 1000"):
        Design(seeds=seeds)
