"""Tasks: what is done stays done, whatever happens to functions, processes and files."""

import errno
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lrinterp.experiment import tasks
from lrinterp.experiment.executors import local_processes
from lrinterp.experiment.tasks import Task, read_result, result_file, run_tasks

TASKS = [Task(name=f"{k:02d}", payload={"k": k}) for k in range(5)]


@contextmanager
def threads(count: int = 2) -> Iterator[Executor]:
    with ThreadPoolExecutor(count) as pool:
        yield pool


def square(payload: Mapping[str, Any]) -> list[int]:
    return [payload["k"] ** 2]


def results(folder: Path) -> dict[str, Any]:
    return {t.name: read_result(folder, t) for t in TASKS if result_file(folder, t).exists()}


ALL = {"00": [0], "01": [1], "02": [4], "03": [9], "04": [16]}


def test_every_result_is_written_and_reported_once_it_is(tmp_path: Path):
    seen: list[tuple[str, bool]] = []

    def after(task: Task) -> None:
        seen.append((task.name, (tmp_path / f"{task.name}.json").is_file()))

    assert run_tasks(square, TASKS, tmp_path, threads, after) == {}
    assert results(tmp_path) == ALL
    assert sorted(seen) == [(name, True) for name in ALL]


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


def test_a_task_that_fails_once_is_done_in_the_next_round(tmp_path: Path):
    tried: list[int] = []

    def fails_first(payload: Mapping[str, Any]) -> list[int]:
        tried.append(payload["k"])
        if payload["k"] == 3 and tried.count(3) == 1:
            raise OSError("lost for a moment")
        return square(payload)

    assert run_tasks(fails_first, TASKS, tmp_path, threads) == {}
    assert results(tmp_path) == ALL


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


def test_a_cancelled_task_counts_as_not_done(tmp_path: Path):
    class Cancels(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    @contextmanager
    def cancels() -> Iterator[Executor]:
        yield Cancels()

    failed = run_tasks(square, TASKS, tmp_path, cancels)
    assert set(failed.values()) == {"CancelledError: cancelled"}


def test_a_result_that_cannot_be_written_ends_the_run_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write = tasks.write_json

    def full(path: Path, data: Any) -> None:
        if path.name == "03.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(tasks, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        run_tasks(square, TASKS, tmp_path, partial(threads, 1))
    kept = results(tmp_path)
    assert kept
    assert "03" not in kept
    monkeypatch.undo()
    assert run_tasks(square, TASKS, tmp_path, threads) == {}
    assert results(tmp_path) == ALL
