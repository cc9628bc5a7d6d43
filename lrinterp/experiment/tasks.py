"""Running tasks whose results survive: one file a task, written whole as soon as it is done.

A task that has its file is never run again, so a run that was killed goes on where it stood. The
function must be importable by name where it runs, take plain data and return plain data.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    as_completed,
)
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrinterp.store import read_json, write_json

__all__ = ["Executors", "Task", "read_result", "result_file", "run_tasks"]

ROUNDS = 3
"""Rounds without any progress after which the tasks that are left are given up."""

Executors = Callable[[], AbstractContextManager[Executor]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call: the name of its result file, and the plain data that the function is given."""

    name: str
    payload: Mapping[str, Any]


def run_tasks(
    function: Callable[[Mapping[str, Any]], Any],
    tasks: Sequence[Task],
    folder: Path,
    executors: Executors,
    after: Callable[[Task], None] = lambda _: None,
) -> dict[str, str]:
    """Run what has no result yet; `after` is called as each result is on disk.

    Returns, by name, why a task could not be done. An exception of the function, or the death of
    its process, costs a new round with a fresh executor; the tasks that are left are given up
    after three rounds in which none was done. A result that cannot be written ends the run with
    its OSError; what was written stays.
    """
    left = [task for task in tasks if not result_file(folder, task).exists()]
    failed: dict[str, str] = {}
    idle = 0
    while left and idle < ROUNDS:
        with executors() as executor:
            failed = one_round(function, left, folder, executor, after)
        idle = idle + 1 if len(failed) == len(left) else 0
        left = [task for task in left if task.name in failed]
    return failed


def one_round(
    function: Callable[[Mapping[str, Any]], Any],
    tasks: Sequence[Task],
    folder: Path,
    executor: Executor,
    after: Callable[[Task], None],
) -> dict[str, str]:
    """Submit all tasks and write what comes back; the reasons of those that failed, by name."""
    failed: dict[str, str] = {}
    futures: dict[Future[Any], Task] = {}
    for task in tasks:
        try:
            futures[executor.submit(function, task.payload)] = task
        except BrokenExecutor as error:
            failed[task.name] = reason(error)
    for future in as_completed(futures):
        task = futures[future]
        if (error := failure(future)) is not None:
            failed[task.name] = reason(error)
            continue
        write_json(result_file(folder, task), future.result())
        after(task)
    return failed


def failure(future: Future[Any]) -> BaseException | None:
    """What a finished future ended with, a cancellation included; None for a result."""
    return CancelledError("cancelled") if future.cancelled() else future.exception()


def reason(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, BrokenExecutor):
        return "its process ended before it was done"
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def result_file(folder: Path, task: Task) -> Path:
    """Where the result of a task lies."""
    return folder / f"{task.name}.json"


def read_result(folder: Path, task: Task) -> Any:
    """The result of a task that is done."""
    return read_json(result_file(folder, task))
