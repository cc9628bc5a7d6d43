"""Preprocessing: from the picture file to the pixels, against transformers and by its formula."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrinterp.checkpoint.pictures import hugging_face_pictures, open_clip_pictures
from lrinterp.encoders import ClipSpec, Preprocessing, TowerSpec
from lrinterp.store import InputError

TOWER = TowerSpec(layers=1, width=4, heads=1, mlp=4, activation="gelu", eps=1e-5)
SPEC = ClipSpec(
    image=TOWER, text=TOWER, embed=4, picture=(3, 32, 32), patch=(8, 8), context=7, vocabulary=9,
    end=None,
)  # fmt: skip
OLDEST: dict[str, Any] = {
    "crop_size": 32, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 32,
}  # fmt: skip
"""What the first CLIPs on the hub carry."""
NEWER: dict[str, Any] = {
    **OLDEST, "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32},
    "do_convert_rgb": True, "do_rescale": True, "rescale_factor": 1 / 255,
    "image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor",
    "_valid_processor_keys": ["images"], "data_format": "channels_first", "device": None,
    "disable_grouping": None, "input_data_format": None, "return_tensors": None,
    "default_to_square": False, "do_pad": None, "pad_size": None, "image_seq_length": None,
}  # fmt: skip
OPEN = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.5], "interpolation": "bicubic"}
Reader = Callable[[Path, ClipSpec], Preprocessing]


def old(folder: Path, plain: Any, spec: ClipSpec = SPEC) -> Preprocessing:
    (folder / "preprocessor_config.json").write_text(json.dumps(plain))
    return hugging_face_pictures(folder, spec)


def new(folder: Path, plain: Any, spec: ClipSpec = SPEC) -> Preprocessing:
    whole = {"image_processor": plain, "processor_class": "CLIPProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(whole))
    return hugging_face_pictures(folder, spec)


def opened(folder: Path, plain: Any, spec: ClipSpec = SPEC) -> Preprocessing:
    whole = {"model_cfg": {}, "preprocess_cfg": plain}
    (folder / "open_clip_config.json").write_text(json.dumps(whole))
    return open_clip_pictures(folder, spec)


def pixels(found: Preprocessing, paths: list[Path]) -> np.ndarray:
    return np.array(found.processor([Image.open(path) for path in paths])["pixel_values"])


@pytest.mark.parametrize("plain", [OLDEST, NEWER], ids=["oldest", "newer"])
@pytest.mark.parametrize("write", [old, new])
def test_pixels_are_those_of_transformers(
    tmp_path: Path, pictures: list[Path], plain: dict[str, Any], write: Reader
):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    own = {k: v for k, v in plain.items() if not k.startswith("_")}
    theirs = CLIPImageProcessorPil(**own)([Image.open(path) for path in pictures])
    got = pixels(write(tmp_path, plain), pictures)  # type: ignore[arg-type]
    assert got.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(got, np.array(theirs["pixel_values"]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "number"), [("bicubic", 3), ("bilinear", 2), ("random", 3)])
def test_open_clip_by_its_formula(tmp_path: Path, pictures: list[Path], name: str, number: int):
    """Resize the shorter side, crop the middle, scale to 0..1, subtract mean, divide by std."""
    got = pixels(opened(tmp_path, {**OPEN, "interpolation": name}), pictures[:1])[0]
    picture = Image.open(pictures[0])
    width = int(32 * picture.width / picture.height)
    left = (width - 32) // 2
    resized = picture.resize((width, 32), number).crop((left, 0, left + 32, 32))
    values = np.asarray(resized).transpose(2, 0, 1) / 255
    std = np.array([0.5, 0.25, 0.5])[:, None, None]
    np.testing.assert_allclose(got, (values - 0.5) / std, atol=1e-5)


def test_other_settings_make_other_pixels(tmp_path: Path, pictures: list[Path]):
    """The comparison above would see a wrong filter, mean, size or crop."""
    plain = pixels(opened(tmp_path, {}), pictures)
    for changes in ({"interpolation": "bilinear"}, {"mean": [0, 0, 0]}, {"std": [1, 1, 1]}):
        assert np.abs(pixels(opened(tmp_path, changes), pictures) - plain).max() > 0.01


def test_the_newer_file_is_read_where_there_are_two(tmp_path: Path):
    old(tmp_path, {**OLDEST, "resample": 2})
    assert new(tmp_path, OLDEST).resample == 3
    (tmp_path / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')
    assert hugging_face_pictures(tmp_path, SPEC).resample == 2


def test_open_clip_falls_back_on_its_defaults(tmp_path: Path):
    found = opened(tmp_path, {"mean": None})
    assert found.mean == (0.48145466, 0.4578275, 0.40821073)
    assert (found.shortest, found.resample, found.crop) == (32, 3, True)
    assert opened(tmp_path, {"size": [32, 32], "mode": "RGB", "fill_color": 0}) == found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"size": 64, "crop_size": 64}, "makes pictures of size 64, crop_size 64"),
        ({"do_center_crop": False}, "makes pictures of size"),
        (
            {"size": {"longest_edge": 32}},
            "size: expected 1 to 4096 pixels: a number, shortest_edge",
        ),
        (
            {"size": {"height": 40, "width": 40}},
            "size (40, 40) and crop_size (32, 32): expected them equal",
        ),
        ({"do_rescale": False}, "do_rescale: expected None or True, got False"),
        ({"do_pad": True}, "do_pad: expected"),
        ({"crop_pct": 0.9}, "crop_pct: expected None"),
        ({"auto_map": {}}, "auto_map: expected None"),
        ({"image_mean": [0.5]}, "mean: expected 3 numbers, got 1"),
        ({"image_std": "one"}, "image_std: expected"),
        ({"tile": 2}, "unknown setting 'tile'"),
        (
            {"size": -5},
            "size: expected 1 to 4096 pixels: a number, shortest_edge, or height and width, got -5",
        ),
        ({"size": {"shortest_edge": -3}}, "size: expected 1 to 4096 pixels"),
        ({"size": {"shortest_edge": 10**6}}, "size: expected 1 to 4096 pixels"),
        ({"resample": 99}, "resample: expected a filter of Pillow, 0 to 5, got 99"),
        ({"resample": -1}, "resample: expected a filter of Pillow, 0 to 5, got -1"),
        ({"image_std": [0, 1, 1]}, "image_std: expected numbers from 1e-06 to 1000, got [0, 1, 1]"),
        (
            {"image_std": [-1, 1, 1]},
            "image_std: expected numbers from 1e-06 to 1000, got [-1, 1, 1]",
        ),
        (
            {"image_mean": [1e308] * 3},
            "image_mean: expected numbers from -1000 to 1000, got [1e+308",
        ),
        (
            {"image_mean": [10**400] * 3},
            "image_mean: expected numbers from -1000 to 1000, got [1000",
        ),
        ({"rescale_factor": 1e308}, "rescale_factor: expected 1e-06 to 1000"),
        ({"rescale_factor": 0}, "rescale_factor: expected 1e-06 to 1000"),
    ],
)
@pytest.mark.parametrize("write", [old, new])
def test_what_is_not_read_is_named(
    tmp_path: Path, changes: dict[str, Any], expected: str, write: Reader
):
    with pytest.raises(InputError) as error:
        write(tmp_path, {**NEWER, **changes})  # type: ignore[arg-type]
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"resize_mode": "squash"}, "resize_mode: expected 'shortest', got 'squash'"),
        ({"interpolation": "nearest"}, "interpolation: expected one of bicubic"),
        ({"size": 64}, "size: expected the square that the image tower reads"),
        ({"mode": "L"}, "mode: expected 'RGB'"),
        ({"mean": [0.5]}, "mean: expected 3 numbers"),
        ({"std": [0.5, 0.0, 0.5]}, "std: expected numbers from 1e-06 to 1000, got [0.5, 0.0"),
        ({"crop": 1}, "unknown setting 'crop'"),
    ],
)
def test_what_open_clip_has_beside_is_named(tmp_path: Path, changes: dict[str, Any], expected: str):
    with pytest.raises(InputError) as error:
        opened(tmp_path, {**OPEN, **changes})
    assert expected in str(error.value)


def test_a_folder_without_settings_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="says nothing about preprocessing; expected preprocessor"):
        hugging_face_pictures(tmp_path, SPEC)
    whole = {"image_processor": OLDEST, "video_processor": {}}
    (tmp_path / "processor_config.json").write_text(json.dumps(whole))
    with pytest.raises(InputError, match="unknown setting 'video_processor'"):
        hugging_face_pictures(tmp_path, SPEC)
