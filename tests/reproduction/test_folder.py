"""The folder of a reproduction: what it may be resumed with, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from lrinterp.experiment import load_sweep
from lrinterp.reproduction.design import Design
from lrinterp.reproduction.folder import (
    ReproductionPlan,
    check_folder,
    checkpoint_of,
    read_plan,
    studies_of,
)
from lrinterp.store import InputError, to_plain, write_json

SWEEP = Path(__file__).parents[2] / "analyses" / "label_vs_layout" / "results"
PLAN = ReproductionPlan(quick=True, seeds=3)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    write_json(tmp_path / "plan.json", to_plain(PLAN))
    return tmp_path


def test_a_plan_comes_back(begun: Path):
    assert read_plan(begun) == PLAN
    assert read_plan(begun).design == Design(quick=True, seeds=3)


def test_an_empty_folder_and_the_same_plan_are_taken(begun: Path, tmp_path: Path):
    check_folder(PLAN, tmp_path / "new", resume=False)
    check_folder(PLAN, begun, resume=True)
    assert (begun / "plan.json").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 4}, "was started with seeds = 3, not 4"),
        ({"quick": False}, "was started with quick = True, not False"),
        ({"device": "cuda"}, "was started with device = cpu, not cuda"),
        ({"base": {"fit": {"steps": 9}}}, "was started with base = {}, not"),
        ({"study": "abc"}, "was started with study = None, not abc"),
    ],
)
def test_another_plan_is_refused(begun: Path, changes: dict[str, Any], words: str):
    plain = {**to_plain(PLAN), **changes}
    with pytest.raises(InputError, match=words):
        check_folder(ReproductionPlan(**plain), begun, resume=True)


def test_what_is_no_reproduction_is_refused(begun: Path, tmp_path: Path):
    with pytest.raises(InputError, match="already exists; add --resume"):
        check_folder(PLAN, begun, resume=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is no reproduction"):
        check_folder(PLAN, tmp_path / "other", resume=True)
    with pytest.raises(InputError, match="is no folder"):
        check_folder(PLAN, tmp_path / "other" / "notes.txt", resume=True)
    with pytest.raises(InputError, match=r"not a reproduction \(no plan.json\)"):
        read_plan(tmp_path / "other")
    write_json(tmp_path / "other" / "plan.json", {"format": 9})
    with pytest.raises(InputError, match="format version 9, expected 2"):
        read_plan(tmp_path / "other")


def test_a_sweep_that_is_given_is_known_by_its_table_and_not_made_again():
    loaded = load_sweep(SWEEP)
    plan = ReproductionPlan.of(Design(), loaded, "cpu")
    assert list(studies_of(plan)) == ["models", "scales"]
    assert list(studies_of(ReproductionPlan.of(Design(), None, "cpu")))[-1] == "diversity"
    changed = load_sweep(SWEEP)
    changed.table.loc[0, "unseen_pair_order"] = 0.0
    assert ReproductionPlan.of(Design(), changed, "cpu").study != plan.study


def test_where_checkpoints_lie():
    assert checkpoint_of(Path("x"), 7) == Path("x/models/models/00007")
