"""`lrinterp dynamics`: a page, numbers and a line a run, or one line that says why not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import lrinterp as lr
from lrinterp.cli.dynamics import spread

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    fits = {
        "run-1": {"steps": 9, "keep_every": 2, "seed": 1},
        "run-2": {"steps": 9, "keep_every": 4, "seed": 2},
        "plain": {"steps": 1},
    }
    for name, fit in fits.items():
        plan = lr.Plan.from_plain({**recipe, "fit": fit}, "tiny")
        lr.train(plan, folder / name, progress=False)
    return {name: folder / name for name in fits}


def test_a_page_numbers_and_a_line_a_run(run: Run, runs: dict[str, Path], tmp_path: Path):
    report, numbers = tmp_path / "d.html", tmp_path / "d.json"
    scalars = ["--scalar", "accuracy.mixed_pair_order", "accuracy.seen_pair_order"]
    outputs = ["--out", report, "--json", numbers]
    code, out, err = run("dynamics", runs["run-1"], runs["run-2"], *scalars, *outputs)
    assert code == 0, err
    found = json.loads(numbers.read_text(), parse_constant=pytest.fail)["results"]["dynamics"]
    rows = found["table"]
    steps = {name: [r["step"] for r in rows if r["run"] == name] for name in ("run-1", "run-2")}
    assert steps == {"run-1": [0, 2, 4, 6, 8, 9], "run-2": [0, 4, 8, 9]}
    assert all(row["accuracy.seen_pair_order"] is not None for row in rows)
    assert found["summary"]["runs"]["value"] == 2
    for words in ("run-1", "breaking_step", f"Report: {report}"):
        assert words in out
    assert 'id="dynamics"' in report.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "RUN"),
        ("{plain}", "has no snapshots; train with --keep-every"),
        ("{run-1} --scalar order", "number 'order': expected analysis.key"),
        ("{run-1} --scalar accuracy.no", "accuracy has no 'no'"),
        ("{run-1} --json {run-1}/steps/000004/model.json", "would overwrite the checkpoint"),
    ],
)
def test_bad_input_is_one_line(run, check_refused, runs, tmp_path, arguments, words):
    kept = runs["run-1"] / "steps" / "000004" / "model.json"
    before, typed = kept.read_bytes(), arguments.format(**runs).split()
    check_refused(
        run("dynamics", *typed, *(["--out", tmp_path / "d.html"] if typed else [])), words
    )
    assert kept.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("r --scalar accuracy.a accuracy.b", "r --scalar accuracy.a --scalar accuracy.b"),
        ("--scalar accuracy.a accuracy.b r", "--scalar accuracy.a --scalar accuracy.b r"),
        ("--scalar accuracy.a r accuracy.b", "--scalar accuracy.a r accuracy.b"),
        ("r --scalar accuracy.a --out x", "r --scalar accuracy.a --out x"),
        ("r --scalar x --scalar accuracy.a", "r --scalar x --scalar accuracy.a"),
        ("accuracy.run r", "accuracy.run r"),
    ],
)
def test_several_scalars_may_follow_one_option(typed: str, read: str):
    assert spread(typed.split()) == read.split()
