"""`lrinterp benchmark`: numbers, a page, or one line that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.realdata


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A folder of six rows of one's own, and their pictures."""
    from PIL import Image

    lines = []
    for k in range(6):
        Image.new("RGB", (60, 40), (40 * k, 250 - 40 * k, 99)).save(tmp_path / f"{k}.png")
        sides = ("left", "right") if k % 2 else ("right", "left")
        captions = [f"a cat to the {side} of a dog" for side in sides]
        given = {"picture": f"{k}.png", "relation": f"{sides[0]} of"}
        lines.append(json.dumps({**given, "caption": captions[0], "foil": captions[1]}))
    (tmp_path / "relations.jsonl").write_text("\n".join(lines))
    return tmp_path


def spoil(rows: Path, place: int, **fields: Any) -> None:
    path = rows / "relations.jsonl"
    lines = path.read_text().splitlines()
    lines[place] = json.dumps({**json.loads(lines[place]), **fields})
    path.write_text("\n".join(lines))


def test_numbers_a_page_and_a_table(run: Run, clip_folder: Path, rows: Path, tmp_path: Path):
    numbers, report = tmp_path / "b.json", tmp_path / "b.html"
    options = ("--suite", "jsonl", "--data", rows, "--json", numbers, "--out", report)
    code, out, err = run("benchmark", clip_folder, *options, "--fit", "pad", "--limit", 5)
    assert code == 0, err
    data = json.loads(numbers.read_text(), parse_constant=pytest.fail)
    result = data["results"]["benchmark"]
    assert result["summary"]["accuracy"]["n"] == 5
    assert data["checkpoint"]["benchmark"] == {
        "suite": "jsonl", "data": str(rows), "fit": "pad", "limit": 5,
    }  # fmt: skip
    assert result["finding"] in out.replace("\n", " ")
    assert f"Wrote {report}" in out
    assert "padded with the mean colour" in report.read_text()


def test_what_ends_it_is_named(check_refused, run, clip_folder, rows, tmp_path):
    numbers, report = tmp_path / "b.json", tmp_path / "b.html"
    given = ("benchmark", clip_folder, "--data", rows, "--json", numbers, "--out", report)
    check_refused(run(*given, "--suite", "whatsup"), str(rows), "jsonl", "whatsup expects")
    answer = run(*given, "--suite", "coco")
    check_refused(answer, "unknown suite 'coco'", "aro, whatsup, vsr, nlvr, jsonl, csv")
    spoil(rows, 3, picture="missing.png")
    answer = run(*given, "--suite", "jsonl")
    check_refused(answer, "relations.jsonl, row 4", "there is no picture")
    assert not numbers.exists()
    assert not report.exists()


def test_bad_rows_are_skipped_and_listed(run, clip_folder, rows, tmp_path):
    spoil(rows, 1, picture="missing.png")
    numbers, report = tmp_path / "b.json", tmp_path / "b.html"
    options = ("--suite", "jsonl", "--data", rows, "--json", numbers, "--out", report)
    code, out, err = run("benchmark", clip_folder, *options, "--skip-bad")
    assert code == 0, err
    assert "Skipped 1 bad row" in out
    summary = json.loads(numbers.read_text())["results"]["benchmark"]["summary"]
    assert (summary["skipped_rows"]["value"], summary["accuracy"]["n"]) == (1, 5)
    assert "relations.jsonl, row 2: " in report.read_text()


def test_the_rows_are_not_written_over(check_refused, run, clip_folder, rows, tmp_path):
    path = rows / "relations.jsonl"
    before = path.read_text()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/relations.jsonl").symlink_to(path)
    for data in (rows, tmp_path / "elsewhere"):
        for option in ("--json", "--out", "--scores"):
            options = ("--suite", "jsonl", "--data", data, option, path)
            check_refused(
                run("benchmark", clip_folder, *options), option, "would overwrite the rows"
            )
    assert path.read_text() == before


@pytest.fixture
def scored(run: Run, make_clip: Callable[..., Path], rows: Path, tmp_path: Path) -> Path:
    """The scores of another checkpoint."""
    path = tmp_path / "other.parquet"
    options = ("--suite", "jsonl", "--data", rows, "--scores", path)
    code, out, err = run("benchmark", make_clip(seed=1), *options)
    assert code == 0, err
    assert f"Wrote {path}" in out
    return path


def test_two_checkpoints_are_compared_row_by_row(run, clip_folder, rows, scored, tmp_path):
    numbers, report, own = tmp_path / "b.json", tmp_path / "b.html", tmp_path / "own.parquet"
    outputs = ("--json", numbers, "--out", report, "--scores", own)
    options = ("--suite", "jsonl", "--data", rows, "--against", scored)
    code, out, err = run("benchmark", clip_folder, *options, *outputs)
    assert code == 0, err
    one, other = (pd.read_parquet(path)["credit"] for path in (own, scored))
    assert (one != other).any()
    results = json.loads(numbers.read_text(), parse_constant=pytest.fail)["results"]
    gap = results["against"]["summary"]["accuracy"]
    assert gap["value"] == pytest.approx((one - other).mean())
    assert (gap["n"], gap["estimator"]) == (6, "difference")
    assert results["against"]["finding"] in out.replace("\n", " ")
    assert report.is_file()


def test_files_that_are_no_scores_are_refused(check_refused, run, rows, scored, tmp_path):
    """There is no such checkpoint; nobody gets as far as to look for it."""
    given = ("benchmark", tmp_path / "none", "--suite", "jsonl", "--data", rows, "--against")
    check_refused(run(*given, rows / "relations.jsonl"), "relations.jsonl: no Parquet file")
    check_refused(run(*given, tmp_path / "no.parquet"), "no.parquet: No such file")
    before = scored.read_bytes()
    check_refused(run(*given, scored, "--scores", scored), "--scores", "would overwrite")
    assert scored.read_bytes() == before


def test_the_real_pictures_of_nlvr(run: Run, clip_folder: Path, data_root: Path, tmp_path: Path):
    """As many rows are about left as about right, so an untrained model is near chance."""
    numbers = tmp_path / "n.json"
    options = ("--suite", "nlvr", "--data", data_root / "nlvr", "--json", numbers, "--limit", 200)
    code, _, err = run("benchmark", clip_folder, *options)
    assert code == 0, err
    summary = json.loads(numbers.read_text())["results"]["benchmark"]["summary"]
    assert summary["accuracy"]["n"] == 200
    assert summary["accuracy"]["value"] == pytest.approx(0.5, abs=0.15)
    assert summary["left_recall"]["n"] == summary["right_recall"]["n"] == 100
