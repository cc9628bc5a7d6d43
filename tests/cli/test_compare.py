"""`lrinterp compare`: a page, numbers and a table, or one line that says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import lrinterp as lr

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "checkpoints" / "left-right"
PLAN = {
    "world": {"n_pixels": 4, "n_labels": 6},
    "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
    "fit": {"steps": 3},
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "tiny"
    lr.train(lr.Plan.from_plain(PLAN, "tiny"), folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two") / "tiny"
    plain = {**PLAN, "fit": {"steps": 3, "seed": 1}, "split": {**PLAN["split"], "seed": 1}}
    lr.train(lr.Plan.from_plain(plain, "tiny"), folder, progress=False)
    return folder


def check_refused(answer: tuple[int, str, str], *words: str) -> None:
    code, _, err = answer
    assert code == 2
    assert err.startswith("lrinterp: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_a_page_numbers_and_a_line_a_quantity(run: Run, tiny: Path, other: Path, tmp_path: Path):
    report, numbers = tmp_path / "c.html", tmp_path / "c.json"
    only = ["--only", "accuracy", "attention_terms"]
    code, out, err = run("compare", tiny, other, *only, "--out", report, "--json", numbers)
    assert code == 0, err
    data = json.loads(numbers.read_text(), parse_constant=pytest.fail)
    assert list(data["results"]) == ["differences", "accuracy", "attention_terms"]
    first, second = (f"{folder.parent.name}/tiny" for folder in (tiny, other))
    rows = data["results"]["differences"]["table"]
    assert {row["checkpoint"] for row in rows} == {first, second}
    assert f"unseen pair order, {second} minus {first}" in data["results"]["differences"]["summary"]
    assert "unseen pair order" in out
    assert "against" in out
    assert f"Report: {report}" in out
    html = report.read_text()
    assert "Checkpoints side by side" in html
    assert 'id="term_ablation"' not in html


def test_a_checkpoint_and_itself_differ_in_nothing(run: Run, tiny: Path, tmp_path: Path):
    report, numbers = tmp_path / "c.html", tmp_path / "c.json"
    names = ["--only", "accuracy", tiny, tiny]
    code, out, err = run("compare", *names, "--out", report, "--json", numbers)
    assert code == 0, err
    rows = json.loads(numbers.read_text())["results"]["differences"]["table"]
    again = [row for row in rows if row["checkpoint"] == "tiny (2)"]
    assert {row["difference"] for row in again} <= {0, None}
    assert all(row["verdict"] != "differs" for row in again)
    assert "differs" not in out


def test_bad_input_is_one_line(run: Run, tiny: Path, tmp_path: Path):
    check_refused(run("compare"), "CKPT")
    check_refused(run("compare", tiny), "at least two checkpoints to compare, got 1")
    check_refused(run("compare", tiny, tmp_path / "none"), "no such folder")
    check_refused(run("compare", tiny, tmp_path), "not a checkpoint")
    check_refused(run("compare", tiny, tiny, "--only", "acuracy"), "'acuracy'", "accuracy")
    check_refused(run("compare", tiny, tiny, "--out", tmp_path / "no" / "c.html"), "no folder")
    assert list(tmp_path.iterdir()) == []


def test_outputs_over_a_checkpoint_or_each_other_are_refused(run: Run, tiny: Path, tmp_path: Path):
    copy = shutil.copytree(tiny, tmp_path / "copy")
    before = (copy / "model.json").read_bytes()
    for option in ("--out", "--json"):
        answer = run("compare", SHIPPED, copy, option, copy / "model.json")
        check_refused(answer, "would overwrite the checkpoint")
    both = tmp_path / "both"
    check_refused(run("compare", tiny, copy, "--out", both, "--json", both), "another option")
    assert (copy / "model.json").read_bytes() == before
