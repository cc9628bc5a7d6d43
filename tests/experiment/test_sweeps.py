"""Sweeps in a folder: planned once, resumed from anything, equal to an undisturbed one."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from lrinterp.encoders import DualEncoder
from lrinterp.experiment import stack, sweeps, tasks
from lrinterp.experiment.numbers import ORDER
from lrinterp.experiment.study import Study
from lrinterp.experiment.sweeps import SweepPlan, check_free, load_sweep, sweep
from lrinterp.locking import alone
from lrinterp.result import Metric
from lrinterp.scenes import PAPER, Scenes
from lrinterp.store import InputError, read_json, write_json

CHANGING = ["seconds", "started", "finished", "host"]
"""Columns in which a sweep may differ from one that was undisturbed."""
here = partial(ThreadPoolExecutor, 1)


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    """One number of the weights in the place of all measures, which test_stack has."""

    def weighed(model: DualEncoder, _: Scenes, names: Sequence[str]) -> dict[str, Any]:
        metric = Metric(value=float(model.image.W_E.detach().double().sum())).plain()
        return {ORDER: metric} if ORDER in names else {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "measured_numbers", weighed)
        yield


def planned(tiny: dict[str, Any], **changes: Any) -> SweepPlan:
    options = {"device": "cpu", "checkpoints": False} | changes
    return SweepPlan.of(Study.from_plain(tiny, "tiny"), **options)


@pytest.fixture
def tiny(tiny: dict[str, Any]) -> dict[str, Any]:
    tiny["base"]["fit"]["steps"] = 3
    return tiny


@pytest.fixture(scope="module")
def whole(models: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that nothing disturbed."""
    plain, out = models.tiny_study(), tmp_path_factory.mktemp("sweeps") / "whole"
    plain["base"]["fit"]["steps"] = 3
    assert sweep(planned(plain), out, here) == {}
    return out


@pytest.fixture
def undisturbed(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "whole"))


def assert_same_table(one: Path, other: Path) -> None:
    left, right = (load_sweep(folder).table for folder in (one, other))
    assert len(left) == 16
    left, right = left.drop(columns=CHANGING), right.drop(columns=CHANGING)
    assert_frame_equal(left, right, check_exact=True)


def test_every_model_has_one_row_and_csv_and_parquet_agree(undisturbed: Path):
    loaded = load_sweep(undisturbed)
    assert (loaded.name, loaded.study.title, loaded.missing) == ("whole", "A tiny study", 0)
    assert loaded.table["model"].tolist() == list(range(16))
    assert loaded.versions["lrinterp"]
    text = pd.read_csv(undisturbed / "results.csv")
    assert text[ORDER].tolist() == loaded.table[ORDER].tolist()


def test_the_plan_is_written_before_the_first_stack(tiny: dict[str, Any], tmp_path: Path):
    found: list[list[list[int]]] = []

    def look(done: int, total: int) -> None:
        found.append(read_json(tmp_path / "a" / "plan.json")["stacks"])
        assert total == 16
        if len(found) == 1:
            assert done == 0
            assert not list((tmp_path / "a" / "stacks").iterdir())

    plan = planned(tiny)
    sweep(plan, tmp_path / "a", here, after=look)
    assert found == [plan.stacks] * (1 + len(plan.stacks))


def test_a_write_that_fails_loses_nothing_that_was_written(
    tiny: dict[str, Any], tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(path: Path, data: Any) -> None:
        if path.name == "0003.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_json(path, data)

    out = tmp_path / "b"
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "write_json", full)
        with pytest.raises(OSError, match="No space left"):
            sweep(planned(tiny), out, here)
    kept = sorted(path.name for path in (out / "stacks").iterdir())
    assert "0003.json" not in kept
    before = {name: (out / "stacks" / name).read_bytes() for name in kept}
    assert sweep(planned(tiny), out, here, resume=True) == {}
    assert {name: (out / "stacks" / name).read_bytes() for name in kept} == before
    assert_same_table(out, undisturbed)


def test_a_resumed_sweep_follows_the_plan_it_finds(tiny, tmp_path, undisturbed):
    """Stacks that another version would pack otherwise stay as they are."""
    out = tmp_path / "b"
    plan = planned(tiny)
    other = SweepPlan(study=plan.study, stacks=plan.stacks[::-1])
    sweep(other, out, here)
    (out / "stacks" / "0002.json").unlink()
    assert sweep(plan, out, here, resume=True) == {}
    assert read_json(out / "plan.json")["stacks"] == plan.stacks[::-1]
    left, right = (load_sweep(folder).table for folder in (out, undisturbed))
    changing = [*CHANGING, "stack"]
    left, right = left.drop(columns=changing), right.drop(columns=changing)
    assert_frame_equal(left, right, check_exact=True)


def test_stacks_that_could_not_be_done_are_missing_until_they_can(
    tiny: dict[str, Any], tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
):
    run_stack = sweeps.run_stack

    def loses_one(payload: dict[str, Any]) -> Any:
        if payload["stack"] == 4:
            raise ConnectionError("worker lost")
        return run_stack(payload)

    out = tmp_path / "b"
    with monkeypatch.context() as patch:
        patch.setattr(sweeps, "run_stack", loses_one)
        assert sweep(planned(tiny), out, here) == {"0004": "ConnectionError: worker lost"}
    assert (len(load_sweep(out).table), load_sweep(out).missing) == (14, 2)
    assert sweep(planned(tiny), out, here, resume=True) == {}
    assert_same_table(out, undisturbed)


