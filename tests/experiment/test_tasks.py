"""Tasks: what is done stays done, whatever happens; workers end with their parent."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lrinterp.experiment import tasks
from lrinterp.experiment.tasks import Task, dask_cluster, done, local_processes, run_tasks
from lrinterp.store import InputError

Wait = Callable[[Callable[[], object]], None]
SLEEPER = """
import os, signal, sys, time
from pathlib import Path
from lrinterp.experiment.tasks import local_processes

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit a deaf one
    with local_processes(2) as pool:
        for future in [pool.submit(sleep, sys.argv[1]) for _ in range(2)]:
            future.result()
"""
TASKS = [Task(name=f"{k:02d}", payload={"k": k}, models=k) for k in range(5)]


threads = partial(ThreadPoolExecutor, 2)


def square(payload: Mapping[str, Any]) -> list[int]:
    return [payload["k"] ** 2]


def results(folder: Path) -> dict[str, Any]:
    return {task.name: found for task, found in done(folder, TASKS)}


ALL = {"00": [0], "01": [1], "02": [4], "03": [9], "04": [16]}


def test_every_result_is_written_and_its_models_counted_once_it_is(tmp_path: Path):
    """Task k is of k models."""
    seen: list[tuple[int, int]] = []

    def after(models: int, total: int) -> None:
        seen.append((models, total))
        assert sum(task.models for task, _ in done(tmp_path, TASKS)) == models

    assert run_tasks(square, TASKS, tmp_path, partial(ThreadPoolExecutor, 1), after) == {}
    assert results(tmp_path) == ALL
    assert seen[0] == (0, 10)
    assert seen[-1] == (10, 10)


def test_what_is_done_is_not_run_again(tmp_path: Path):
    (tmp_path / "01.json").write_text('["kept"]')
    ran: list[int] = []

    def record(payload: Mapping[str, Any]) -> list[int]:
        ran.append(payload["k"])
        return square(payload)

    assert run_tasks(record, TASKS, tmp_path, threads) == {}
    assert sorted(ran) == [0, 2, 3, 4]
    assert results(tmp_path) == ALL | {"01": ["kept"]}


def test_an_exception_is_tried_three_times_and_does_not_stop_the_rest(tmp_path: Path):
    ran: list[int] = []

    def fails_at_two(payload: Mapping[str, Any]) -> list[int]:
        ran.append(payload["k"])
        if payload["k"] == 2:
            raise RuntimeError("no luck\nsecond line")
        return square(payload)

    assert run_tasks(fails_at_two, TASKS, tmp_path, threads) == {"02": "RuntimeError: no luck"}
    assert results(tmp_path) == {k: v for k, v in ALL.items() if k != "02"}
    assert ran.count(2) == 1 + tasks.ROUNDS
    assert ran.count(1) == 1


def dies_once(payload: Mapping[str, Any]) -> list[int]:
    """The first process that comes to task 2 is killed, as by a machine short of memory."""
    mark = Path(payload["mark"])
    if payload["k"] == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(payload)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_that_was_done(tmp_path: Path):
    marked = [
        Task(name=t.name, payload={**t.payload, "mark": str(tmp_path / "mark")}) for t in TASKS
    ]
    assert run_tasks(dies_once, marked, tmp_path, partial(local_processes, 2)) == {}
    assert results(tmp_path) == ALL
    assert (tmp_path / "mark").exists()


class Broken(Executor):
    """An executor whose processes die before they do anything."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        raise BrokenExecutor("a process in the process pool was terminated abruptly")


def test_an_executor_that_is_always_broken_is_given_up(tmp_path: Path):
    opened: list[int] = []

    @contextmanager
    def broken() -> Iterator[Executor]:
        opened.append(1)
        yield Broken()

    failed = run_tasks(square, TASKS, tmp_path, broken)
    assert failed == dict.fromkeys(ALL, "its process ended before it was done")
    assert len(opened) == tasks.ROUNDS


def alive(pid: int) -> bool:
    """Does a process run? One that waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, sent: signal.Signals, wait_for: Wait):
    script, marks = tmp_path / "sleeper.py", tmp_path / "marks"
    script.write_text(SLEEPER)
    marks.mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, marks], start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: len(list(marks.iterdir())) == 2)
        workers = [int(path.name) for path in marks.iterdir()]
        assert all(alive(pid) for pid in workers)
        parent.send_signal(sent)
        parent.wait(timeout=30)
        wait_for(lambda: not any(alive(pid) for pid in workers))
    finally:
        if parent.poll() is None:
            os.killpg(parent.pid, signal.SIGKILL)
            parent.wait()


@pytest.mark.slow
def test_an_exception_inside_does_not_wait_for_the_work_under_way():

    def stops() -> None:
        with local_processes(1) as pool:
            pool.submit(time.sleep, 600)
            pool.submit(os.getpid)
            raise KeyError("stop")

    start = time.monotonic()
    with pytest.raises(KeyError, match="stop"):
        stops()
    assert time.monotonic() - start < 60


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lrinterp.experiment.tasks.PATIENCE", 0.3)
    with (
        pytest.raises(InputError, match=re.escape("tcp://127.0.0.1:9: no Dask scheduler answers")),
        dask_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"pip install \"lrinterp\[cluster\]\""),
        dask_cluster("tcp://127.0.0.1:9"),
    ):
        pass
