"""A split of VSR as it is published, in small; the real captions with empty pictures."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import Relation, opposite_of, read_relations
from lrinterp.scenes.natural.vsr import VSR_RELATIONS, parts
from lrinterp.store import InputError

ROW = {
    "image": "000000050403.jpg",
    "image_link": "http://images.cocodataset.org/train2017/000000050403.jpg",
    "caption": "The hot dog is at the left side of the horse.",
    "label": 1,
    "relation": "at the left side of",
    "subj": "ot dog",
    "obj": "orse",
    "annotator_id": 31,
    "vote_true_validator_id": "[2, 6]",
    "vote_false_validator_id": "[]",
}


def write(folder: Path, *rows: Any, name: str = "test.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def read(folder: Path, *rows: Any) -> list[Relation]:
    return list(read_relations("vsr", write(folder, *rows)))


def test_a_true_row_stands_against_its_opposite(tmp_path: Path, paint):
    picture = paint(tmp_path / "images" / ROW["image"])
    (row,) = read(tmp_path, ROW)
    assert row == Relation(
        suite="vsr",
        where="test.jsonl, row 1",
        picture=picture,
        captions=(ROW["caption"], "The hot dog is at the right side of the horse."),
        right=0,
        relation="at the left side of",
        axis="horizontal",
        subject="hot dog",
        object="horse",
        group="horse, hot dog",
        foil="word swap",
    )


def test_false_rows_and_those_without_an_opposite_are_left_out_and_counted(tmp_path: Path, paint):
    paint(tmp_path / "images" / ROW["image"])
    touching = {"relation": "touching", "caption": "The hot dog is touching the horse."}
    rows = [ROW | {"label": 0}, ROW, ROW | touching, ROW | touching | {"label": 0}]
    reader = read_relations("vsr", write(tmp_path, *rows))
    assert [row.where for row in reader] == ["test.jsonl, row 2"]
    assert reader.left_out == {
        "its caption is not true of the picture": 2,
        "its relation has no opposite": 1,
    }


@pytest.mark.parametrize("place", ["images", "../images", "../../images", "../val2017"])
def test_pictures_in_every_published_layout(tmp_path: Path, paint, place: str):
    folder = tmp_path / "splits" / "zeroshot"
    picture = paint((folder / place).resolve() / ROW["image"])
    (row,) = read(folder, ROW)
    assert row.picture == picture


def test_another_file_of_the_split_can_be_given(tmp_path: Path, paint):
    paint(tmp_path / "images" / ROW["image"])
    write(tmp_path, ROW, ROW, name="dev.jsonl")
    rows = list(read_relations("vsr", tmp_path / "dev.jsonl"))
    assert [row.where for row in rows] == ["dev.jsonl, row 1", "dev.jsonl, row 2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relation": "atop"}, "unknown relation 'atop'; not one of VSR's 66 relations"),
        ({"relation": "under"}, "the relation 'under' does not stand in the caption 'The hot dog"),
        ({"label": 2}, "field 'label': expected one of 0, 1, got 2"),
        ({"label": "1"}, "field 'label': expected one of 0, 1, got '1'"),
        ({"image": "1.jpg"}, r"there is no picture 1\.jpg; looked in images, train2017 and"),
        ({"caption": " "}, "field 'caption': expected text"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, paint, change: dict[str, Any], message: str):
    paint(tmp_path / "images" / ROW["image"])
    with pytest.raises(InputError, match=rf"test\.jsonl, row 2: {message}"):
        read(tmp_path, ROW, ROW | change)


@pytest.mark.parametrize(
    ("caption", "relation", "expected"),
    [
        ("The cat is left of the dog.", "left of", ("The cat is ", "cat", "dog", " the dog.")),
        ("the cat under a bed", "under", ("the cat ", "cat", "a bed", " a bed")),
        (
            "The on switch is on the box",
            "on",
            ("The on switch is ", "on switch", "box", " the box"),
        ),
    ],
)
def test_parts_of_a_caption(caption: str, relation: str, expected: tuple[str, ...]):
    assert parts(caption, relation) == expected


@pytest.mark.realdata
def test_every_published_caption_falls_into_its_parts(data_root: Path):
    counts, seen = Counter(), set()
    for file in sorted((data_root / "vsr").glob("*/*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            before, subject, object_, after = parts(row["caption"], row["relation"])
            assert before + row["relation"] + after == row["caption"].strip()
            assert subject in before
            assert object_ in after
            counts["damaged"] += subject != row.get("subj", subject)
            counts[file.parent.name] += 1
            seen.add(row["relation"])
    assert (counts["random"], counts["zeroshot"]) == (10_972, 5_051)
    assert counts["damaged"] > 100
    assert seen == {*VSR_RELATIONS}


@pytest.mark.realdata
def test_a_real_split_is_read_whole(data_root: Path, tmp_path: Path):
    published = data_root / "vsr" / "zeroshot" / "test.jsonl"
    rows = [json.loads(line) for line in published.read_text().splitlines()]
    write(tmp_path, *rows)
    (tmp_path / "images").mkdir()
    for row in rows:
        (tmp_path / "images" / row["image"]).touch()
    reader = read_relations("vsr", tmp_path)
    found = list(reader)
    true = [row for row in rows if row["label"] == 1]
    used = [row for row in true if opposite_of(row["relation"])]
    assert [r.captions[0] for r in found] == [row["caption"] for row in used]
    assert reader.left_out["its caption is not true of the picture"] == len(rows) - len(true)
    assert len(found) + reader.left_out.total() == len(rows) == 1222
    sides = re.compile(r"\b(left|right)\b")
    for r in found:
        if r.axis == "horizontal":
            assert sides.sub("side", r.captions[0]) == sides.sub("side", r.captions[1])
            assert sides.findall(r.captions[0]) != sides.findall(r.captions[1])
