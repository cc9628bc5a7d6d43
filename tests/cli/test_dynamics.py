"""`lrinterp dynamics`: a page, numbers and a line a run, or one line that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lrinterp as lr
from lrinterp.cli.dynamics import spread

PLAN: dict[str, Any] = {
    "world": {"n_pixels": 4, "n_labels": 6},
    "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
}

Run = Callable[..., tuple[int, str, str]]


def trained(folder: Path, **fit: int) -> Path:
    lr.train(lr.Plan.from_plain({**PLAN, "fit": fit}, "tiny"), folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        trained(folder / f"run-{k}", steps=9, keep_every=steps, seed=k)
        for k, steps in ((1, 2), (2, 4))
    ]


def check_refused(answer: tuple[int, str, str], *words: str) -> None:
    code, _, err = answer
    assert code == 2
    assert err.startswith("lrinterp: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_a_page_numbers_and_a_line_a_run(run: Run, runs: list[Path], tmp_path: Path):
    report, numbers = tmp_path / "d.html", tmp_path / "d.json"
    scalars = ["--scalar", "accuracy.mixed_pair_order", "accuracy.seen_pair_order"]
    code, out, err = run("dynamics", *runs, *scalars, "--out", report, "--json", numbers)
    assert code == 0, err
    data = json.loads(numbers.read_text(), parse_constant=pytest.fail)
    rows = data["results"]["dynamics"]["table"]
    steps = {name: [r["step"] for r in rows if r["run"] == name] for name in ("run-1", "run-2")}
    assert steps == {"run-1": [0, 2, 4, 6, 8, 9], "run-2": [0, 4, 8, 9]}
    assert all(row["accuracy.seen_pair_order"] is not None for row in rows)
    assert data["results"]["dynamics"]["summary"]["runs"]["value"] == 2
    assert "run-1" in out
    assert "breaking_step" in out
    assert f"Report: {report}" in out
    html = report.read_text()
    assert "Along training" in html
    assert "step 0 is the model rebuilt from its recipe" in html


def test_equal_runs_make_equal_tables(run: Run, runs: list[Path], tmp_path: Path):
    tables = []
    for name in ("a.json", "b.json"):
        code, _, err = run(
            "dynamics", runs[1], "--out", tmp_path / "d.html", "--json", tmp_path / name
        )
        assert code == 0, err
        tables.append(json.loads((tmp_path / name).read_text())["results"])
    assert tables[0] == tables[1]


def test_bad_input_is_one_line(run: Run, runs: list[Path], tmp_path: Path):
    plain = trained(tmp_path / "plain", steps=1)
    out = ["--out", tmp_path / "d.html"]
    check_refused(run("dynamics"), "RUN")
    check_refused(run("dynamics", plain, *out), "kept no checkpoints", "--keep-every")
    check_refused(run("dynamics", runs[0], tmp_path / "none", *out), "no such folder")
    check_refused(run("dynamics", runs[0], "--scalar", "order", *out), "'order'", "analysis.key")
    check_refused(run("dynamics", runs[0], "--scalar", "accuracy.no", *out), "accuracy has no 'no'")
    check_refused(run("dynamics", runs[0], "--out", tmp_path / "no" / "d.html"), "no folder")
    assert not (tmp_path / "d.html").exists()


def test_outputs_over_a_kept_checkpoint_are_refused(run: Run, runs: list[Path]):
    kept = runs[0] / "steps" / "000004" / "model.json"
    before = kept.read_bytes()
    check_refused(run("dynamics", *runs, "--json", kept), "would overwrite the checkpoint")
    assert kept.read_bytes() == before


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
