from pathlib import Path

import pytest

from lrinterp.scenes.natural.relation import BadRow
from lrinterp.scenes.natural.source import Row, csv_rows, existing, json_array, json_lines
from lrinterp.store import InputError

ROW = Row(Path("data/a.jsonl"), 4, {"n": 3, "yes": True, "text": "hat", "list": [1, 2], "none": ""})


def seen(rows) -> list[tuple[str, object]]:
    return [(r.where, r.reason if isinstance(r, BadRow) else r.value) for r in rows]


def test_fields_come_as_what_they_must_be():
    assert ROW.where == "a.jsonl, row 4"
    assert (ROW.whole("n"), ROW.text("text"), ROW.wholes("list", 2)) == (3, "hat", (1, 2))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: ROW.text("hat"), "field 'hat' is missing; found n, yes, text, list, none"),
        (lambda: ROW.text("n"), "field 'n': expected text, got 3"),
        (lambda: ROW.text("none"), "field 'none': expected text, got ''"),
        (lambda: ROW.whole("yes"), "field 'yes': expected a whole number, got True"),
        (lambda: ROW.several("text"), "field 'text': expected a list, got 'hat'"),
        (lambda: ROW.wholes("list", 4), r"field 'list': expected a list of 4, got \[1, 2\]"),
        (lambda: ROW.texts("list"), r"field 'list': expected a list of text, got \[1, 2\]"),
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
    with pytest.raises(InputError, match="field 'n': too large, got -1000"):
        Row(ROW.file, 1, {"n": -(10**400)}).whole("n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid JSON"),
        ("[1, 2", "not valid JSON"),
        ("[1, 2,]", "not valid JSON"),
        ("[1] 2", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[" + "9" * 5000 + "]", "not valid JSON"),
        ('{"a": 1}', "not a JSON array, but {'a': 1}"),
    ],
)
def test_what_is_no_array_is_refused_by_name(tmp_path: Path, text: str, reason: str):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"{path}: {reason}"):
        list(json_array(path))


def test_an_array_may_be_empty_or_begin_with_a_byte_order_mark(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("\ufeff\n [1, [2]] \n")
    assert [value for _, value in seen(json_array(path))] == [1, [2]]
    path.write_text(" [ ] ")
    assert seen(json_array(path)) == []
