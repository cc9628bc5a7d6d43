"""A folder of VG-Relation as it is published, in small."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import ARO_SYMMETRIC, Relation, open_picture, read_relations
from lrinterp.store import InputError

ROW = {
    "image_path": "2412112.jpg",
    "image_id": "2412112",
    "bbox_x": 20,
    "bbox_y": 5,
    "bbox_w": 15,
    "bbox_h": 10,
    "relation_name": "to the left of",
    "true_caption": "the large door is to the left of the man",
    "false_caption": "the man is to the left of the large door",
}
NEXT_TO = ROW | {
    "relation_name": "next to",
    "true_caption": "the shirts are next to the man",
    "false_caption": "the man are next to the shirts",
}


@pytest.fixture
def folder(tmp_path: Path, paint) -> Path:
    paint(tmp_path / "images" / "2412112.jpg")
    return tmp_path


def read(folder: Path, *rows: Any, **options: Any) -> list[Relation]:
    (folder / "visual_genome_relation.json").write_text(json.dumps(rows))
    return list(read_relations("aro", folder, **options))


def test_a_published_row(folder: Path):
    (row,) = read(folder, ROW)
    assert row == Relation(
        suite="aro",
        where="visual_genome_relation.json, row 1",
        picture=folder / "images" / "2412112.jpg",
        crop=(20, 5, 35, 15),
        captions=(ROW["false_caption"], ROW["true_caption"]),
        right=1,
        relation="to the left of",
        axis="horizontal",
        subject="large door",
        object="man",
        group="2412112.jpg",
        foil="object swap",
    )
    assert open_picture(row).size == (15, 10)


def test_the_published_macro_accuracy_leaves_out_symmetric_relations(folder: Path):
    rows = read(folder, ROW, NEXT_TO)
    assert [row.in_macro for row in rows] == [True, False]
    assert len(ARO_SYMMETRIC) == 157
    assert {"near", "wrapped in", "on the other side of", "adjusting"} <= ARO_SYMMETRIC
    assert not {"on", "behind", "in front of", "to the right of", "wearing"} & ARO_SYMMETRIC


def test_objects_are_left_empty_where_the_caption_has_another_form(folder: Path):
    other = ROW | {"true_caption": "a door to the left of a man"}
    assert [(r.subject, r.object) for r in read(folder, other, NEXT_TO)] == [
        ("", ""),
        ("shirts", "man"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_path": "1.jpg"}, r"there is no picture .*1\.jpg"),
        ({"relation_name": "atop"}, "the relation 'atop' does not stand in the true caption"),
        ({"bbox_w": 0}, r"the crop \[20, 5, 20, 15\] is empty"),
        ({"bbox_x": "20"}, "field 'bbox_x': expected a whole number, got '20'"),
        ({"false_caption": ""}, "field 'false_caption': expected text, got ''"),
        ({"false_caption": ROW["true_caption"]}, "two captions are equal"),
    ],
)
def test_a_bad_row_is_named(folder: Path, change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=rf"visual_genome_relation\.json, row 2: {message}"):
        read(folder, ROW, ROW | change)


def test_bad_rows_can_be_passed_over(folder: Path):
    bad = []
    good = read(folder, 7, ROW, {}, ROW, bad=bad)
    assert [row.where[-5:] for row in good] == ["row 2", "row 4"]
    assert [(b.where[-5:], b.reason) for b in bad] == [
        ("row 1", "expected an object with fields, got 7"),
        ("row 3", "field 'relation_name' is missing; found none"),
    ]


def test_without_its_pictures_the_folder_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"its pictures are missing; there is no folder .*images"):
        read(tmp_path, ROW)


def test_an_object_in_place_of_the_array_is_refused(folder: Path):
    (folder / "visual_genome_relation.json").write_text(json.dumps(ROW))
    with pytest.raises(InputError, match=r"visual_genome_relation\.json: not a JSON array"):
        list(read_relations("aro", folder, bad=[]))
