"""The design, and the plan of a run: what is trained, and what a folder may be resumed with."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lrinterp.experiment import load_sweep
from lrinterp.experiment.sweeps import begun
from lrinterp.reproduction import design
from lrinterp.reproduction.design import (
    ARMS,
    FIRST_SEED,
    JUDGING,
    PACKAGE,
    Design,
    ReproductionPlan,
    commit_of_code,
    hash_of_criteria,
)
from lrinterp.store import InputError, read_json, to_plain, write_json

SWEEP = Path(__file__).parents[2] / "analyses" / "label_vs_layout" / "results"
PLAN = ReproductionPlan(quick=True, seeds=3)


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
    small = Design(base={"fit": {"steps": 70}})
    plans = [s.plan(0) for study in small.studies.values() for s in study.settings()]
    assert {plan.fit.steps for plan in plans} == {70}


@pytest.mark.parametrize("seeds", [0, 1, 1001])
def test_a_number_of_seeds_that_cannot_be_is_refused(seeds: int):
    with pytest.raises(ValueError, match="seeds: expected 2 to 1000"):
        Design(seeds=seeds)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the plan was written, and no more."""
    write_json(tmp_path / "plan.json", to_plain(PLAN) | {"commit": "0" * 40})
    return tmp_path


def test_the_same_plan_of_any_commit_is_resumed(folder: Path):
    with begun(PLAN, folder, resume=True) as found:
        assert to_plain(found) == to_plain(PLAN) | {"commit": "0" * 40}
    assert list(found.studies) == ["models", "scales"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 4}, "seeds = 3, not 4"),
        ({"device": "cuda"}, "device = 'cpu', not 'cuda'"),
        ({"base": {"fit": {"steps": 90}}}, "base = {}, not"),
        ({"study": "abc"}, "study = None, not 'abc'"),
        ({"criteria": "abc"}, "the criteria, or the code of their statistics = '', not 'abc'"),
    ],
)
def test_another_plan_is_refused(folder: Path, changes: dict[str, Any], words: str):
    other = ReproductionPlan(**{**to_plain(PLAN), **changes})
    with pytest.raises(InputError, match=words), begun(other, folder, resume=True):
        pass


def test_a_plan_of_another_format_is_refused(folder: Path):
    write_json(folder / "plan.json", read_json(folder / "plan.json") | {"format": 9})
    with pytest.raises(InputError, match="format version 9, expected 2"):
        ReproductionPlan.read(folder)


def test_a_sweep_that_is_given_is_known_by_its_table_and_not_made_again():
    loaded, changed = load_sweep(SWEEP), load_sweep(SWEEP)
    plan = ReproductionPlan.of(Design(), loaded, "cpu")
    assert list(plan.studies) == ["models", "scales"]
    assert list(ReproductionPlan.of(Design(), None, "cpu").studies)[-1] == "diversity"
    changed.table.loc[0, "unseen_pair_order"] = 0.0
    assert ReproductionPlan.of(Design(), changed, "cpu").study != plan.study


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which is hashed in its place; it is no checkout."""
    copy = tmp_path / "lrinterp"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(design, "PACKAGE", copy)
    return copy


def test_a_recipe_that_is_no_table_of_sections_is_refused():
    with pytest.raises(ValueError, match=r"^config: expected sections of fields .* got world = 3$"):
        Design(base={"world": 3})


def test_judging_code_changes_the_hash_and_other_code_and_the_place_do_not(copied: Path):
    before = hash_of_criteria()
    for pattern in JUDGING:
        path = next(copied.glob(pattern))
        text = path.read_bytes()
        path.write_bytes(text + b"\n")
        assert hash_of_criteria() != before, pattern
        path.write_bytes(text)
    (copied / "wording.py").write_text("")
    assert hash_of_criteria() == before
    (copied / "stats" / "differences.py").rename(copied / "stats" / "parts.py")
    assert hash_of_criteria() != before
    assert commit_of_code() is None
