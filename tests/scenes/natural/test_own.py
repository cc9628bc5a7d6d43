import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import Relation, read_relations
from lrinterp.scenes.natural.own import COLUMNS
from lrinterp.store import InputError

ROW = {"relation": "left of", "caption": "a cup left of a hat", "foil": "a cup right of a hat"}
FULL = ROW | {
    "picture": "pictures/a.png",
    "crop": [0, 0, 30, 20],
    "axis": "other",
    "subject": "cup",
    "object": "hat",
    "subject_box": [0, 0, 0.5, 1],
    "object_box": [0.5, 0.25, 1, 1],
    "group": "kitchen",
    "pair": "p",
    "set": "s",
    "kind": "word swap",
}
HEADER = (
    "relation,caption,foil,picture,crop,axis,subject,object,subject_box,object_box,"
    "group,pair,set,kind"
)
CELLS = (
    "left of,a cup left of a hat,a cup right of a hat,pictures/a.png,0 0 30 20,other,cup,hat,"
    "0 0 0.5 1,0.5 0.25 1 1,kitchen,p,s,word swap"
)


@pytest.fixture
def folder(tmp_path: Path, paint) -> Path:
    paint(tmp_path / "pictures" / "a.png")
    return tmp_path


def read_json(folder: Path, *rows: Any) -> list[Relation]:
    (folder / "relations.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return list(read_relations("jsonl", folder))


def read_csv(folder: Path, *lines: str) -> list[Relation]:
    (folder / "relations.csv").write_text("\n".join(lines))
    return list(read_relations("csv", folder))


def as_read(folder: Path, suite: str) -> Relation:
    return Relation(
        suite=suite,
        where=f"relations.{suite}, row 1",
        picture=folder / "pictures" / "a.png",
        crop=(0, 0, 30, 20),
        captions=(ROW["caption"], ROW["foil"]),
        right=0,
        relation="left of",
        axis="other",
        subject="cup",
        object="hat",
        group="kitchen",
        pair="p",
        set="s",
        foil="word swap",
        boxes={"subject": (0.0, 0.0, 0.5, 1.0), "object": (0.5, 0.25, 1.0, 1.0)},
    )


def test_every_column(folder: Path):
    assert read_json(folder, FULL) == [as_read(folder, "jsonl")]
    assert read_csv(folder, HEADER, CELLS) == [as_read(folder, "csv")]
    assert {*HEADER.split(",")} | {"captions", "right"} == {*COLUMNS}


def test_the_least_that_a_row_needs(folder: Path):
    empty = ROW | {"picture": None, "subject": ""}
    (row,), (cells,) = read_json(folder, empty), read_csv(folder, HEADER, CELLS[:48] + "," * 11)
    assert (row.picture, row.crop, row.axis, row.foil) == (None, None, "horizontal", "relation")
    assert (row.group, cells.group) == ("relations.jsonl, row 1", "relations.csv, row 1")
    assert cells.captions == row.captions


def test_rows_of_one_picture_are_one_group(folder: Path):
    (row,) = read_json(folder, ROW | {"picture": "pictures/a.png"})
    assert row.group == "pictures/a.png"


def test_several_captions(folder: Path):
    captions = {"relation": "on", "captions": ["on", "under", "left"], "right": 2}
    (row,) = read_json(folder, captions)
    (cells,) = read_csv(folder, "relation,captions,right", "on,on | under | left,2")
    assert row.captions == cells.captions == ("on", "under", "left")
    assert (row.right, cells.right) == (2, 2)


def test_a_file_of_any_name(folder: Path):
    path = folder / "mine.txt"
    path.write_text(json.dumps(ROW))
    (row,) = read_relations("jsonl", path)
    assert (row.suite, row.where) == ("jsonl", "mine.txt, row 1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"realtion": "on"}, "unknown column 'realtion'; expected relation, caption, foil"),
        ({"relation": None}, "field 'relation' is missing"),
        ({"foil": None}, "expected caption and foil, or captions and right; got caption"),
        (
            {"right": 0},
            "expected caption and foil, or captions and right; got caption, foil, right",
        ),
        ({"foil": ROW["caption"]}, "two captions are equal"),
        ({"picture": "b.png"}, r"there is no picture .*b\.png"),
        ({"crop": [0, 0, 1, 1]}, "a crop, but no picture"),
        (
            {"crop": [0, 0, 1.5, 1]},
            r"field 'crop': expected a list of 4 whole numbers, got \[0, 0, 1.5, 1\]",
        ),
        (
            {"axis": "sideways"},
            "field 'axis': expected one of horizontal, vertical, depth, other, got 'sideways'",
        ),
        ({"kind": ["x"]}, r"field 'kind': expected one of object swap, .*, got \['x'\]"),
        ({"subject_box": [0, 0, "1", 1]}, "field 'subject_box': expected a list of 4 numbers, got"),
        ({"object_box": [0, 0, 2, 1]}, "the box of the object is"),
        (
            {"subject_box": [0, 0, 10**400, 1]},
            "field 'subject_box': expected a list of 4 numbers, got",
        ),
        ({"crop": [0, 0, 10**400, 1]}, "field 'crop': expected a list of 4 whole numbers, got"),
    ],
)
def test_a_bad_line_is_named(folder: Path, change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=rf"relations\.jsonl, row 2: {message}"):
        read_json(folder, ROW, ROW | change)


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        (
            "relation,captions,right",
            "on,a | b,x",
            "field 'right': expected a whole number, got 'x'",
        ),
        ("relation,captions,right", f"on,a | b,{'1' * 5000}", "field 'right': expected a whole"),
        ("relation,captions,right", "on,a | b,2", "the right caption has index 2"),
        ("relation,captions,right", "on,a | ,0", "a caption is empty"),
        ("relation,captions,right", "on,a | b", "expected 3 cells, as in the header, got 2"),
        (
            "relation,caption,foil,crop",
            "on,a,b,0-9",
            "field 'crop': expected a list of 4 whole numbers, got",
        ),
    ],
)
def test_a_bad_csv_row_is_named(folder: Path, header: str, line: str, message: str):
    with pytest.raises(InputError, match=rf"relations\.csv, row 1: {message}"):
        read_csv(folder, header, line)
