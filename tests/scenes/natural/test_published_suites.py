"""ARO, VSR and NLVR as they are published, in small; real captions, real boxes."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import (
    ARO_SYMMETRIC,
    Relation,
    open_picture,
    opposite_of,
    read_relations,
)
from lrinterp.scenes.natural.published_suites import VSR_RELATIONS, parts
from lrinterp.store import InputError

ARO = {
    "image_path": "2412112.jpg", "bbox_x": 20, "bbox_y": 5, "bbox_w": 15, "bbox_h": 10,
    "relation_name": "to the left of", "true_caption": "the large door is to the left of the man",
    "false_caption": "the man is to the left of the large door",
}  # fmt: skip
NEXT_TO = ARO | {
    "relation_name": "next to",
    "true_caption": "the shirts are next to the man",
    "false_caption": "the man are next to the shirts",
}
VSR = {
    "image": "000000050403.jpg", "caption": "The hot dog is at the left side of the horse.",
    "label": 1, "relation": "at the left side of", "subj": "ot dog", "obj": "orse",
}  # fmt: skip
NLVR = {
    "image": "images/dev-1-0-0.png", "crop": [150, 0, 250, 100], "left": ["yellow", "square"],
    "right": ["blue", "circle"], "left_xysize": [10, 80, 20], "right_xysize": [90, 20, 10],
}  # fmt: skip
FILES = {"aro": "visual_genome_relation.json", "vsr": "test.jsonl", "nlvr": "pairs.jsonl"}
SIDES = ("left", "right")
Read = Callable[..., list[Relation]]


def write(folder: Path, suite: str, *rows: Any, name: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(json.dumps(row) for row in rows)
    text = json.dumps(rows) if suite == "aro" else lines
    (folder / (name or FILES[suite])).write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path, paint) -> Path:
    """With the pictures of all three suites."""
    paint(tmp_path / "images" / ARO["image_path"])
    paint(tmp_path / "images" / VSR["image"])
    paint(tmp_path / NLVR["image"], 400, 100)
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Read:
    """The relations of some rows of a suite."""
    return lambda suite, *rows: list(read_relations(suite, write(folder, suite, *rows)))


@pytest.mark.parametrize(
    ("suite", "row", "change", "message"),
    [
        ("aro", ARO, {"image_path": "1.jpg"}, r"there is no picture .*1\.jpg"),
        ("aro", ARO, {"relation_name": "atop"}, "the relation 'atop' is not in the true"),
        ("vsr", VSR, {"relation": "atop"}, "unknown relation 'atop'; not one of VSR's 66"),
        ("vsr", VSR, {"relation": "under"}, "the relation 'under' is not in the caption"),
        ("vsr", VSR, {"label": "1"}, "field 'label': expected one of 0, 1, got '1'"),
        ("vsr", VSR, {"image": "1.jpg"}, r"there is no picture 1\.jpg; looked in images,"),
        ("nlvr", NLVR, {"left": ["blue", "circle"]}, "two objects of one name, 'blue circle'"),
        ("nlvr", NLVR, {"left_xysize": [75, 80, 20]}, "the left object reaches under or over"),
        ("nlvr", NLVR, {"crop": [150, 0, 150, 100]}, r"the crop \[150, 0, 150, 100\] is empty"),
    ],
)
def test_a_bad_row_is_named(read, suite, row, change, message):
    with pytest.raises(InputError, match=rf"{re.escape(FILES[suite])}, row 2: {message}"):
        read(suite, row, row | change)


def test_a_row_of_aro(folder: Path, read: Read):
    (row,) = read("aro", ARO)
    assert row == Relation(
        suite="aro", where="visual_genome_relation.json, row 1",
        picture=folder / "images" / "2412112.jpg", crop=(20, 5, 35, 15),
        captions=(ARO["false_caption"], ARO["true_caption"]), right=1, relation="to the left of",
        axis="horizontal", subject="large door", object="man", group="2412112.jpg",
        foil="object swap",
    )  # fmt: skip
    assert open_picture(row).size == (15, 10)
    other = ARO | {"true_caption": "a door to the left of a man"}
    found = [(r.subject, r.object) for r in read("aro", other, NEXT_TO)]
    assert found == [("", ""), ("shirts", "man")]


def test_the_published_macro_accuracy_leaves_out_symmetric_relations(read: Read):
    assert [row.in_macro for row in read("aro", ARO, NEXT_TO)] == [True, False]
    assert len(ARO_SYMMETRIC) == 157
    assert {"near", "wrapped in", "on the other side of", "adjusting"} <= ARO_SYMMETRIC
    assert not {"on", "behind", "in front of", "to the right of", "wearing"} & ARO_SYMMETRIC


def test_a_true_row_of_vsr_stands_against_its_opposite(folder: Path, read: Read):
    (row,) = read("vsr", VSR)
    assert row == Relation(
        suite="vsr", where="test.jsonl, row 1", picture=folder / "images" / VSR["image"],
        captions=(VSR["caption"], "The hot dog is at the right side of the horse."), right=0,
        relation="at the left side of", axis="horizontal", subject="hot dog", object="horse",
        group="horse, hot dog", foil="word swap",
    )  # fmt: skip


def test_rows_of_vsr_that_are_false_or_have_no_opposite_are_left_out_and_counted(folder: Path):
    touching = {"relation": "touching", "caption": "The hot dog is touching the horse."}
    rows = [VSR | {"label": 0}, VSR, VSR | touching, VSR | touching | {"label": 0}]
    reader = read_relations("vsr", write(folder, "vsr", *rows))
    assert [row.where for row in reader] == ["test.jsonl, row 2"]
    assert reader.left_out == {
        "its caption is not true of the picture": 2,
        "its relation has no opposite": 1,
    }


@pytest.mark.parametrize("place", ["images", "../images", "../../images", "../val2017"])
def test_pictures_in_every_published_layout(tmp_path: Path, paint, place: str):
    folder = tmp_path / "splits" / "zeroshot"
    picture = paint((folder / place).resolve() / VSR["image"])
    write(folder, "vsr", VSR, name="dev.jsonl")
    (row,) = read_relations("vsr", folder / "dev.jsonl")
    assert (row.picture, row.where) == (picture, "dev.jsonl, row 1")


@pytest.mark.parametrize(
    ("caption", "relation", "expected"),
    [
        ("The cat is left of the dog.", "left of", ("The cat is ", "cat", "dog", " the dog.")),
        ("the cat under a bed", "under", ("the cat ", "cat", "a bed", " a bed")),
        ("The on key is on the box", "on", ("The on key is ", "on key", "box", " the box")),
    ],
)
def test_parts_of_a_caption(caption: str, relation: str, expected: tuple[str, ...]):
    assert parts(caption, relation) == expected


@pytest.mark.realdata
def test_every_published_caption_falls_into_its_parts(data_root: Path):
    counts, seen = Counter(), set()
    for file in sorted((data_root / "vsr").glob("*/*.jsonl")):
        for row in map(json.loads, file.read_text().splitlines()):
            before, subject, object_, after = parts(row["caption"], row["relation"])
            assert before + row["relation"] + after == row["caption"].strip()
            assert (subject in before, object_ in after) == (True, True)
            counts[file.parent.name] += 1
            seen.add(row["relation"])
    assert counts == {"random": 10_972, "zeroshot": 5_051}
    assert seen == {*VSR_RELATIONS}


@pytest.mark.realdata
def test_a_real_split_of_vsr_is_read_whole(data_root: Path, tmp_path: Path):
    published = data_root / "vsr" / "zeroshot" / "test.jsonl"
    rows = [json.loads(line) for line in published.read_text().splitlines()]
    (tmp_path / "images").mkdir()
    for row in rows:
        (tmp_path / "images" / row["image"]).touch()
    reader = read_relations("vsr", write(tmp_path, "vsr", *rows))
    found = list(reader)
    used = [row["caption"] for row in rows if row["label"] == 1 and opposite_of(row["relation"])]
    assert [r.captions[0] for r in found] == used
    assert len(found) + reader.left_out.total() == len(rows) == 1222
    sides = re.compile(r"\b(left|right)\b")
    for r in found:
        if r.axis == "horizontal":
            assert sides.sub("side", r.captions[0]) == sides.sub("side", r.captions[1])
            assert sides.findall(r.captions[0]) != sides.findall(r.captions[1])


def test_a_line_of_nlvr_gives_a_row_for_each_object(folder: Path, read: Read):
    left, right = read("nlvr", NLVR)
    first = Relation(
        suite="nlvr", where="pairs.jsonl, row 1", picture=folder / NLVR["image"],
        crop=(150, 0, 250, 100),
        captions=tuple(f"a yellow square to the {side} of a blue circle" for side in SIDES),
        right=0, relation="left of", axis="horizontal", subject="yellow square",
        object="blue circle", group="blue circle, yellow square",
        pair="images/dev-1-0-0.png [150, 0, 250, 100]: blue circle, yellow square",
        foil="word swap", boxes={"subject": (0.1, 0.8, 0.3, 1.0), "object": (0.9, 0.2, 1.0, 0.3)},
    )  # fmt: skip
    assert left == first
    assert right == replace(
        first, captions=tuple(f"a blue circle to the {side} of a yellow square" for side in SIDES),
        right=1, relation="right of", subject="blue circle", object="yellow square",
        boxes={"subject": (0.9, 0.2, 1.0, 0.3), "object": (0.1, 0.8, 0.3, 1.0)},
    )  # fmt: skip


@pytest.mark.realdata
def test_left_and_right_are_right_equally_often_in_nlvr(data_root: Path):
    real = list(read_relations("nlvr", data_root / "nlvr"))
    assert [row.right for row in real] == [0, 1] * 1944
    assert [row.relation for row in real] == ["left of", "right of"] * 1944
    assert len({row.pair for row in real}) == 1944
    assert len({row.group for row in real}) == 9 * 8 / 2
    assert len({row.picture for row in real}) == 299
    for row in real[::25]:
        middle, other = (sum(row.boxes[name][::2]) / 2 for name in ("subject", "object"))
        assert (middle < other) == (row.relation == "left of")
