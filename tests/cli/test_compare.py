"""`lrinterp compare`: a page, numbers and a table, or one line that says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import lrinterp as lr

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "left-right"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def pair(recipe, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two tiny models of one name."""
    folders = [tmp_path_factory.mktemp(name) / "tiny" for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        plain = {**recipe, "fit": {"steps": 3, "seed": seed}}
        lr.train(lr.Plan.from_plain(plain, "tiny"), folder, progress=False)
    return folders


def test_a_page_numbers_and_a_line_a_quantity(run: Run, pair: list[Path], tmp_path: Path):
    report, numbers = tmp_path / "c.html", tmp_path / "c.json"
    only = ["--only", "accuracy", "attention_terms"]
    code, out, err = run("compare", *pair, pair[0], *only, "--out", report, "--json", numbers)
    assert code == 0, err
    results = json.loads(numbers.read_text(), parse_constant=pytest.fail)["results"]
    assert list(results) == ["differences", "accuracy", "attention_terms"]
    first, second = (f"{folder.parent.name}/tiny" for folder in pair)
    rows = results["differences"]["table"]
    assert {row["checkpoint"] for row in rows} == {first, second, f"{first} (2)"}
    again = {row["difference"] for row in rows if row["checkpoint"] == f"{first} (2)"}
    assert again <= {0, None}
    assert f"unseen pair order, {second} minus {first}" in results["differences"]["summary"]
    for words in (f"{second} against {first}", "  unseen pair order", f"Report: {report}"):
        assert words in out
    html = report.read_text()
    assert 'id="differences"' in html
    assert 'id="term_ablation"' not in html


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "CKPT"),
        ("{one}", "at least two checkpoints to compare, got 1"),
        ("{one} {one} --only acuracy", "analysis 'acuracy': expected one of"),
        ("{shipped} {one} --json {one}/model.json", "would overwrite the checkpoint"),
    ],
)
def test_bad_input_is_one_line(run, check_refused, pair, tmp_path, arguments, words):
    copy = shutil.copytree(pair[0], tmp_path / "copy")
    before = (copy / "model.json").read_bytes()
    typed = arguments.format(one=copy, shipped=SHIPPED).split()
    check_refused(run("compare", *typed), words)
    assert (copy / "model.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == [copy]
