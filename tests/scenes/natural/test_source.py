"""Rows of files, what they are asked for, and one's own rows in JSON and in CSV."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import Relation, read_relations
from lrinterp.scenes.natural.source import (
    COLUMNS,
    CROP,
    RawRow,
    Whole,
    csv_rows,
    existing,
    json_array,
    json_lines,
    list_type,
)
from lrinterp.store import InputError

RAW = RawRow(Path("data/a.jsonl"), 4, {"n": 3, "yes": True, "text": "hat", "list": [1, 2], "": ""})
ROW = {"relation": "left of", "caption": "a cup left of a hat", "foil": "a cup right of a hat"}
FULL = ROW | {
    "picture": "pictures/a.png", "crop": [0, 0, 30, 20], "axis": "other", "subject": "cup",
    "object": "hat", "subject_box": [0, 0, 0.5, 1], "object_box": [0.5, 0.25, 1, 1],
    "group": "kitchen", "pair": "p", "set": "s", "kind": "word swap",
}  # fmt: skip
CELLS = (
    "left of,a cup left of a hat,a cup right of a hat,pictures/a.png,0 0 30 20,other,cup,hat,"
    "0 0 0.5 1,0.5 0.25 1 1,kitchen,p,s,word swap"
)


def seen(rows) -> list[tuple[str, object]]:
    return [(r.where, str(r.value) if isinstance(r.value, InputError) else r.value) for r in rows]


def test_fields_come_as_what_they_must_be():
    pair = RAW.field("list", list_type(Whole, 2, "whole numbers"))
    assert (RAW.where, RAW.field("n", Whole), RAW.field("text"), pair) == (
        "a.jsonl, row 4", 3, "hat", (1, 2),
    )  # fmt: skip
    assert (RAW.get("text"), RAW.get("hat"), RAW.get("hat", Whole, None)) == ("hat", "", None)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: RAW.field("hat"), "field 'hat' is missing; found n, yes, text, list, "),
        (lambda: RAW.field("n"), "field 'n': expected text, got 3"),
        (lambda: RAW.field(""), "field '': expected text, got ''"),
        (lambda: RAW.field("yes", Whole), "field 'yes': expected a whole number, got True"),
        (lambda: RAW.field("list", CROP), r"field 'list': expected a list of 4 whole numbers, got"),
        (lambda: RawRow(RAW.file, 1, [1]).fields, r"expected an object with fields, got \[1\]"),
        (
            lambda: RawRow(RAW.file, 1, {"n": -(10**400)}).field("n", Whole),
            "field 'n': expected a whole number, got -1000",
        ),
        (lambda: existing(Path("no.png")), "there is no picture no.png"),
    ],
)
def test_what_is_something_else_is_named(ask, message: str):
    with pytest.raises(InputError, match=message):
        ask()


def test_json_lines_count_lines_and_go_on_after_a_bad_one(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\n{"a": \n{"a": NaN}\n{"a": "\xff"}\n{"a": 2}')
    rows = seen(json_lines(path))
    assert [where for where, _ in rows] == [f"a.jsonl, row {n}" for n in (1, 3, 4, 5, 6)]
    assert [rows[0][1], rows[-1][1]] == [{"a": 1}, {"a": 2}]
    reasons = [str(value) for _, value in rows[1:4]]
    assert all(reason.startswith("not valid JSON (") for reason in reasons)
    assert ["NaN" in reasons[1], "utf-8" in reasons[2]] == [True, True]


def test_a_json_array_may_begin_with_a_mark(tmp_path: Path):
    (tmp_path / "a.json").write_text('\ufeff [ {"a": 1} ] ', encoding="utf-8")
    assert seen(json_array(tmp_path / "a.json")) == [("a.json, row 1", {"a": 1})]


@pytest.mark.parametrize("text", ["[1, 2", '{"a": 1}', "[NaN]", "[" * 100_000])
def test_what_is_no_json_array_is_named(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: not (valid JSON|a JSON array)"):
        list(json_array(tmp_path / "a.json"))


def test_csv_rows_count_below_the_header(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\n1,"x, y"\n\n2\n4,""\n6,z\n')
    assert seen(csv_rows(path)) == [
        ("a.csv, row 1", {"a": "1", "b": "x, y"}),
        ("a.csv, row 3", "expected 2 cells, as in the header, got 1"),
        ("a.csv, row 4", {"a": "4"}),
        ("a.csv, row 5", {"a": "6", "b": "z"}),
    ]
    path.write_bytes(b"")
    assert seen(csv_rows(path)) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"caption,foil,caption\na,b,c\n", "the column 'caption' stands twice"),
        (b'a,b\n1,"x\n2,y\n', "not valid CSV"),
        (b'a,b\n1,"x"y\n', "not valid CSV"),
        (b"a,b\n1,\xff\n", "not valid CSV"),
    ],
)
def test_a_broken_csv_file_is_named(tmp_path: Path, data: bytes, message: str):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(InputError, match=rf"a\.csv: {message}"):
        list(csv_rows(tmp_path / "a.csv"))


@pytest.fixture
def folder(tmp_path: Path, paint) -> Path:
    paint(tmp_path / "pictures" / "a.png")
    return tmp_path


def from_json(folder: Path, *rows: Any) -> list[Relation]:
    (folder / "relations.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return list(read_relations("jsonl", folder))


def from_csv(folder: Path, *lines: str) -> list[Relation]:
    (folder / "relations.csv").write_text("\n".join(lines))
    return list(read_relations("csv", folder))


def test_every_column(folder: Path):
    expected = {
        "picture": folder / "pictures" / "a.png", "crop": (0, 0, 30, 20),
        "captions": (ROW["caption"], ROW["foil"]), "right": 0, "relation": "left of",
        "axis": "other", "subject": "cup", "object": "hat", "group": "kitchen", "pair": "p",
        "set": "s", "foil": "word swap",
        "boxes": {"subject": (0.0, 0.0, 0.5, 1.0), "object": (0.5, 0.25, 1.0, 1.0)},
    }  # fmt: skip
    read = {"jsonl": from_json(folder, FULL), "csv": from_csv(folder, ",".join(FULL), CELLS)}
    for suite, rows in read.items():
        assert rows == [Relation(suite=suite, where=f"relations.{suite}, row 1", **expected)]
    assert {*FULL, "captions", "right"} == {*COLUMNS}


def test_the_least_that_a_row_needs(folder: Path):
    empty = ROW | {"picture": None, "subject": ""}
    (row,), (cells,) = (
        from_json(folder, empty),
        from_csv(folder, ",".join(FULL), CELLS[:48] + "," * 11),
    )
    assert (row.picture, row.crop, row.axis, row.foil) == (None, None, "horizontal", "relation")
    assert (row.group, cells.group) == ("relations.jsonl, row 1", "relations.csv, row 1")
    assert cells.captions == row.captions
    assert from_json(folder, ROW | {"picture": "pictures/a.png"})[0].group == "pictures/a.png"


def test_several_captions(folder: Path):
    captions = {"relation": "on", "captions": ["on", "under", "left"], "right": 2}
    (row,) = from_json(folder, captions)
    (cells,) = from_csv(folder, "relation,captions,right", "on,on | under | left,2")
    assert row.captions == cells.captions == ("on", "under", "left")
    assert (row.right, cells.right) == (2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"realtion": "on"}, "unknown column 'realtion'; expected relation, caption, foil"),
        ({"relation": None}, "field 'relation' is missing"),
        ({"foil": None}, "expected caption and foil, or captions and right; got caption"),
        ({"right": 0}, "expected caption and foil, or captions and right; got caption, foil,"),
        ({"picture": "b.png"}, r"there is no picture .*b\.png"),
        ({"crop": [0, 0, 10**400, 1]}, "field 'crop': expected a list of 4 whole numbers, got"),
        ({"axis": "sideways"}, "field 'axis': expected one of horizontal, vertical, depth, other"),
        ({"subject_box": [0, 0, "1", 1]}, "field 'subject_box': expected a list of 4 numbers, got"),
    ],
)
def test_a_bad_line_is_named(folder: Path, change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=rf"relations\.jsonl, row 2: {message}"):
        from_json(folder, ROW, ROW | change)


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("relation,captions,right", "on,a | b,x", "field 'right': expected a whole number, got"),
        ("relation,captions,right", "on,a | ,0", "a caption is empty"),
        ("relation,captions,right", "on,a | b", "expected 3 cells, as in the header, got 2"),
        ("relation,caption,foil,crop", "on,a,b,0-9", "field 'crop': expected a list of 4 whole"),
    ],
)
def test_a_bad_csv_row_is_named(folder: Path, header: str, line: str, message: str):
    with pytest.raises(InputError, match=rf"relations\.csv, row 1: {message}"):
        from_csv(folder, header, line)
