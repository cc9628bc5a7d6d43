import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import Triple, read_triples
from lrinterp.store import InputError

LINE = {"dataset": "coco_two", "id": 3, "subject": "cup", "object": "hat", "relation": "left"}


def read(folder: Path, *lines: Any) -> list[Triple]:
    (folder / "triples.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return read_triples(folder)


def test_lines_become_triples(tmp_path: Path):
    alone = LINE | {"dataset": "coco_one", "object": None}
    two, one = read(tmp_path, LINE, alone)
    assert two == Triple(dataset="coco_two", id=3, subject="cup", object="hat", relation="left")
    assert (one.dataset, one.object) == ("coco_one", "")
    assert read_triples(tmp_path / "triples.jsonl") == [two, one]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([1], r"triples\.jsonl, row 2: expected an object with fields"),
        (LINE | {"subject": None}, r"triples\.jsonl, row 2: field 'subject': expected text"),
        (LINE | {"id": "3"}, r"triples\.jsonl, row 2: field 'id': expected a whole number"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str):
    with pytest.raises(InputError, match=message):
        read(tmp_path, LINE, line)


def test_no_file_and_an_empty_file_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"triples\.jsonl: there is no such file"):
        read_triples(tmp_path)
    with pytest.raises(InputError, match="holds no triples"):
        read(tmp_path)


@pytest.mark.realdata
def test_the_published_triples(data_root: Path):
    triples = read_triples(data_root / "whatsup")
    assert Counter(triple.dataset for triple in triples) == {
        "controlled_images_A": 412,
        "controlled_images_B": 408,
        "coco_one": 2247,
        "coco_two": 440,
        "gqa_one": 1160,
        "gqa_two": 291,
    }
    assert len(triples) == 4958
    assert all((triple.object == "") == triple.dataset.endswith("one") for triple in triples)
