"""Runs in a folder: killed at any moment and resumed, a run ends as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from torch import Tensor

from lrinterp.checkpoint import load_checkpoint
from lrinterp.encoders import DualEncoder, preset
from lrinterp.locking import alone
from lrinterp.scenes import Scenes, Split, World
from lrinterp.store import InputError
from lrinterp.training import FitConfig, Fitter, Plan, fit, train
from lrinterp.training import resume as folder

STATE = "training-state.safetensors"
WRITES = 3 + 2 + 2
"""Of one run: the state at steps 0, 2 and 4, two files of one kept checkpoint, two at the end."""
PLAN = Plan(
    scenes=Scenes(
        World(n_pixels=4, n_labels=5),
        Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=4),
    ),
    encoder=preset("minimal", d_model=8, n_heads=2, d_head=4, d_embed=8),
    fit=FitConfig(steps=5, evaluate_every=2, warmup=3, learning_rate=1e-2, keep_every=3),
)


class Killed(Exception):
    """Stands for a kill: nothing in the package catches it."""


def go(out: Path, plan: Plan = PLAN, *, resume: bool = False) -> bool:
    return train(plan, out, resume=resume, progress=False)


def weights(folder: Path) -> dict[str, Tensor]:
    return {name: w.detach() for name, w in load_checkpoint(folder).model.trainable().items()}


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = {name: folder / name for name in listing(folder) if (folder / name).is_file()}
    return {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in files.items()}


def refused(out: Path, plan: Plan = PLAN, *, resume: bool = False) -> str:
    before = contents(out.parent)
    with pytest.raises(InputError) as caught:
        go(out, plan, resume=resume)
    assert contents(out.parent) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    assert go(out)
    return out


def assert_same_end(out: Path, undisturbed: Path) -> None:
    """Bitwise the same weights, history and scores, and no other file."""
    got, expected = contents(out), contents(undisturbed)
    assert listing(out) == listing(undisturbed)
    assert [name for name in got if got[name][0] != expected[name][0]] == []


@contextmanager
def stop(
    owner: Any, name: str, call: int | None, error: type[BaseException] = Killed
) -> Iterator[list[int]]:
    """Kill a run in the n-th call of something; hands out the calls so far."""
    calls: list[int] = []
    original = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(len(calls) + 1)
        if calls[-1] == call:
            raise error(f"in call {call} of {name}")
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, counted)
        yield calls


def kill(out: Path, step: int, *, resume: bool = False) -> None:
    with stop(Fitter, "advance", step), pytest.raises(Killed):
        go(out, resume=resume)


def test_a_run_leaves_checkpoints_and_nothing_else(undisturbed: Path):
    files = ["model.json", "model.safetensors"]
    kept = ["steps", "steps/000003", *(f"steps/000003/{name}" for name in files)]
    assert listing(undisturbed) == [*files, *kept]


@pytest.mark.parametrize(("steps", "kept"), [(5, "."), (3, "steps/000003")])
def test_a_run_ends_where_a_fit_ends(undisturbed: Path, steps: int, kept: str):
    model = DualEncoder.build(PLAN.encoder, PLAN.scenes.sizes, PLAN.fit.seed)
    fit(model, PLAN.scenes, replace(PLAN.fit, steps=steps), progress=False)
    got = weights(undisturbed / kept)
    assert all(got[name].equal(weight) for name, weight in model.trainable().items())


def test_the_checkpoint_holds_recipe_history_and_scores(undisturbed: Path):
    metadata = load_checkpoint(undisturbed).metadata
    plain = PLAN.plain()
    assert (metadata.world, metadata.split) == (plain["world"], plain["split"])
    assert (metadata.encoder, metadata.recipe) == (plain["encoder"], plain["fit"])
    assert [row["step"] for row in metadata.history] == [2, 4, 5]
    order = next(r for r in metadata.scores if r["set"] == "unseen_pair" and r["metric"] == "order")
    assert order["value"] == metadata.history[-1]["unseen_pair_order"]


def test_a_field_younger_than_the_folder_has_its_default_there_or_what_it_once_meant(
    tmp_path: Path, undisturbed: Path
):
    shutil.copytree(undisturbed, tmp_path / "a")
    metadata = json.loads((tmp_path / "a" / "model.json").read_text())
    del metadata["split"]["shuffled"], metadata["split"]["test_layouts"]
    (tmp_path / "a" / "model.json").write_text(json.dumps(metadata))

    def again(**changes: Any) -> bool:
        split = replace(PLAN.scenes.split, **changes)
        return go(
            tmp_path / "a", replace(PLAN, scenes=Scenes(PLAN.scenes.world, split)), resume=True
        )

    assert not again(test_layouts=0)
    with pytest.raises(InputError, match=r"started with split.test_layouts = 0, not 12"):
        again()
    with pytest.raises(InputError, match=r"started with split.shuffled = False, not True"):
        again(test_layouts=0, shuffled=True)


def test_a_run_killed_many_times_resumes_to_the_same_end(tmp_path: Path, undisturbed: Path):
    """No more than the steps since the last evaluation is lost."""
    for step, saved in ((2, 0), (3, 2), (2, 2), (3, 4), (1, 4)):
        kill(tmp_path / "a", step, resume=True)
        assert saved_step(tmp_path / "a") == saved
    assert go(tmp_path / "a", resume=True)
    assert_same_end(tmp_path / "a", undisturbed)


def saved_step(out: Path) -> int:
    with safe_open(out / STATE, "pt") as file:
        return json.loads(file.metadata()["run"])["step"]


@pytest.mark.parametrize("call", [*range(1, WRITES + 1), None])
def test_a_write_that_fails_leaves_a_run_that_can_go_on(tmp_path, undisturbed, call):
    """Every write in turn: the states, both files of each checkpoint; None as the control."""
    with stop(os, "fsync", call, OSError) as writes:
        if call is None:
            assert go(tmp_path / "a")
        else:
            with pytest.raises(OSError, match=f"in call {call} of fsync"):
                go(tmp_path / "a")
            assert not (tmp_path / "a" / "model.json").exists()
    assert len(writes) == (call or WRITES)
    assert go(tmp_path / "a", resume=True) is (call is not None)
    assert_same_end(tmp_path / "a", undisturbed)


def rewritten(path: Path, **changes: Any) -> None:
    """Write a state file anew with other words about itself; None leaves one out."""
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["run"]) | changes
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = {name: value for name, value in header.items() if value is not None}
    path.write_bytes(folder.save_tensors(tensors, {"run": json.dumps(header)}))


def test_a_state_from_before_there_was_a_format_resumes(tmp_path: Path, undisturbed: Path):
    kill(tmp_path / "a", 4)
    rewritten(tmp_path / "a" / STATE, format=None, sha256="ab12")
    assert go(tmp_path / "a", resume=True)
    assert_same_end(tmp_path / "a", undisturbed)


def test_two_processes_do_not_train_into_one_folder(tmp_path: Path):
    with stop(folder, "finish", 1), pytest.raises(Killed):
        go(tmp_path / "a")
    with alone(tmp_path / "a"), pytest.raises(InputError, match="another process"):
        go(tmp_path / "a", resume=True)
    assert go(tmp_path / "a", resume=True)
    assert not (tmp_path / "a" / ".lock").exists()


def test_training_that_diverges_says_so(tmp_path: Path):
    plan = replace(PLAN, fit=replace(PLAN.fit, learning_rate=1e30, warmup=0))
    with pytest.raises(InputError, match=r"not finite at step \d+; .*lower fit.learning_rate"):
        go(tmp_path / "a", plan)
    assert not (tmp_path / "a" / "model.json").exists()


@pytest.mark.slow
def test_a_process_killed_for_good_resumes_to_the_same_end(tmp_path: Path):
    """SIGKILL between two steps of a run in a process of its own, as soon as a state is there."""
    plan = replace(PLAN, fit=replace(PLAN.fit, steps=400, evaluate_every=20, keep_every=0))
    out = tmp_path / "a"
    source = (
        "import sys, torch; from pathlib import Path; from lrinterp.training import Plan, train\n"
        "torch.set_num_threads(1)\n"
        f"train(Plan.from_plain({plan.plain()!r}, 'here'), Path(sys.argv[1]), progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", source, str(out)])
    deadline = time.monotonic() + 120
    while not (out / STATE).exists() or saved_step(out) < 40:
        assert process.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < deadline, "the run did not start"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 40 <= saved_step(out) < 400
    assert go(out, plan, resume=True)
    assert go(tmp_path / "b", plan)
    got, expected = weights(out), weights(tmp_path / "b")
    assert all(got[name].equal(expected[name]) for name in expected)
    assert listing(out) == listing(tmp_path / "b") == ["model.json", "model.safetensors"]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    kill(tmp_path / "a", 4)
    return tmp_path / "a"


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (replace(PLAN, fit=replace(PLAN.fit, steps=11)), "fit.steps = 5, not 11"),
        (replace(PLAN, encoder=replace(PLAN.encoder, std_W_pos=0.5)), "encoder.std_W_pos = 0.02, "),
        (
            replace(PLAN, scenes=replace(PLAN.scenes, world=World(n_pixels=4, n_labels=6))),
            "world.n_labels = 5, not 6",
        ),
    ],
)
def test_another_configuration_does_not_resume(killed, undisturbed, plan, field):
    for out in (killed, undisturbed):
        message = refused(out, plan, resume=True)
        assert message.startswith(f"{out}: was started with {field}")


def test_a_finished_run_is_left_alone(undisturbed: Path):
    before = contents(undisturbed)
    assert go(undisturbed, resume=True) is False
    assert contents(undisturbed) == before


def test_a_folder_that_holds_anything_is_refused(tmp_path: Path, killed: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    for out in (tmp_path / "b", killed, tmp_path / "b" / "notes.txt"):
        message = refused(out)
        assert f"{out}: already exists and is not empty" in message
        assert "--resume" in message
    assert f"nothing to resume (no {STATE})" in refused(tmp_path / "b", resume=True)


def test_an_empty_or_missing_folder_is_a_fresh_start(tmp_path: Path, undisturbed: Path):
    """Or one in which a run was killed before its first state was written."""
    for name in ("a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "c" / ".tmp-1234").write_bytes(b"half")
    (tmp_path / "c" / ".lock").touch()
    for name, resume in {"a": False, "deep/b": True, "c": False}.items():
        assert go(tmp_path / name, resume=resume)
        assert_same_end(tmp_path / name, undisturbed)


@pytest.mark.parametrize("damage", [lambda d: d[:200], lambda d: d[:0], lambda d: d[:-9]])
def test_a_damaged_state_and_another_format_are_named(killed: Path, damage: Any):
    rewritten(killed / STATE, format=7)
    assert f"{STATE}: has format 7, expected 1" in refused(killed, resume=True)
    (killed / STATE).write_bytes(damage((killed / STATE).read_bytes()))
    assert f"{STATE}: damaged" in refused(killed, resume=True)


def test_a_plan_as_plain_data_and_back_and_with_its_defaults():
    assert Plan.from_plain(PLAN.plain(), "here") == PLAN
    plan = Plan.from_plain({"encoder": {"preset": "full", "d_model": 16}}, "a.toml")
    assert plan.encoder == preset("full", d_model=16)
    assert plan.scenes == Scenes()
    assert plan.fit == FitConfig()


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"fitt": {}}, "a.toml: unknown section 'fitt'; expected world, split, encoder, fit"),
        ({"fit": 3}, "a.toml: fit: expected a section of fields, got 3"),
        ({"fit": {"steps": "3"}}, "a.toml: fit.steps: expected int, got '3'"),
        ({"fit": {"steps": 0}}, "a.toml: fit.steps: expected at least 1, got 0"),
        ({"encoder": {"preset": "tiny"}}, "a.toml: encoder.preset: expected one of minimal, full"),
        ({"encoder": {"depth": 1}}, "a.toml: encoder: unknown field 'depth'"),
        ({"split": {"n_pair": 99}}, "a.toml: split.n_pair + n_val: expected at most n_labels=25"),
    ],
)
def test_a_plan_that_does_not_fit_is_named(plain: dict[str, Any], message: str):
    with pytest.raises(InputError) as caught:
        Plan.from_plain(plain, "a.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
