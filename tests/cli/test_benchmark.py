"""`lrinterp benchmark`: numbers, a page, or one line that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lrinterp as lr

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


def check_refused(answer: tuple[int, str, str], *words: str) -> None:
    code, _, err = answer
    assert code == 2
    assert err.startswith("lrinterp: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


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
    assert "Left recall" in out
    assert "Left of" in out
    assert f"Wrote {report}" in out
    html = report.read_text()
    assert "Relations in real pictures" in html
    assert "Left and right apart" in html
    assert "padded with the mean colour" in html


BAD = {
    "there is no picture": {"picture": "missing.png"},
    "expected one of horizontal": {"axis": "sideways"},
    "shorten it": {"caption": "a cat and " * 60},
    "unknown column": {"colour": "red"},
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_row_ends_it_and_nothing_is_written(
    run: Run, clip_folder: Path, rows: Path, tmp_path: Path, reason: str
):
    spoil(rows, 3, **BAD[reason])
    numbers, report = tmp_path / "b.json", tmp_path / "b.html"
    options = ("--suite", "jsonl", "--data", rows, "--json", numbers, "--out", report)
    check_refused(run("benchmark", clip_folder, *options), "relations.jsonl, row 4", reason)
    assert not numbers.exists()
    assert not report.exists()


def test_bad_rows_are_skipped_counted_and_listed(
    run: Run, clip_folder: Path, rows: Path, tmp_path: Path
):
    for place, fields in zip((1, 2, 3, 4), BAD.values(), strict=True):
        spoil(rows, place, **fields)
    numbers, report = tmp_path / "b.json", tmp_path / "b.html"
    options = ("--suite", "jsonl", "--data", rows, "--json", numbers, "--out", report)
    code, out, err = run("benchmark", clip_folder, *options, "--skip-bad")
    assert code == 0, err
    assert "Skipped 4 bad rows" in out
    result = json.loads(numbers.read_text())["results"]["benchmark"]
    assert result["summary"]["skipped_rows"]["value"] == 4
    assert result["summary"]["accuracy"]["n"] == 2
    notes = [row["note"] for row in result["table"] if row["measure"] == "skipped"]
    html = report.read_text()
    for row, reason in zip((2, 3, 4, 5), BAD, strict=True):
        assert any(f"row {row}: " in note and reason in note for note in notes)
        assert f"relations.jsonl, row {row}: " in html


def test_one_bad_row_is_one_and_names_send_nothing_to_the_terminal(
    run: Run, clip_folder: Path, rows: Path
):
    spoil(rows, 1, picture="missing.png")
    spoil(rows, 2, relation="\x1b[31mbeneath\x07", axis="vertical")
    options = ("--suite", "jsonl", "--data", rows, "--skip-bad")
    code, out, err = run("benchmark", clip_folder, *options)
    assert code == 0, err
    assert "Skipped 1 bad row;" in out
    assert "[31mbeneath" in out
    assert not {"\x1b", "\x07"} & {*out}


def test_a_folder_of_another_suite(run: Run, clip_folder: Path, rows: Path):
    options = ("--suite", "whatsup", "--data", rows)
    check_refused(run("benchmark", clip_folder, *options), str(rows), "jsonl", "whatsup expects")


def test_an_unknown_relation(run: Run, clip_folder: Path, tmp_path: Path):
    said = {"image": "1.jpg", "caption": "The cat eats the mouse.", "relation": "eats", "label": 1}
    (tmp_path / "test.jsonl").write_text(json.dumps(said))
    answer = run("benchmark", clip_folder, "--suite", "vsr", "--data", tmp_path)
    check_refused(answer, "test.jsonl, row 1", "unknown relation 'eats'")


def test_an_unknown_suite_lists_those_there_are(run: Run, clip_folder: Path, rows: Path):
    answer = run("benchmark", clip_folder, "--suite", "coco", "--data", rows)
    check_refused(answer, "unknown suite 'coco'", "aro, whatsup, vsr, nlvr, jsonl, csv")


def test_a_checkpoint_of_the_toy_world(run: Run, rows: Path, tmp_path: Path):
    plan: dict[str, Any] = {
        "world": {"n_pixels": 4, "n_labels": 6},
        "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4},
        "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
        "fit": {"steps": 1},
    }
    lr.train(lr.Plan.from_plain(plan, "tiny"), tmp_path / "toy", progress=False)
    answer = run("benchmark", tmp_path / "toy", "--suite", "jsonl", "--data", rows)
    check_refused(answer, "reads no pictures", "lrinterp evaluate")


def test_the_rows_are_not_written_over(run: Run, clip_folder: Path, rows: Path, tmp_path: Path):
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


def test_two_checkpoints_are_compared_row_by_row(
    run: Run, clip_folder: Path, rows: Path, scored: Path, tmp_path: Path
):
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
    assert "This checkpoint minus" in report.read_text()


def test_a_checkpoint_against_its_own_scores_is_the_same(
    run: Run, clip_folder: Path, rows: Path, tmp_path: Path
):
    own, numbers = tmp_path / "own.parquet", tmp_path / "b.json"
    options = ("--suite", "jsonl", "--data", rows)
    assert run("benchmark", clip_folder, *options, "--scores", own)[0] == 0
    code, _, err = run("benchmark", clip_folder, *options, "--against", own, "--json", numbers)
    assert code == 0, err
    table = json.loads(numbers.read_text())["results"]["against"]["table"]
    assert {row["value"] for row in table} == {0}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--limit", 4), "scores of 6 rows, expected 4"),
        (("--fit", "pad"), "other rows: fit of relations.jsonl, row 1 is 'crop', not 'pad'"),
    ],
)
def test_scores_of_other_rows_are_refused(
    run: Run, clip_folder: Path, rows: Path, scored: Path, options: tuple[object, ...], reason: str
):
    given = ("--suite", "jsonl", "--data", rows, "--against", scored)
    check_refused(run("benchmark", clip_folder, *given, *options), str(scored), reason)


def test_files_that_are_no_scores_are_refused_before_any_work(
    run: Run, rows: Path, scored: Path, tmp_path: Path
):
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
