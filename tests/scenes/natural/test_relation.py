"""Rows that can be scored, what relation phrases say, and pictures as they are opened."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrinterp.scenes.natural import BadRow, Relation, axis_of, open_picture, opposite_of
from lrinterp.scenes.natural.published_suites import VSR_RELATIONS
from lrinterp.scenes.natural.relation import OPPOSITES
from lrinterp.store import InputError

RED, BLUE = (255, 0, 0), (0, 0, 255)
PAIRS = [pair for pairs in OPPOSITES.values() for pair in pairs]
GOOD = Relation(
    suite="jsonl", where="relations.jsonl, row 3", picture=Path("a.png"), crop=(0, 0, 10, 10),
    captions=("a cup left of a hat", "a cup right of a hat"), right=1, relation="right of",
    axis="horizontal", group="a.png", foil="word swap", boxes={"subject": (0.5, 0.0, 1.0, 1.0)},
)  # fmt: skip


@pytest.fixture
def row(tmp_path: Path, paint) -> Relation:
    return replace(GOOD, picture=paint(tmp_path / "a.png"), crop=None)


def colours(picture: Image.Image) -> set[object]:
    return {colour for _, colour in picture.getcolors() or []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": ("one",), "right": 0}, "expected at least two captions, got 1"),
        ({"captions": ("one", " ")}, "a caption is empty"),
        ({"captions": ("one", "one")}, "two captions are equal: 'one'"),
        ({"right": 2}, "the right caption has index 2; expected 0 to 1"),
        ({"group": " "}, "the group is empty"),
        ({"picture": None}, "a crop, but no picture"),
        ({"crop": (5, 0, 5, 9)}, r"the crop \[5, 0, 5, 9\] is empty"),
        ({"boxes": {"hat": (0.0, 0.0, 1.0, 1.0)}}, "unknown box 'hat'; expected subject or object"),
        ({"boxes": {"object": (0.0, 0.0, 1.2, 1.0)}}, "the box of the object is .* from 0 to 1"),
    ],
)
def test_what_cannot_be_scored_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        replace(GOOD, **change)


def test_a_bad_row_reads_as_one_line():
    assert str(BadRow("a.csv, row 2", "a caption is empty")) == "a.csv, row 2: a caption is empty"


@pytest.mark.parametrize(
    ("phrase", "axis", "opposite"),
    [
        ("To the  Right of", "horizontal", "to the left of"),
        ("under", "vertical", "over"),
        ("underneath", "vertical", "on top of"),
        ("front", "depth", "behind"),
        ("on", "other", None),
        ("eating", "other", None),
    ],
)
def test_axis_and_opposite(phrase: str, axis: str, opposite: str | None):
    assert (axis_of(phrase), opposite_of(phrase)) == (axis, opposite)


def test_the_opposite_of_the_opposite_is_the_phrase_itself_and_no_phrase_stands_twice():
    for pair in PAIRS:
        assert tuple(map(opposite_of, pair)) == pair[::-1]
        assert axis_of(pair[0]) == axis_of(pair[1]) != "other"
    assert len({phrase for pair in PAIRS for phrase in pair}) == 2 * len(PAIRS)


def test_what_vsr_has_on_each_axis():
    on = {axis: [r for r in VSR_RELATIONS if axis_of(r) == axis] for axis in OPPOSITES}
    sides = ["at the left side of", "at the right side of", "left of", "right of"]
    assert on["horizontal"] == sides
    assert on["vertical"] == ["above", "below", "beneath", "on top of", "over", "under"]
    assert on["depth"] == ["ahead of", "behind", "in front of"]


def test_the_whole_picture_or_its_crop(row: Relation):
    picture = open_picture(row)
    assert (picture.mode, picture.size, colours(picture)) == ("RGB", (40, 20), {RED, BLUE})
    picture = open_picture(replace(row, crop=(20, 5, 40, 20)))
    assert (picture.size, colours(picture)) == ((20, 15), {BLUE})


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(row: Relation, tmp_path: Path, mode: str):
    path = tmp_path / "other.tif"
    with Image.open(str(row.picture)) as file:
        file.convert(mode).save(path)
    picture = open_picture(replace(row, picture=path))
    assert (picture.mode, picture.size) == ("RGB", (40, 20))


@pytest.mark.parametrize("crop", [(-1, 0, 10, 10), (0, 0, 41, 20), (0, 0, 40, 21)])
def test_a_crop_over_the_edge_is_refused(row: Relation, crop: tuple[int, int, int, int]):
    message = r"relations.jsonl, row 3: the crop .* is outside .*a.png, which is 40 pixels wide"
    with pytest.raises(InputError, match=message):
        open_picture(replace(row, crop=crop))


def test_in_aro_the_edge_is_filled_with_black_as_published_but_not_without_bound(row: Relation):
    picture = open_picture(replace(row, suite="aro", crop=(30, -2, 44, 20)))
    assert (picture.size, colours(picture)) == ((14, 22), {BLUE, (0, 0, 0)})
    with pytest.raises(InputError, match="is outside"):
        open_picture(replace(row, suite="aro", crop=(40, 0, 44, 20)))
    with pytest.raises(InputError, match="row 3: a crop of 20000 by 20000 pixels is too large"):
        open_picture(replace(row, suite="aro", crop=(0, 0, 20_000, 20_000)))


def test_a_picture_that_is_missing_or_broken_is_named(row: Relation, tmp_path: Path):
    with pytest.raises(InputError, match=r"relations.jsonl, row 3: the row has no picture"):
        open_picture(replace(row, picture=None))
    with pytest.raises(InputError, match=r"row 3: there is no picture .*b.png"):
        open_picture(replace(row, picture=tmp_path / "b.png"))
    whole = Path(str(row.picture)).read_bytes()
    for name, data in {"text.png": b"no picture", "short.png": whole[: len(whole) // 2]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=rf"row 3: cannot read the picture .*{name}"):
            open_picture(replace(row, picture=tmp_path / name))


def test_grey_of_sixteen_bits_is_scaled_and_of_unknown_white_refused(row: Relation, tmp_path: Path):
    grey = np.array([[0, 256, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    picture = np.asarray(open_picture(replace(row, picture=tmp_path / "grey.png")))
    assert picture[0, :, 0].tolist() == [0, 1, 1, 128, 255]
    assert (picture == picture[..., :1]).all()
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "grey.tif")
    with pytest.raises(InputError, match="its grey values have no known white"):
        open_picture(replace(row, picture=tmp_path / "grey.tif"))
