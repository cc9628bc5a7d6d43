"""Where tasks run: processes of this machine, or the workers of a Dask cluster.

Each is a context that yields a `concurrent.futures.Executor`. Leaving it by an exception abandons
the work that is under way; leaving it otherwise waits for it.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from lrinterp.store import InputError

__all__ = ["cores", "dask_cluster", "dask_workers", "local_processes"]

PATIENCE = 15
"""Seconds to wait for a scheduler to answer."""


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
