"""What a command sets in its process: in processes of its own, as it is heard only there."""

import os
import subprocess
import sys

import pytest

SOURCE = """
import torch
from lrinterp.cli import process
process.begin()
torch.set_num_threads(2)
process.settle(torch.nn.Linear(1000, {width}))
print(torch.get_num_threads(), process.os.environ["OMP_WAIT_POLICY"])
"""


def settled(width: int, **environment: str) -> list[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    return subprocess.run(
        [sys.executable, "-c", SOURCE.format(width=width)],
        env={**kept, **environment}, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip


@pytest.mark.parametrize(("width", "threads"), [(128, "1"), (8192, "2")])
def test_a_small_model_has_one_thread_and_a_large_one_keeps_all(width: int, threads: str):
    assert settled(width) == [threads, "PASSIVE"]


def test_what_the_caller_chose_stays():
    found = settled(128, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="ACTIVE")
    assert found == ["2", "ACTIVE"]
