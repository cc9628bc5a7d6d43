"""`lrinterp compare` and `dynamics` killed at any moment: a file is whole or not there."""

import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lrinterp as lr

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
KILLS = 4


@pytest.fixture(params=["compare", "dynamics"])
def command(request: pytest.FixtureRequest, recipe, tmp_path: Path) -> list[str]:
    run, pair = tmp_path / "run", [CHECKPOINTS / name for name in ("left-right", "no-gradient")]
    plan = {**recipe, "fit": {"steps": 60, "keep_every": 1}}
    lr.train(lr.Plan.from_plain(plan, "tiny"), run, progress=False)
    asked = [*pair, "--only", "accuracy"] if request.param == "compare" else [run]
    outputs = ["--out", "page.html", "--json", "found.json"]
    return [sys.executable, "-m", "lrinterp", request.param, *map(str, asked), *outputs]


def files(folder: Path) -> dict[str, str]:
    """What the folder holds, by name, without the time at which it was made.

    A kill in the milliseconds of a write may leave the temporary file of that write.
    """
    whole = [path for path in folder.iterdir() if not path.name.startswith(".tmp-")]
    return {path.name: DATE.sub("", path.read_text()) for path in whole}


@pytest.mark.slow
def test_a_command_that_was_killed_is_repeated_as_if_nothing_had_been(command, tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    for folder in (first, again):
        folder.mkdir()
    began = time.monotonic()
    subprocess.run(command, cwd=first, check=True, capture_output=True)
    took, undisturbed = time.monotonic() - began, files(first)
    assert sorted(undisturbed) == ["found.json", "page.html"]
    for seed in range(KILLS):
        process = subprocess.Popen(command, cwd=again, stdout=subprocess.DEVNULL)
        time.sleep(random.Random(seed).uniform(0.2, 0.9) * took)
        process.kill()
        process.wait()
        assert files(again).items() <= undisturbed.items()
    subprocess.run(command, cwd=again, check=True, capture_output=True)
    assert files(again) == undisturbed
