"""Where tasks run: that workers end with their parent, and that errors name what is missing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lrinterp.experiment.executors import cores, dask_cluster, local_processes
from lrinterp.store import InputError

Wait = Callable[[Callable[[], object]], None]
SLEEPER = """
import os, signal, sys, time
from pathlib import Path
from lrinterp.experiment.executors import local_processes

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit a deaf one
    with local_processes(2) as pool:
        for future in [pool.submit(sleep, sys.argv[1]) for _ in range(2)]:
            future.result()
"""


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= (os.cpu_count() or 1)


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
    monkeypatch.setattr("lrinterp.experiment.executors.PATIENCE", 0.3)
    with (
        pytest.raises(InputError, match=re.escape("tcp://127.0.0.1:9: no Dask scheduler answers")),
        dask_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_an_address_that_is_none_is_one_line():
    with pytest.raises(InputError, match="--scheduler nonsense://x"), dask_cluster("nonsense://x"):
        pass


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"pip install \"lrinterp\[cluster\]\""),
        dask_cluster("tcp://127.0.0.1:9"),
    ):
        pass
