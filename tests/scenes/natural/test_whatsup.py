"""Folders of What'sUp as they are published, in small."""

import json
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import Relation, read_relations
from lrinterp.store import InputError

A = "controlled_images_dataset.json"
B = "controlled_clevr_dataset.json"
WORDS = {
    "left_of": "to the left of", "right_of": "to the right of", "on": "on", "under": "under",
    "in-front_of": "in front of", "behind": "behind",
}  # fmt: skip


def controlled(folder: str, subject: str, objects: str, shown: str, options: str) -> dict[str, Any]:
    """A published row: the right caption first."""
    order = [shown, *(word for word in options.split() if word != shown)]
    name = subject.replace(" ", "-")
    return {
        "image_path": f"data/{folder}/{name}_{shown}_{objects}.jpeg",
        "caption_options": [f"A {subject} {WORDS[word]} a {objects}" for word in order],
    }


IN_A, IN_B = "on under left_of right_of", "in-front_of behind left_of right_of"
ROWS_A = [
    controlled("controlled_images", subject, "armchair", word, IN_A)
    for subject in ("beer bottle", "mug")
    for word in IN_A.split()
]
ROWS_B = [controlled("controlled_clevr", "mug", "knife", word, IN_B) for word in IN_B.split()]


def put(folder: Path, name: str, rows: list[Any], pictures: list[str], paint) -> None:
    (folder / name).write_text(json.dumps(rows))
    for picture in pictures:
        paint(folder / picture)


@pytest.fixture
def folder(tmp_path: Path, paint) -> Path:
    for name, rows in ((A, ROWS_A), (B, ROWS_B)):
        pictures = [row["image_path"].removeprefix("data/") for row in rows]
        put(tmp_path, name, rows, pictures, paint)
    return tmp_path


def read(folder: Path, **options: Any) -> list[Relation]:
    return list(read_relations("whatsup", folder, **options))


def test_a_row_of_a(folder: Path):
    row = read(folder)[2]
    assert row == Relation(
        suite="whatsup",
        where=f"{A}, row 3",
        picture=folder / "controlled_images" / "beer-bottle_left_of_armchair.jpeg",
        captions=(
            "A beer bottle to the left of a armchair",
            "A beer bottle on a armchair",
            "A beer bottle under a armchair",
            "A beer bottle to the right of a armchair",
        ),
        right=0,
        relation="left of",
        axis="horizontal",
        subject="beer bottle",
        object="armchair",
        group="controlled A: beer bottle, armchair",
        pair="controlled A: beer bottle, armchair, horizontal",
        set="controlled A: beer bottle, armchair",
        foil="relation",
        subset="controlled A",
    )


def test_pairs_hold_two_opposites_and_sets_all_four(folder: Path):
    pairs, sets = {}, {}
    for row in read(folder):
        pairs.setdefault(row.pair, []).append(row.relation)
        sets.setdefault(row.set, []).append(row.relation)
    heights, sides, depths = ["on", "under"], ["left of", "right of"], ["in front of", "behind"]
    assert sets == {
        "controlled A: beer bottle, armchair": [*heights, *sides],
        "controlled A: mug, armchair": [*heights, *sides],
        "controlled B: mug, knife": [*depths, *sides],
    }
    assert sorted(pairs.values()) == sorted([sides] * 3 + [heights] * 2 + [depths])


def test_pairs_and_sets_are_those_of_the_published_scorer(folder: Path):
    """Counted as the published code does, from the file names: a table of objects by relation."""
    right = {f"{A}, row {n}" for n in (1, 2, 3, 4, 5, 7)} | {f"{B}, row {n}" for n in (1, 2, 3)}
    table: dict[tuple[str, str], dict[str, bool]] = {}
    for name, rows in ((A, ROWS_A), (B, ROWS_B)):
        for n, row in enumerate(rows, 1):
            words = row["image_path"].split("/")[-1].split("_")
            key = (words[0], words[-1][:-5])
            table.setdefault(key, {})[words[1]] = f"{name}, row {n}" in right
    opposites = [("left", "right"), ("on", "under"), ("in-front", "behind")]
    pairs = sum(t.get(a, False) and t.get(b, False) for t in table.values() for a, b in opposites)
    sets = sum(sum(t.values()) == 4 for t in table.values())

    ours = read(folder)
    whole = {
        key: [r.where in right for r in ours if r.pair == key] for key in {r.pair for r in ours}
    }
    four = {key: [r.where in right for r in ours if r.set == key] for key in {r.set for r in ours}}
    assert (pairs, sets) == (3, 1)
    assert (sum(map(all, whole.values())), sum(map(all, four.values()))) == (3, 1)


@pytest.mark.parametrize(
    ("name", "right", "wrong", "expected"),
    [
        (
            "coco_qa_two_obj.json",
            "A photo of a dining table to the left of a chair",
            "to the right of a chair",
            ("left of", "horizontal", "dining table", "chair", "COCO two objects", "relation"),
        ),
        (
            "coco_qa_one_obj.json",
            "A photo of a dining table on the bottom",
            "A photo of a dining table on the top",
            ("bottom", "vertical", "dining table", "", "COCO one object", "word swap"),
        ),
        (
            "vg_qa_one_obj.json",
            "A photo of a purse on the right",
            "A photo of a purse on the left",
            ("right", "horizontal", "purse", "", "GQA one object", "word swap"),
        ),
        (
            "vg_qa_two_obj.json",
            "A photo of a cart in front of a green tree",
            "A photo of a cart behind a green tree",
            ("in front of", "depth", "cart", "green tree", "GQA two objects", "word swap"),
        ),
        (
            "vg_qa_two_obj.json",
            "A photo of an onion on top of a table",
            "A photo of an onion under a table",
            ("on top of", "vertical", "onion", "table", "GQA two objects", "relation"),
        ),
    ],
)
def test_a_row_of_coco_or_gqa_spatial(tmp_path: Path, paint, name, right, wrong, expected):
    picture = "val2017/000000000139.jpg" if "coco" in name else "vg_images/139.jpg"
    put(tmp_path, name, [[139, right, wrong]], [picture], paint)
    (row,) = read(tmp_path)
    found = (row.relation, row.axis, row.subject, row.object, row.subset, row.foil)
    assert found == expected
    assert (row.picture, row.captions, row.right) == (tmp_path / picture, (right, wrong), 0)
    assert (row.group, row.pair, row.set) == (f"{expected[4][:4].strip()} picture 139", "", "")


CUP = "A photo of a cup to the left of a hat"


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        (A, ROWS_A[0] | {"image_path": "data/x/cup_near_hat.jpeg"}, "unknown relation 'near'"),
        (A, ROWS_A[0] | {"image_path": "data/x/cup.jpeg"}, "unknown relation 'cup'"),
        (A, ROWS_A[0] | {"image_path": "data/x/cup_on_hat.jpeg"}, "there is no picture .*cup_on_"),
        (A, ROWS_A[0] | {"caption_options": ["a", "b"]}, "expected a list of 4"),
        ("coco_qa_two_obj.json", [139, CUP, 3], "expected a list of image id, right caption,"),
        ("coco_qa_two_obj.json", [1, CUP, "x"], "there is no picture .*000000000001.jpg"),
        ("coco_qa_two_obj.json", [139, "A cup near a hat", "x"], "unknown relation in the caption"),
    ],
)
def test_a_bad_row_is_named(folder: Path, paint, name: str, row: Any, message: str):
    put(folder, name, [row], ["val2017/000000000139.jpg"], paint)
    with pytest.raises(InputError, match=rf"{name}, row 1: .*{message}"):
        read(folder / name)
