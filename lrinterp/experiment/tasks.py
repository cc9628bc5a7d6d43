"""Running tasks whose results survive: one file a task, written whole as soon as it is done.

A task that has its file is never run again, so a run that was killed goes on where it stood. The
function must be importable by name where it runs, take plain data and return plain data. It runs in
processes of this machine or on the workers of a Dask cluster: each a context that yields a
`concurrent.futures.Executor`. Leaving it by an exception abandons the work that is under way;
leaving it otherwise waits for it.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    as_completed,
)
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrinterp.store import InputError, read_json, write_json

__all__ = [
    "After",
    "Executors",
    "Task",
    "cores",
    "dask_cluster",
    "dask_workers",
    "done",
    "local_processes",
    "reason",
    "run_tasks",
]

ROUNDS = 3
"""Rounds without any progress after which the tasks that are left are given up."""
PATIENCE = 15
"""Seconds to wait for a scheduler to answer."""

Executors = Callable[[], AbstractContextManager[Executor]]
After = Callable[[int, int], None]
"""Is told how many models are done, of all."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call: the name of its result file, and the plain data that the function is given."""

    name: str
    payload: Mapping[str, Any]
    models: int = 1
    """Models that it is of."""

    def file(self, folder: Path) -> Path:
        """Where its result lies."""
        return folder / f"{self.name}.json"


def done(folder: Path, tasks: Iterable[Task]) -> list[tuple[Task, Any]]:
    """The tasks that have a result, with it."""
    files = [(task, task.file(folder)) for task in tasks]
    return [(task, read_json(path)) for task, path in files if path.exists()]


def run_tasks(
    function: Callable[[Mapping[str, Any]], Any],
    tasks: Sequence[Task],
    folder: Path,
    executors: Executors,
    after: After = lambda _done, _all: None,
) -> dict[str, str]:
    """Run what has no result yet; `after` is called at first, and as each result is on disk.

    Returns, by name, why a task could not be done. An exception of the function, or the death of
    its process, costs a new round with a fresh executor; the tasks that are left are given up
    after three rounds in which none was done. A result that cannot be written ends the run with
    its OSError; what was written stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = [task for task in tasks if not task.file(folder).exists()]
    total, missing = (sum(task.models for task in some) for some in (tasks, left))
    after(total - missing, total)

    def written(task: Task, result: Any) -> None:
        nonlocal missing
        write_json(task.file(folder), result)
        missing -= task.models
        after(total - missing, total)

    failed: dict[str, str] = {}
    idle = 0
    while left and idle < ROUNDS:
        with executors() as executor:
            failed = one_round(function, left, executor, written)
        idle = idle + 1 if len(failed) == len(left) else 0
        left = [task for task in left if task.name in failed]
    return failed


def one_round(
    function: Callable[[Mapping[str, Any]], Any],
    tasks: Sequence[Task],
    executor: Executor,
    written: Callable[[Task, Any], None],
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
        error = CancelledError("cancelled") if future.cancelled() else future.exception()
        if error is None:
            written(task, future.result())
        else:
            failed[task.name] = reason(error)
    return failed


def reason(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, BrokenExecutor):
        return "its process ended before it was done"
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def cores() -> int:
    """Cores that this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


@contextmanager
def local_processes(workers: int) -> Iterator[Executor]:
    """Fresh processes of this machine; they end with this one, however it ends."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=follow_parent)
    before = set(multiprocessing.active_children())
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
        raise
    pool.shutdown()


def follow_parent() -> None:
    """In a worker: leave interrupts to the parent, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the parent's end, then end at once: nobody is left to take a result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def dask_workers(address: str) -> int:
    """How many workers a Dask scheduler has; raises as `dask_cluster` does."""
    with dask_client(address) as client:
        return len(client.nthreads())


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """The workers behind a Dask scheduler, such as `tcp://127.0.0.1:8786`.

    A task whose worker is lost is run again by the scheduler. Raises InputError where Dask is not
    installed or no scheduler answers.
    """
    with dask_client(address) as client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise
        executor.shutdown()


def dask_client(address: str) -> Any:
    """A connection to a Dask scheduler, to be closed by its context."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            '--scheduler: needs Dask; install it with pip install "lrinterp[cluster]"'
        ) from error
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"--scheduler {address}: no Dask scheduler answers ({reason})") from error
