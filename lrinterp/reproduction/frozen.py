"""Which criteria, and which code, a run is held against: a commit, and a hash of the files.

The bound of a claim and the code of its statistic are one thing: both must be there before the run.
So a run writes down both when it starts, and goes on only while they stay as they were.
"""

import subprocess
from pathlib import Path

from lrinterp.store import sha256

__all__ = ["commit_of_code", "hash_of_criteria"]

PACKAGE = Path(__file__).parents[1]
JUDGING = (
    "bounds.py",
    "experiment/checkpoints/dynamics.py",
    "experiment/checkpoints/trajectory.py",
    "experiment/contrasts.py",
    "experiment/evaluation.py",
    "experiment/naming.py",
    "reproduction/claims.py",
    "reproduction/claims.toml",
    "reproduction/criteria.py",
    "reproduction/grids.py",
    "reproduction/measures.py",
    "reproduction/results.py",
    "reproduction/statistics.py",
    "stats/*.py",
)
"""Criteria, the statistics that are held against them, and their intervals."""
PATIENCE = 10
"""Seconds that git may take."""


def hash_of_criteria() -> str:
    """sha256 of the criteria and of the code of their statistics, file by file."""
    files = sorted(path for pattern in JUDGING for path in PACKAGE.glob(pattern))
    names = [path.relative_to(PACKAGE).as_posix() for path in files]
    texts = [path.read_bytes() for path in files]
    return sha256(b"".join(n.encode() + b"\0" + t for n, t in zip(names, texts, strict=True)))


def commit_of_code() -> str | None:
    """The commit of the package, with `+` where it was changed since; None without one."""
    head = git("rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+" if git("status", "--porcelain", "--", ".") else "")


def git(*words: str) -> str | None:
    """What git says of the package's folder; None where it is no checkout."""
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
