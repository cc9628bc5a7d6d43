import json
import tracemalloc
from pathlib import Path

import pytest

from lrinterp.scenes.natural.array import LONGEST, array_items
from lrinterp.store import InputError

VALUES = [
    {"a": [1, {"b": "x, ]}"}], "c": None},
    'a "quoted" [text] ü 猫',
    12345,
    -1.5e-7,
    [],
    {},
    True,
    [[["deep"]]],
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_items_equal_those_of_json_load(tmp_path: Path, chunk: int, indent: int | None):
    path = tmp_path / "a.json"
    path.write_text("\ufeff\n " + json.dumps(VALUES, indent=indent, ensure_ascii=False) + "\n ")
    assert list(array_items(path, chunk)) == VALUES


@pytest.mark.parametrize("text", ["[]", " [ ] "])
def test_an_empty_array(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    assert list(array_items(tmp_path / "a.json", 1)) == []


@pytest.mark.parametrize(
    ("text", "good", "message"),
    [
        ("", 0, r"a.json, row 1: not a JSON array \(expected '\[', got 'its end'\)"),
        ('{"a": 1}', 0, r"row 1: not a JSON array \(expected '\[', got '{'\)"),
        ("[1, 2", 1, "row 2: not a JSON array .*expected ',' or ']' after the item"),
        ("[1, 2,]", 2, "row 3: not a JSON array .*Expecting value"),
        ("[1 2]", 0, "row 1: not a JSON array .*expected ',' or ']' after the item"),
        ('[1, {"a": }, 3]', 1, "row 2: not a JSON array .*Expecting value"),
        ("[1] 2", 1, "row 1: not a JSON array .expected 'its end', got '2'"),
        ("[" * 100_000, 0, "row 1: not a JSON array"),
    ],
)
def test_what_is_no_array_is_named_after_the_good_items(
    tmp_path: Path, text: str, good: int, message: str
):
    (tmp_path / "a.json").write_text(text)
    items, seen = array_items(tmp_path / "a.json", 4), []
    with pytest.raises(InputError, match=message):
        seen.extend(items)
    assert len(seen) == good


def test_a_broken_item_is_not_read_to_the_end_of_the_file(tmp_path: Path):
    (tmp_path / "a.json").write_text('["' + "a" * 20 * LONGEST)
    tracemalloc.start()
    with pytest.raises(InputError, match="Unterminated string"):
        list(array_items(tmp_path / "a.json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * LONGEST


def test_memory_does_not_grow_with_rows(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"row": i, "text": "x" * 1000} for i in range(500)]))
    tracemalloc.start()
    held = [tracemalloc.get_traced_memory()[0] for _ in array_items(path, 1000)]
    tracemalloc.stop()
    assert len(held) == 500
    assert max(held[50:]) < held[50] + 50_000  # the file has 500,000 characters
