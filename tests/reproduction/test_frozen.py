"""The hash of what a run is held against: judging code changes it, other code does not."""

import shutil
from pathlib import Path

import pytest

from lrinterp.reproduction import frozen
from lrinterp.reproduction.design import Design
from lrinterp.reproduction.folder import ReproductionPlan, check_folder, read_plan
from lrinterp.reproduction.frozen import JUDGING, PACKAGE, commit_of_code, hash_of_criteria
from lrinterp.reproduction.loading import Made
from lrinterp.store import InputError, to_plain, write_json

FILES = sorted(path.relative_to(PACKAGE) for name in JUDGING for path in PACKAGE.glob(name))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which is hashed in its place; it is no checkout."""
    copy = tmp_path / "lrinterp"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(frozen, "PACKAGE", copy)
    return copy


def test_every_judging_file_exists():
    assert all(any(PACKAGE.glob(name)) for name in JUDGING)
    assert Path("stats/intervals.py") in FILES


@pytest.mark.parametrize("name", FILES, ids=str)
def test_a_judging_file_changes_the_hash(copied: Path, name: Path):
    before = hash_of_criteria()
    text = (copied / name).read_bytes()
    (copied / name).write_bytes(text + b"\n")
    assert hash_of_criteria() != before
    (copied / name).write_bytes(text)
    assert hash_of_criteria() == before


def test_other_code_and_the_place_do_not_change_the_hash(
    copied: Path, monkeypatch: pytest.MonkeyPatch
):
    (copied / "wording.py").write_text("")
    here = hash_of_criteria()
    monkeypatch.undo()
    assert hash_of_criteria() == here


def test_a_file_of_another_name_changes_the_hash(copied: Path):
    before = hash_of_criteria()
    (copied / "stats" / "units.py").rename(copied / "stats" / "parts.py")
    assert hash_of_criteria() != before


def test_a_run_under_other_criteria_is_not_resumed(copied: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    design = Design(quick=True, seeds=2)
    plan = ReproductionPlan.of(design, None, "cpu")
    write_json(out / "plan.json", to_plain(plan))
    check_folder(ReproductionPlan.of(design, None, "cpu"), out, resume=True)
    claims = copied / "reproduction" / "claims.toml"
    claims.write_text(claims.read_text().replace("at_most = 0.05", "at_most = 1.0"))
    with pytest.raises(InputError, match="the criteria, or the code of their statistics") as caught:
        check_folder(ReproductionPlan.of(design, None, "cpu"), out, resume=True)
    assert str(out) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert read_plan(out) == plan


def test_another_commit_of_the_same_criteria_is_resumed(tmp_path: Path):
    plan = ReproductionPlan.of(Design(quick=True, seeds=2), None, "cpu")
    write_json(tmp_path / "plan.json", to_plain(plan) | {"commit": "0" * 40})
    check_folder(plan, tmp_path, resume=True)


@pytest.mark.usefixtures("copied")
def test_without_a_checkout_there_is_no_commit():
    assert commit_of_code() is None


def test_what_a_run_was_held_against_is_kept(tiny_made: Made):
    assert tiny_made.frozen["criteria_sha256"] == hash_of_criteria()
    assert set(tiny_made.frozen) == {"commit", "criteria_sha256"}
