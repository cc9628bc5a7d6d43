import json
from pathlib import Path

import pytest

from lrinterp.scenes.natural import SUITES, BadRow, read_relations
from lrinterp.store import InputError

OWN = {"relation": "on", "caption": "a cup on a hat", "foil": "a cup under a hat"}


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path.parent


def test_the_suites():
    assert SUITES == ("aro", "whatsup", "vsr", "nlvr", "jsonl", "csv")
    with pytest.raises(InputError, match="unknown suite 'coco'; expected one of aro, whatsup, vsr"):
        read_relations("coco", Path())


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("aro", "suite aro expects visual_genome_relation.json with images/"),
        ("whatsup", "controlled_images_dataset.json with controlled_images/ or controlled_clevr_"),
        ("vsr", "suite vsr expects test.jsonl"),
        ("nlvr", "suite nlvr expects pairs.jsonl with images/"),
        ("jsonl", "suite jsonl expects relations.jsonl"),
        ("csv", "suite csv expects relations.csv"),
    ],
)
def test_a_folder_of_another_suite_is_refused_at_once(tmp_path: Path, suite: str, message: str):
    name = "test.jsonl" if suite == "nlvr" else "pairs.jsonl"
    other = "vsr" if suite == "nlvr" else "nlvr"
    write(tmp_path / name, {})
    with pytest.raises(InputError) as caught:
        read_relations(suite, tmp_path, bad=[])
    assert f"{tmp_path}: a folder of suite {other}, which {name} is of; " in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_an_unknown_and_the_folder_above_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"there is no such folder; suite vsr expects test\.jsonl"):
        read_relations("vsr", tmp_path / "no")
    with pytest.raises(InputError, match="none of the files of the suite; suite vsr expects test"):
        read_relations("vsr", tmp_path)
    random, zeroshot = tmp_path / "random", tmp_path / "zeroshot"
    for folder in (random, zeroshot):
        write(folder / "test.jsonl", {})
    with pytest.raises(InputError, match=f"; did you mean {random} or {zeroshot}?"):
        read_relations("vsr", tmp_path)


def test_a_file_that_is_not_of_the_suite_is_refused(tmp_path: Path):
    write(tmp_path / "pairs.jsonl", {})
    with pytest.raises(
        InputError, match=r"pairs\.jsonl: not a file of suite aro; suite aro expects"
    ):
        read_relations("aro", tmp_path / "pairs.jsonl")


def test_a_bad_row_stops_the_reading_and_names_the_path(tmp_path: Path):
    reader = read_relations("jsonl", write(tmp_path / "relations.jsonl", OWN, {}, OWN))
    assert next(reader).where == "relations.jsonl, row 1"
    with pytest.raises(InputError, match=rf"{tmp_path}/relations.jsonl, row 2: field 'relation'"):
        next(reader)


def test_bad_rows_are_handed_on_and_counted(tmp_path: Path):
    bad: list[BadRow] = []
    folder = write(tmp_path / "relations.jsonl", OWN, {}, OWN, [])
    reader = read_relations("jsonl", folder, bad=bad)
    assert [row.where[-1] for row in reader] == ["1", "3"]
    assert [row.where[-1] for row in bad] == ["2", "4"]
    assert reader.left_out.total() == 0


def test_no_row_of_use_is_an_error_even_where_bad_rows_are_passed_over(tmp_path: Path):
    folder = write(tmp_path / "relations.jsonl", {}, {"x": 1})
    with pytest.raises(
        InputError, match=r"no row of suite jsonl \(2 bad rows, the first rel.*row 1"
    ):
        list(read_relations("jsonl", folder, bad=[]))
    with pytest.raises(InputError, match=r"relations\.jsonl: no row of suite jsonl \(empty\)"):
        list(read_relations("jsonl", write(tmp_path / "relations.jsonl")))
    row = {"caption": "The cat is left of the dog.", "relation": "left of", "label": 0}
    with pytest.raises(InputError, match=r"\(2 rows left out: its caption is not true"):
        list(read_relations("vsr", write(tmp_path / "test.jsonl", row, row)))
