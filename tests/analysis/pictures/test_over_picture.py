"""A photograph and its mirror image: what is shown is what the model does on them."""

import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import lrinterp.store as store
from lrinterp import DualEncoder, Examples, Run, load_checkpoint, record
from lrinterp.analysis.pictures.over_picture import OverPicture, over_picture
from lrinterp.encoders import Preprocessing, Processor
from lrinterp.result import Metric, NotApplicable, Result
from lrinterp.scenes.natural import compose, read_relations

pytestmark = pytest.mark.usefixtures("one_thread")

PREPROCESSING = Preprocessing(
    shortest=None, height=12, width=16, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)
)


def gradient(layer: int, head: int) -> Result:
    """All that is read of it: the headline head."""
    return Mock(spec=Result, metrics={"headline_head": Metric(value=f"L{layer}H{head}")})


def recorded(model: DualEncoder, examples: Examples) -> Run:
    ready = copy.copy(model)
    ready.processor = Mock(spec=Processor, preprocessing=PREPROCESSING)
    return record(ready, examples, progress=False)


@pytest.fixture(scope="module")
def recording(photographs: tuple[DualEncoder, Examples]) -> Run:
    return recorded(*photographs)


@pytest.fixture(scope="module")
def result(recording: Run) -> OverPicture:
    return over_picture(recording, positional_gradient=gradient(0, 1))


def test_maps_are_of_the_headline_head_and_the_last_layer(recording, result: OverPicture):
    assert result.head == "L0H1"
    assert result.maps.shape == (6, 2, 3, 4)
    assert len(result.names) == len(result.units) == 6
    pair = [0, 12]
    first, last = (recording.site("image", f"blocks.{k}.attn.hook_pattern")[pair] for k in (0, 1))
    expected = first[:, 1, 0, 1:].reshape(2, 3, 4).numpy()
    np.testing.assert_allclose(result.maps[0], expected, atol=1e-6)
    expected = last[:, :, 0, 1:].mean(1).reshape(2, 3, 4).numpy()
    np.testing.assert_allclose(result.maps[1], expected, atol=1e-6)
    scores = recording.site("image", "blocks.0.attn.hook_attn_scores")[pair][:, 1, 0, 1:].numpy()
    whole = (result.maps[2] + result.maps[3]).reshape(2, 12)
    np.testing.assert_allclose(whole, scores - scores.mean(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(result.maps[2:4].mean((2, 3)), 0, atol=1e-9)
    assert result.n == 24


def test_both_pictures_are_shown_as_they_were_read(recording, result: OverPicture):
    values = recording.inputs["image"].values[[0, 12]].numpy()
    greys = 255 * (0.2 * values + 0.5)
    expected = np.clip(greys, 0, 255).transpose(0, 2, 3, 1)
    assert np.abs(result.pictures - expected).max() <= 0.51
    assert np.array_equal(result.pictures[0][:, ::-1], result.pictures[1])


def test_summary_and_finding_tell_margins_and_shares(result: OverPicture):
    assert result.metrics["headline_head"].value == "L0H1"
    margins = [result.metrics[f"margin_{k}"].value for k in ("photograph", "mirror")]
    assert margins == result.margins.tolist()
    left = result.maps[0, 1, :, 0].sum()
    right = result.maps[0, 1, :, 2:].sum()
    assert result.metrics["left_object_share_mirror"].value == pytest.approx(left)
    assert result.metrics["right_object_share_mirror"].value == pytest.approx(right)
    assert f"in the mirror image {left:.3f} and {right:.3f}" in result.finding
    assert "“ant left bee”" in result.finding
    assert "chosen by its layout alone" in result.caveats[0]


def test_the_table_has_a_row_for_each_map_picture_and_patch(result: OverPicture):
    frame = result.frame()
    assert len(frame) == 6 * 2 * 12
    row = frame[(frame["map"] == result.names[4]) & (frame["picture"] == "mirror image")]
    row = row[(row["row"] == 2) & (row["column"] == 3)].iloc[0]
    assert row["value"] == result.maps[4, 1, 1, 2]
    assert (row["object"], row["unit"]) == ("right", "cosine")


def test_a_reloaded_result_draws_the_same(result: OverPicture, tmp_path: Path):
    store.save(result, tmp_path / "result")
    again = store.load(OverPicture, tmp_path / "result")
    assert (again.finding, again.metrics) == (result.finding, result.metrics)
    assert again.caveats == result.caveats
    pd.testing.assert_frame_equal(again.frame(), result.frame())
    for old, new in zip(result.figures(), again.figures(), strict=True):
        assert old.draw().to_json() == new.draw().to_json()


def test_halves_stand_for_objects_where_boxes_are_unknown(photographs):
    model, examples = photographs
    roles = dict(examples.roles["image"])
    halves = {"left half": roles.pop("left"), "right half": roles.pop("right")}
    examples = replace(
        examples,
        roles={**examples.roles, "image": {**roles, **halves}},
        image_pixels=np.full((24, 2), -1),
    )
    result = over_picture(recorded(model, examples), positional_gradient=gradient(1, 0))
    assert result.side == "half"
    assert "left_half_share_photograph" in result.metrics
    assert "gives the left half" in result.finding
    assert "the first that was recorded" in result.caveats[0]


def test_towers_of_tokens_have_no_picture(micro_recording):
    with pytest.raises(NotApplicable, match="reads tokens, not pictures; see mechanism"):
        over_picture(micro_recording, positional_gradient=gradient(0, 0))


def test_without_a_processor_pixels_cannot_be_shown(photographs):
    recording = record(*photographs, progress=False)
    with pytest.raises(NotApplicable, match="the model has no processor"):
        over_picture(recording, positional_gradient=gradient(0, 0))


@pytest.mark.realdata
def test_real_photographs(clip_folder: Path, data_root: Path):
    """What is shown is the photograph as it was padded and resized, within a grey level."""
    model: Any = load_checkpoint(clip_folder).model
    rows = islice(read_relations("nlvr", data_root / "nlvr"), 60)
    examples = compose(rows, model.processor, model.image.grid, pictures=8)
    result = over_picture(
        record(model, examples, progress=False), positional_gradient=gradient(1, 1)
    )
    preprocessing = model.processor.preprocessing
    again = preprocessing.processor(list(result.pictures), return_tensors="np")["pixel_values"]
    pixels = examples.image.values.numpy()
    nearest = np.abs(pixels[:, None] - again[None, :1]).max((2, 3, 4)).min()
    assert nearest <= 1 / 255 / min(preprocessing.std)
    assert result.sides.any((2, 3)).all()
    assert set(result.captions[0].split()) - set(result.captions[1].split()) == {"left"}
