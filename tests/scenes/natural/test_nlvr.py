"""Lines of NLVR in small; and the real pictures, their geometry checked against their pixels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrinterp.scenes.natural import Relation, open_picture, read_relations
from lrinterp.store import InputError

LINE = {
    "split": "dev",
    "identifier": "1-0",
    "image": "images/dev-1-0-0.png",
    "crop": [150, 0, 250, 100],
    "n_items": 2,
    "left": ["yellow", "square"],
    "right": ["blue", "circle"],
    "left_xysize": [10, 80, 20],
    "right_xysize": [90, 20, 10],
}
COLOURS = {"yellow": (255, 211, 0), "black": (0, 0, 0), "blue": (0, 114, 206)}


@pytest.fixture
def folder(tmp_path: Path, paint) -> Path:
    paint(tmp_path / LINE["image"], 400, 100)
    return tmp_path


def read(folder: Path, *lines: Any) -> list[Relation]:
    (folder / "pairs.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return list(read_relations("nlvr", folder))


def test_a_line_gives_a_row_for_each_object(folder: Path):
    left, right = read(folder, LINE)
    first = Relation(
        suite="nlvr",
        where="pairs.jsonl, row 1",
        picture=folder / LINE["image"],
        crop=(150, 0, 250, 100),
        captions=(
            "a yellow square to the left of a blue circle",
            "a yellow square to the right of a blue circle",
        ),
        right=0,
        relation="left of",
        axis="horizontal",
        subject="yellow square",
        object="blue circle",
        group="blue circle, yellow square",
        pair="images/dev-1-0-0.png [150, 0, 250, 100]: blue circle, yellow square",
        foil="word swap",
        boxes={"subject": (0.1, 0.8, 0.3, 1.0), "object": (0.9, 0.2, 1.0, 0.3)},
    )
    assert left == first
    assert right == replace(
        first,
        captions=(
            "a blue circle to the left of a yellow square",
            "a blue circle to the right of a yellow square",
        ),
        right=1,
        relation="right of",
        subject="blue circle",
        object="yellow square",
        boxes={"subject": (0.9, 0.2, 1.0, 0.3), "object": (0.1, 0.8, 0.3, 1.0)},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "images/x.png"}, r"there is no picture .*x\.png"),
        ({"left": ["blue", "circle"]}, "two objects of one name, 'blue circle'"),
        ({"left_xysize": [75, 80, 20]}, "the left object reaches under or over the right one"),
        ({"right_xysize": [95, 20, 10]}, "the box of the object is"),
        ({"crop": [150, 0, 150, 100]}, "the crop is empty"),
        ({"crop": [150, 0, 250]}, "field 'crop': expected a list of 4"),
        ({"right": "blue circle"}, "field 'right': expected a list of 2"),
    ],
)
def test_a_bad_line_is_named(folder: Path, change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=rf"pairs\.jsonl, row 2: {message}"):
        read(folder, LINE, LINE | change)


@pytest.fixture(scope="module")
def real(data_root: Path) -> list[Relation]:
    return list(read_relations("nlvr", data_root / "nlvr"))


@pytest.mark.realdata
def test_left_and_right_are_right_equally_often(real: list[Relation]):
    assert len(real) == 2 * 1944
    assert [row.right for row in real] == [0, 1] * 1944
    assert [row.relation for row in real] == ["left of", "right of"] * 1944
    assert len({row.pair for row in real}) == 1944
    assert len({row.group for row in real}) == 9 * 8 / 2


def closest(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The colour that each pixel is nearest to, as an index; the grey ground is the last."""
    names = [*COLOURS, "ground"]
    table = np.array([*COLOURS.values(), (211, 211, 211)])
    distance = ((pixels[..., None, :].astype(int) - table) ** 2).sum(-1)
    return distance.argmin(-1), names


def share_of_own_colour(pixels: np.ndarray, box: tuple[float, ...], colour: str) -> float:
    nearest, names = closest(pixels)
    height, width = nearest.shape
    x0, y0, x1, y1 = box
    rows, columns = (
        slice(round(y0 * height), round(y1 * height)),
        slice(round(x0 * width), round(x1 * width)),
    )
    return float((nearest[rows, columns] == names.index(colour)).mean())


@pytest.mark.realdata
def test_every_box_holds_its_object_and_its_mirror_image_does_not_move_it(real: list[Relation]):
    """In the picture, in the mirrored one with the mirrored box; elsewhere mostly not."""
    elsewhere = []
    for row in real[::25]:
        pixels, colour = np.asarray(open_picture(row)), row.subject.split()[0]
        x0, y0, x1, y1 = box = row.boxes["subject"]
        mirrored = (1 - x1, y0, 1 - x0, y1)
        share = share_of_own_colour(pixels, box, colour)
        assert share > 0.35, row  # a triangle fills half its box
        assert share_of_own_colour(pixels[:, ::-1], mirrored, colour) == pytest.approx(
            share, abs=0.05
        )
        elsewhere.append(share_of_own_colour(pixels, mirrored, colour))
        centre, other = (x0 + x1) / 2, sum(row.boxes["object"][::2]) / 2
        assert (centre < other) == (row.relation == "left of")
        assert (1 - centre > 1 - other) == (row.relation == "left of")
    assert np.mean(np.array(elsewhere) < 0.35) > 0.5


@pytest.mark.realdata
def test_every_picture_opens(real: list[Relation]):
    first = {row.picture: row for row in real}
    assert len(first) == 299
    assert {open_picture(row).size for row in first.values()} == {(100, 100)}