def check_refused(plan: SweepPlan, out: Path, *words: str, resume: bool) -> None:
    before = sorted(out.rglob("*")) if out.exists() else None
    with pytest.raises(InputError) as caught:
        sweep(plan, out, here, resume=resume)
    for word in (str(out), *words):
        assert word in str(caught.value)
    assert (sorted(out.rglob("*")) if out.exists() else None) == before


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_another_study_is_refused(tiny, undisturbed, *, resume):
    words = ("belongs to another study", "seeds = 2, not 3")
    check_refused(planned(tiny | {"seeds": 3}), undisturbed, *words, resume=resume)
    words = ("belongs to another study", "checkpoints = False, not True")
    check_refused(planned(tiny, checkpoints=True), undisturbed, *words, resume=resume)


def test_a_folder_that_holds_work_is_refused_without_resume(tiny, undisturbed, tmp_path):
    words = ("already exists and is not empty", "--resume")
    check_refused(planned(tiny), undisturbed, *words, resume=False)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.tex").touch()
    check_refused(planned(tiny), tmp_path / "c", words[0], resume=False)
    file = tmp_path / "c" / "thesis.tex"
    check_refused(planned(tiny), file, "is no folder; choose another --out", resume=False)
    check_refused(planned(tiny), tmp_path / "c", "nothing to resume (no plan.json)", resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_sweep_killed_at_its_start_leaves_is_no_obstacle(tiny, tmp_path, *, resume):
    (tmp_path / "a").mkdir()
    for name in (".lock", ".tmp-plan"):
        (tmp_path / "a" / name).touch()
    assert sweep(planned(tiny), tmp_path / "a", here, resume=resume) == {}


def test_a_finished_sweep_is_resumed_to_the_same_and_leftovers_are_cleared(tiny, undisturbed):
    before = (undisturbed / "results.csv").read_bytes()
    for name in (".tmp-a", "stacks/.tmp-b"):
        (undisturbed / name).touch()
    assert sweep(planned(tiny), undisturbed, here, resume=True) == {}
    assert (undisturbed / "results.csv").read_bytes() == before
    assert not list(undisturbed.rglob(".tmp-*"))


@pytest.mark.parametrize("name", ["plan.json", "results.parquet", "stacks/0000.json", ".lock"])
def test_a_report_does_not_overwrite_its_sweep(undisturbed: Path, name: str):
    with pytest.raises(InputError, match="would overwrite the sweep"):
        check_free(undisturbed / name, undisturbed)
    check_free(undisturbed / "report.html", undisturbed)
    assert (undisturbed / "plan.json").exists()


def test_two_sweeps_do_not_share_a_folder(tiny: dict[str, Any], undisturbed: Path):
    with alone(undisturbed), pytest.raises(InputError, match="another process is at work"):
        sweep(planned(tiny), undisturbed, here, resume=True)


def test_damaged_files_are_named(tiny: dict[str, Any], undisturbed: Path):
    path = undisturbed / "stacks" / "0001.json"
    path.write_text("null")
    with pytest.raises(InputError, match=r"0001.json: does not hold its models; remove it"):
        sweep(planned(tiny), undisturbed, here, resume=True)
    path.write_text("{")
    with pytest.raises(InputError, match=r"0001.json: not valid JSON"):
        sweep(planned(tiny), undisturbed, here, resume=True)
    (undisturbed / "results.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"results.parquet: damaged; make it again"):
        load_sweep(undisturbed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 9}, "format version 9, expected 3"),
        ({"stacks": [[0]]}, "stacks do not hold every model once"),
        ({"more": 1}, "unknown field 'more'"),
    ],
)
def test_a_plan_that_was_altered_is_refused(tiny, undisturbed, change, words):
    path = undisturbed / "plan.json"
    write_json(path, read_json(path) | change)
    with pytest.raises(InputError, match=f"plan.json.*{words}"):
        sweep(planned(tiny), undisturbed, here, resume=True)


def test_a_plan_of_the_first_format_means_the_world_of_then(tiny, undisturbed):
    path = undisturbed / "plan.json"
    plain = read_json(path)
    study = plain["study"] | {"base": {**tiny["base"], "world": {"n_pixels": 4}}}
    write_json(path, plain | {"format": 1, "study": study})
    base = load_sweep(undisturbed).study.base
    assert base["world"] == {"n_pixels": 4, "n_labels": PAPER["world"]["n_labels"]}
    assert base["split"] == tiny["base"]["split"] | {"test_layouts": 0}
    assert base["fit"] == tiny["base"]["fit"]


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"no folder of lrinterp sweep.*\(no plan.json\)"):
        load_sweep(tmp_path)


@pytest.mark.parametrize("field", ["measure", "column"])
def test_a_number_that_no_analysis_has_is_refused_before_training(tiny: dict[str, Any], field: str):
    name = "accuracy.unseen_pair_odrer"
    if field == "measure":
        tiny["measure"] = [name]
    else:
        tiny["verdicts"][0]["column"] = name
    with pytest.raises(InputError, match="accuracy has no 'unseen_pair_odrer'; expected one of"):
        planned(tiny)


def test_a_number_that_one_arm_has_is_taken(tiny: dict[str, Any]):
    """Attribution to the gain is of one layer alone."""
    tiny["measure"] = ["similarity_attribution.spearman_margin_gain"]
    tiny["arms"] = {"deep": {"encoder": {"image_layers": 2}}, "plain": {}}
    assert planned(tiny).study["measure"] == tiny["measure"]
