"""Folders and files of suites, what happens to bad rows, and the published triples."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import SUITES, BadRow, Triple, read_relations, read_triples
from lrinterp.store import InputError

TRIPLE = {"dataset": "coco_two", "id": 3, "subject": "cup", "object": "hat", "relation": "left"}
OWN = {"relation": "on", "caption": "a cup on a hat", "foil": "a cup under a hat"}


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path.parent


def test_an_unknown_suite_is_refused():
    assert SUITES == ("aro", "whatsup", "vsr", "nlvr", "jsonl", "csv")
    with pytest.raises(InputError, match="unknown suite 'coco'; expected one of aro, whatsup, vsr"):
        read_relations("coco", Path())


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("aro", "suite aro expects visual_genome_relation.json with images/"),
        ("whatsup", "controlled_images_dataset.json with controlled_images/ or controlled_clevr_"),
        ("nlvr", "suite nlvr expects pairs.jsonl with images/"),
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


def test_what_is_not_of_the_suite_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"there is no such folder; suite vsr expects test\.jsonl"):
        read_relations("vsr", tmp_path / "no")
    with pytest.raises(InputError, match="none of the files of the suite; suite vsr expects test"):
        read_relations("vsr", tmp_path)
    (tmp_path / "pairs.jsonl").touch()
    with pytest.raises(
        InputError, match=r"pairs\.jsonl: not a file of suite aro; suite aro expect"
    ):
        read_relations("aro", tmp_path / "pairs.jsonl")
    with pytest.raises(InputError, match=r"its pictures are missing; there is no folder .*images"):
        read_relations("nlvr", tmp_path)
    (tmp_path / "pairs.jsonl").unlink()
    random, zeroshot = tmp_path / "random", tmp_path / "zeroshot"
    for folder in (random, zeroshot):
        write(folder / "test.jsonl", {})
    with pytest.raises(InputError, match=f"; did you mean {random} or {zeroshot}?"):
        read_relations("vsr", tmp_path)


def test_a_bad_row_stops_the_reading_and_names_the_path(tmp_path: Path):
    reader = read_relations("jsonl", write(tmp_path / "relations.jsonl", OWN, {}, OWN))
    assert next(reader).where == "relations.jsonl, row 1"
    with pytest.raises(InputError, match=rf"{tmp_path}/relations.jsonl, row 2: field 'relation'"):
        next(reader)


def test_bad_rows_are_handed_on(tmp_path: Path):
    bad: list[BadRow] = []
    folder = write(tmp_path / "relations.jsonl", OWN, {}, OWN, [])
    reader = read_relations("jsonl", folder, bad=bad)
    assert [row.where[-1] for row in reader] == ["1", "3"]
    assert [row.where[-1] for row in bad] == ["2", "4"]
    assert bad[1].reason == "expected an object with fields, got []"


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


def test_lines_become_triples(tmp_path: Path):
    alone = TRIPLE | {"dataset": "coco_one", "object": None}
    two, one = read_triples(write(tmp_path / "triples.jsonl", TRIPLE, alone))
    assert two == Triple(dataset="coco_two", id=3, subject="cup", object="hat", relation="left")
    assert (one.dataset, one.object) == ("coco_one", "")
    assert read_triples(tmp_path / "triples.jsonl") == [two, one]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([TRIPLE, [1]], r"triples\.jsonl, row 2: expected an object with fields"),
        ([TRIPLE | {"subject": None}], r"triples\.jsonl, row 1: field 'subject': expected text"),
        ([], r"triples\.jsonl: no row of suite triples"),
    ],
)
def test_bad_triples_are_named(tmp_path: Path, lines: list[Any], message: str):
    with pytest.raises(InputError, match=r"suite triples expects triples\.jsonl"):
        read_triples(tmp_path)
    with pytest.raises(InputError, match=message):
        read_triples(write(tmp_path / "triples.jsonl", *lines))


@pytest.mark.realdata
def test_the_published_triples(data_root: Path):
    triples = read_triples(data_root / "whatsup")
    assert Counter(triple.dataset for triple in triples) == {
        "controlled_images_A": 412, "controlled_images_B": 408, "coco_one": 2247, "coco_two": 440,
        "gqa_one": 1160, "gqa_two": 291,
    }  # fmt: skip
    assert all((triple.object == "") == triple.dataset.endswith("one") for triple in triples)
