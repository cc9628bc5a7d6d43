"""`lrinterp sweep` as users run it, in processes of its own: killed, spread, refused."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from lrinterp.cli.options import executors_of
from lrinterp.cli.screen import Meter
from lrinterp.experiment.tasks import cores
from lrinterp.store import InputError

STUDY = """
title = "A tiny study"
seeds = 2
stack = 2
[base]
world = { n_pixels = 4, n_labels = 6 }
split = { n_val = 2, positions_per_label = 3 }
encoder = { d_model = 8, n_heads = 2, d_head = 4, d_embed = 8 }
fit = { steps = 150 }
[grid.split]
n_pair = [2, 3, 4]
layouts_per_pair = [1, 2, 4]
"""
MODELS, STACKS = 18, 9
CHANGING = ["seconds", "started", "finished", "host"]
Wait = Callable[[Callable[[], object]], None]
COMMAND = (sys.executable, "-m", "lrinterp", "sweep")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "tiny.toml"
    path.write_text(STUDY)
    return path


def sweep_of(study: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, str(study), "--out", str(out), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def undisturbed(study: Path) -> Path:
    out = study.parent / "undisturbed"
    done = sweep_of(study, out)
    assert done.returncode == 0, done.stderr
    assert f"{MODELS} of {MODELS} models" in done.stderr
    assert f"Next: lrinterp report {out}" in done.stdout
    return out


def assert_same_table(out: Path, undisturbed: Path) -> None:
    for name, changing in (("models", CHANGING), ("results", [])):
        one, other = (pd.read_parquet(f / f"{name}.parquet") for f in (out, undisturbed))
        assert one["model"].nunique() == MODELS
        one, other = one.drop(columns=changing), other.drop(columns=changing)
        assert_frame_equal(one, other, check_exact=True)


def stacks(out: Path) -> int:
    return len(list((out / "stacks").glob("*.json"))) if out.exists() else 0


class Started:
    """A command in a process group of its own, killed at the end whatever happens."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        with log.open("w") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.log = log

    def __enter__(self) -> "Started":
        return self

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


@pytest.mark.slow
def test_a_sweep_whose_process_group_is_killed_resumes_to_the_same_table(
    study: Path, undisturbed: Path, tmp_path: Path, wait_for: Wait
):
    out = tmp_path / "killed"
    with Started([*COMMAND, str(study), "--out", str(out)], tmp_path / "log") as first:
        wait_for(lambda: stacks(out) >= 2)
        first.kill()
    kept = {path: path.read_bytes() for path in (out / "stacks").glob("*.json")}
    assert 2 <= len(kept) < STACKS
    assert not (out / "results.parquet").exists()
    refused = sweep_of(study, out)
    assert refused.returncode == 2
    assert "add --resume" in refused.stderr
    resumed = sweep_of(study, out, "--resume", "--workers", "1")
    assert resumed.returncode == 0, resumed.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert_same_table(out, undisturbed)


@pytest.fixture
def cluster(tmp_path: Path, wait_for: Wait) -> Iterator[tuple[str, list[Started]]]:
    """A real Dask scheduler and two worker processes on loopback: address, workers."""
    where = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(where))
    dask = (sys.executable, "-m", "dask")
    with ExitStack() as stack:

        def start(name: str, *options: str) -> Started:
            command = [*dask, name.split("-")[0], *local, *options]
            return stack.enter_context(Started(command, tmp_path / f"{name}.log"))

        scheduler = start("scheduler", "--port", "0")
        wait_for(where.exists)
        alone = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
        workers = [start(f"worker-{k}", *alone) for k in range(2)]
        for worker in workers:
            wait_for(lambda worker=worker: "Registered to" in worker.log.read_text())
        assert scheduler.process.poll() is None
        yield address_in(where), workers


def address_in(scheduler_file: Path) -> str:
    from lrinterp.store import read_json

    return read_json(scheduler_file)["address"]


@pytest.mark.slow
def test_two_dask_workers_give_the_same_table(study, undisturbed, tmp_path, cluster):
    address, _ = cluster
    out = tmp_path / "cluster"
    done = sweep_of(study, out, "--scheduler", address)
    assert done.returncode == 0, done.stderr
    assert_same_table(out, undisturbed)


@pytest.mark.slow
def test_a_dask_worker_that_is_killed_half_way_costs_no_row(
    study: Path,
    undisturbed: Path,
    tmp_path: Path,
    cluster: tuple[str, list[Started]],
    wait_for: Wait,
):
    address, workers = cluster
    out = tmp_path / "lost"
    command = [*COMMAND, str(study), "--out", str(out), "--scheduler", address]
    with Started(command, tmp_path / "log") as running:
        wait_for(lambda: stacks(out) >= 2)
        workers[0].kill()
        assert stacks(out) < STACKS
        assert running.process.wait(timeout=300) == 0, running.log.read_text()
    assert_same_table(out, undisturbed)


def test_a_study_that_is_wrong_is_one_line_and_writes_nothing(run, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(STUDY.replace("seeds = 2", "seed = 2"))
    code, _, errors = run("sweep", wrong, "--out", tmp_path / "out")
    assert code == 2
    (line,) = errors.splitlines()
    assert f"{wrong}: unknown field 'seed'; expected title" in line
    assert not (tmp_path / "out").exists()


def test_never_more_threads_than_cores():
    with pytest.raises(InputError, match=f"--workers: expected 1 to {cores()}"):
        executors_of(cores() + 1, None, threads=1)
    with pytest.raises(InputError, match="--workers: expected 1 to"):
        executors_of(0, None, threads=1)
    with pytest.raises(InputError, match="threads: expected at most"):
        executors_of(None, None, threads=cores() + 1)
    with pytest.raises(InputError, match="a scheduler has its own workers"):
        executors_of(2, "tcp://127.0.0.1:9", threads=1)
    assert executors_of(None, None, threads=1).args == (cores(),)


def test_the_meter_counts_from_where_it_started(capsys: pytest.CaptureFixture[str]):
    """Off a terminal a line a call; a call that brings nothing new adds none."""
    meter = Meter("Training")
    for done in (40, 50, 50, 100):
        meter(done, 100)
    meter.close()
    out, err = capsys.readouterr()
    lines = err.replace("\r", "").split("\n")
    counts = [line.split(" models")[0] for line in lines if line.strip()]
    assert out == ""
    assert counts == [f"Training: {done} of 100" for done in (40, 50, 100)]
