from pathlib import Path

import pytest

from lrinterp.scenes.natural.relation import BadRow
from lrinterp.scenes.natural.source import (
    CROP,
    Row,
    Whole,
    csv_rows,
    existing,
    json_array,
    json_lines,
    listed,
)
from lrinterp.store import InputError

ROW = Row(Path("data/a.jsonl"), 4, {"n": 3, "yes": True, "text": "hat", "list": [1, 2], "none": ""})
PAIR = listed(Whole, 2, "whole numbers")


def seen(rows) -> list[tuple[str, object]]:
    return [(r.where, r.reason if isinstance(r, BadRow) else r.value) for r in rows]


def test_fields_come_as_what_they_must_be():
    assert ROW.where == "a.jsonl, row 4"
    assert (ROW.field("n", Whole), ROW.field("text"), ROW.field("list", PAIR)) == (3, "hat", (1, 2))
    assert (ROW.get("text"), ROW.get("hat"), ROW.get("hat", Whole, None)) == ("hat", "", None)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: ROW.field("hat"), "field 'hat' is missing; found n, yes, text, list, none"),
        (lambda: ROW.field("n"), "field 'n': expected text, got 3"),
        (lambda: ROW.field("none"), "field 'none': expected text, got ''"),
        (lambda: ROW.field("yes", Whole), "field 'yes': expected a whole number, got True"),
        (
            lambda: ROW.field("text", PAIR),
            "field 'text': expected a list of 2 whole numbers, got 'hat'",
        ),
        (
            lambda: ROW.field("list", CROP),
            r"field 'list': expected a list of 4 whole numbers, got \[1, 2\]",
        ),
        (
            lambda: ROW.field("list", tuple[str, ...]),
            r"field 'list': expected tuple.*, got \[1, 2\]",
        ),
        (lambda: Row(ROW.file, 1, [1]).fields, r"expected an object with fields, got \[1\]"),
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


def test_a_json_array_goes_on_after_an_item_that_is_no_strict_json(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"a": 1}, {"a": Infinity}, {"a": "\xff"}, {"a": "\\ud800"}, {"a": 2}]')
    rows = seen(json_array(path))
    assert [where for where, _ in rows] == [f"a.json, row {n}" for n in range(1, 6)]
    assert [rows[0][1], rows[-1][1]] == [{"a": 1}, {"a": 2}]
    assert all(str(value).startswith("not valid JSON (") for _, value in rows[1:4])


def test_csv_rows_count_below_the_header(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\n1,"x, y"\n\n2\n3,\xff\n4,""\n5,"x"y\n6,z\n')
    assert seen(csv_rows(path)) == [
        ("a.csv, row 1", {"a": "1", "b": "x, y"}),
        ("a.csv, row 3", "expected 2 cells, as in the header, got 1"),
        ("a.csv, row 4", "not UTF-8 text"),
        ("a.csv, row 5", {"a": "4"}),
        ("a.csv, row 6", """not valid CSV (',' expected after '"')"""),
        ("a.csv, row 7", {"a": "6", "b": "z"}),
    ]


def test_a_quote_that_never_ends_is_one_bad_row(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"x\n2,y\n')
    assert seen(csv_rows(path)) == [("a.csv, row 1", "not valid CSV (unexpected end of data)")]


def test_a_column_that_stands_twice_is_named(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("caption,foil,caption\na,b,c\n")
    with pytest.raises(InputError, match=r"a\.csv: the column 'caption' stands twice"):
        seen(csv_rows(path))


def test_a_whole_number_has_a_bound():
    with pytest.raises(InputError, match="field 'n': expected a whole number, got -1000"):
        Row(ROW.file, 1, {"n": -(10**400)}).field("n", Whole)


def test_numbers_of_csv_are_text():
    """In CSV alone; what is no number stays an error."""
    row = Row(ROW.file, 1, {"n": "12", "box": ["0", "0.5"], "bad": "1x"}, strict=False)
    assert (row.field("n", Whole), row.field("box", listed(float, 2, "numbers"))) == (12, (0, 0.5))
    with pytest.raises(InputError, match="field 'bad': expected a whole number, got '1x'"):
        row.field("bad", Whole)
    with pytest.raises(InputError, match="field 'n': expected a whole number, got '12'"):
        Row(ROW.file, 1, {"n": "12"}).field("n", Whole)


@pytest.mark.parametrize("text", ["", "[1, 2", "[1] 2", "[1 2]", '{"a": 1}', "[" * 100_000])
def test_what_is_no_array_is_named(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: not a JSON array"):
        list(json_array(tmp_path / "a.json"))


def test_an_array_may_be_empty_and_begin_with_a_mark(tmp_path: Path):
    (tmp_path / "a.json").write_text("\ufeff [ ] ", encoding="utf-8")
    assert list(json_array(tmp_path / "a.json")) == []


def test_a_broken_header_is_named(tmp_path: Path):
    (tmp_path / "a.csv").write_text('"a"b,c\n1,2\n')
    with pytest.raises(InputError, match=r"a\.csv: the header is not valid CSV"):
        list(csv_rows(tmp_path / "a.csv"))
