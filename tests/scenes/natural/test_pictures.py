from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrinterp.scenes.natural import Relation, open_picture
from lrinterp.store import InputError

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def row(tmp_path: Path, paint) -> Relation:
    return Relation(
        suite="jsonl",
        where="relations.jsonl, row 3",
        picture=paint(tmp_path / "a.png"),
        captions=("red left", "red right"),
        right=0,
        relation="left",
        axis="horizontal",
        group="a",
        foil="word swap",
    )


def colours(picture: Image.Image) -> set[object]:
    return {colour for _, colour in picture.getcolors() or []}


def test_the_whole_picture_without_a_crop(row: Relation):
    picture = open_picture(row)
    assert (picture.mode, picture.size, colours(picture)) == ("RGB", (40, 20), {RED, BLUE})


def test_the_crop_alone(row: Relation):
    picture = open_picture(replace(row, crop=(20, 5, 40, 20)))
    assert (picture.size, colours(picture)) == ((20, 15), {BLUE})


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(row: Relation, tmp_path: Path, mode: str):
    path = tmp_path / "other.tif"
    with Image.open(str(row.picture)) as file:
        file.convert(mode).save(path)
    picture = open_picture(replace(row, picture=path))
    assert (picture.mode, picture.size) == ("RGB", (40, 20))


@pytest.mark.parametrize("crop", [(-1, 0, 10, 10), (0, 0, 41, 20), (0, 0, 40, 21), (50, 0, 60, 9)])
def test_a_crop_over_the_edge_is_refused(row: Relation, crop: tuple[int, int, int, int]):
    message = r"relations.jsonl, row 3: the crop .* is outside .*a.png, which is 40 pixels wide"
    with pytest.raises(InputError, match=message):
        open_picture(replace(row, crop=crop))


def test_in_aro_the_edge_is_filled_with_black_as_published(row: Relation):
    picture = open_picture(replace(row, suite="aro", crop=(30, -2, 44, 20)))
    assert (picture.size, colours(picture)) == ((14, 22), {BLUE, (0, 0, 0)})
    with pytest.raises(InputError, match="is outside"):
        open_picture(replace(row, suite="aro", crop=(40, 0, 44, 20)))


def test_a_missing_and_a_broken_file_are_named(row: Relation, tmp_path: Path):
    with pytest.raises(InputError, match=r"row 3: there is no picture .*b.png"):
        open_picture(replace(row, picture=tmp_path / "b.png"))
    whole = Path(str(row.picture)).read_bytes()
    for name, data in {"text.png": b"no picture", "short.png": whole[: len(whole) // 2]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=rf"row 3: cannot read the picture .*{name}"):
            open_picture(replace(row, picture=tmp_path / name))


def test_a_row_of_captions_alone_has_none(row: Relation):
    with pytest.raises(InputError, match=r"relations.jsonl, row 3: the row has no picture"):
        open_picture(replace(row, picture=None))


def test_a_crop_of_any_size_is_not_filled_up(row: Relation):
    for side in (20_000, 10**9):
        with pytest.raises(InputError, match=f"row 3: a crop of {side} by {side} pixels is too la"):
            open_picture(replace(row, suite="aro", crop=(0, 0, side, side)))


def test_grey_of_sixteen_bits_is_scaled_not_cut(row: Relation, tmp_path: Path):
    grey = np.array([[0, 256, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    picture = np.asarray(open_picture(replace(row, picture=tmp_path / "grey.png")))
    assert picture[0, :, 0].tolist() == [0, 1, 1, 128, 255]
    assert (picture == picture[..., :1]).all()


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_grey_of_unknown_white_is_refused(row: Relation, tmp_path: Path, kind: type):
    Image.fromarray(np.ones((4, 4), dtype=kind)).save(tmp_path / "grey.tif")
    with pytest.raises(InputError, match="its grey values have no known white"):
        open_picture(replace(row, picture=tmp_path / "grey.tif"))


def test_whatever_a_reader_raises_is_one_line(row: Relation, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'seek'")

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(InputError, match=r"row 3: cannot read the picture .*a.png \('NoneType'"):
        open_picture(row)
