"""Keeping a folder to one process, and telling an empty one from one that holds work.

A lock of the file system: a process that is killed holds nothing. Not for folders on network file
systems that know no locks.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lrinterp.store import InputError

__all__ = ["LOCK", "TEMPORARY", "alone", "holds_nothing", "scaffold"]

LOCK = ".lock"
TEMPORARY = ".tmp-*"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of an existing folder while the body runs.

    Raises InputError where another process is at work in it.
    """
    lock = folder / LOCK
    try:
        with FileLock(lock, timeout=0):
            yield
            with suppress(OSError):  # where a file that is open cannot be removed, it stays
                lock.unlink()
    except Timeout as error:
        raise InputError(f"{folder}: another process is at work in it; wait for its end") from error


def holds_nothing(folder: Path) -> bool:
    """Is there no such folder, or an empty one, or one in which work was killed at its start?"""
    return not folder.exists() or (folder.is_dir() and all(map(scaffold, folder.iterdir())))


def scaffold(path: Path) -> bool:
    """Is this what a process leaves that was killed before its first file was written?"""
    return path.name == LOCK or path.match(TEMPORARY)
