"""`lrinterp reproduce`: a finished folder is judged again, and bad input is one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.reproduction.design import hash_of_criteria

Run = Callable[..., tuple[int, str, str]]
SWEEP = Path(__file__).parents[2] / "analyses" / "label_vs_layout" / "results"


@pytest.fixture
def config(tmp_path: Path, planted: Any) -> Path:
    """The recipe of the tiny models as TOML."""
    lines = []
    for section, fields in planted.TINY.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in fields.items())]
    (tmp_path / "tiny.toml").write_text("\n".join(lines))
    return tmp_path / "tiny.toml"


@pytest.fixture
def finished(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "finished"))


def test_a_finished_folder_is_judged_and_written(run: Run, finished: Path, config: Path):
    options = ("--quick", "--seeds", 2, "--config", config, "--workers", 1, "--resume")
    code, out, err = run("reproduce", "--out", finished, *options)
    assert code == 0, err
    assert "deviation_key_position" in out
    assert "Of 21 claims" in out
    written = json.loads((finished / "claims.json").read_text())
    assert len(written["claims"]) == 21
    reproduction = written["run"]["reproduction"]
    assert (reproduction["quick"], reproduction["seeds"]) == (True, 2)
    assert reproduction["fit.steps"] == 50
    assert reproduction["criteria_sha256"] == hash_of_criteria()
    assert (finished / "report.html").is_file()
    before = written["claims"]
    assert run("reproduce", "--out", finished, *options)[0] == 0
    assert json.loads((finished / "claims.json").read_text())["claims"] == before


def test_a_failed_part_is_named_and_leaves_exit_code_1(run: Run, finished: Path, config: Path):
    (finished / "models" / "models" / "00002" / "model.safetensors").write_bytes(b"no")
    (finished / "measures" / "00002.json").unlink()
    options = ("--quick", "--seeds", 2, "--config", config, "--workers", 1, "--resume")
    code, out, err = run("reproduce", "--out", finished, *options)
    assert code == 1
    assert "measures 00002 was not done: InputError:" in err
    assert "try again with --resume" in err
    assert "Of 21 claims" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seeds", 1), "--seeds: expected 2 to 1000, got 1"),
        (("--study", "nowhere"), "nowhere: no such folder"),
        (("--config", "no.toml"), "no.toml"),
        (("--scheduler", "tcp://127.0.0.1:1", "--workers", 2), "--workers: a scheduler has"),
        (("--workers", 0), "--workers: expected 1 to"),
        (("--device", "gpu"), "--device gpu: not available"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(run, tmp_path, options, words):
    code, _, err = run("reproduce", "--out", tmp_path / "out", "--quick", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[split]\nn_pair = 30\n", "n_pair + n_val: expected at most n_labels=20"),
        ("[world]\nn_objects = 3\n", "config: world.n_objects: expected 2, got 3"),
        ("[split]\nn_val = 1\n", "config: split.n_val: expected at least 2, got 1"),
        ("[fit]\nsteps = 20\n", "config: fit.steps: expected at least 25, got 20"),
    ],
)
def test_a_recipe_that_does_not_fit_or_cannot_be_measured_is_refused(run, tmp_path, content, words):
    (tmp_path / "bad.toml").write_text(content)
    code, _, err = run("reproduce", "--out", tmp_path / "out", "--config", tmp_path / "bad.toml")
    assert (code, words in err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_an_unfinished_study_and_a_folder_in_the_way_are_refused(run, finished, tmp_path):
    part = Path(shutil.copytree(SWEEP, tmp_path / "part"))
    table = pd.read_parquet(part / "results.parquet")
    table.iloc[:-3].to_parquet(part / "results.parquet", index=False)
    code, _, err = run("reproduce", "--out", tmp_path / "new", "--quick", "--study", part)
    assert code == 2
    assert "--study part: 3 of 720 models are missing" in err
    (finished / "claims.json").mkdir()
    code, out, err = run("reproduce", "--out", finished, "--quick", "--seeds", 2, "--resume")
    assert (code, out) == (2, "")
    assert "claims.json: is a folder" in err
