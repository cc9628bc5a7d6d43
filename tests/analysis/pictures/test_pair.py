"""Which photograph is shown, and what is true of it and of its mirror image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Examples, Run, record
from lrinterp.analysis.pictures.pair import Pair
from lrinterp.result import NotApplicable

pytestmark = pytest.mark.usefixtures("one_thread")


def recorded(model: DualEncoder, examples: Examples) -> Run:
    return record(model, examples, progress=False)


@pytest.fixture(scope="module")
def recording(photographs: tuple[DualEncoder, Examples]) -> Run:
    return recorded(*photographs)


def test_the_layout_alone_chooses(photographs):
    """On a grid of 3 x 4 patches objects in columns 1 and 3 lie nearest, in whatever row."""
    model, examples = photographs
    pixels = np.tile([0, 1], (24, 1))
    pixels[[5, 17]] = [4, 10]  # columns 0 and 2
    pixels[[7, 19]] = [8, 6]  # the same, in other rows
    recording = recorded(model, replace(examples, image_pixels=pixels))
    assert Pair.of(recording).pictures.tolist() == [5, 17]
    backwards = replace(examples, image_pixels=pixels).at(np.arange(24)[::-1].copy())
    assert Pair.of(recorded(model, backwards)).pictures.tolist() == [4, 16]


def test_where_boxes_are_unknown_the_first_is_taken(photographs):
    model, examples = photographs
    unknown = replace(examples, image_pixels=np.full((24, 2), -1))
    assert Pair.of(recorded(model, unknown)).pictures.tolist() == [0, 12]


def test_captions_margins_and_objects(recording):
    pair = Pair.of(recording)
    photograph, mirror = pair.pictures.tolist()
    inputs = pair.run.inputs
    assert torch.equal(inputs.values[0].flip(-1), inputs.values[1])
    examples = recording.examples
    assert pair.objects == ("ant", "bee")
    assert pair.texts == ("ant left bee", "ant right bee")
    meaning = examples.caption_meaning[pair.captions]
    assert meaning.tolist() == examples.image_meaning[pair.pictures].tolist()
    true, other = pair.captions.tolist()
    scores = recording.scores
    expected = [
        float(scores[photograph, true] - scores[photograph, other]),
        float(scores[mirror, other] - scores[mirror, true]),
    ]
    np.testing.assert_allclose(pair.margins, expected, atol=1e-6)
    assert torch.equal(pair.direction[0], -pair.direction[1])
    assert len(pair.among.examples) == 24


def test_sides_and_attention_are_those_recorded(recording):
    pair = Pair.of(recording)
    assert pair.side == "object"
    roles = recording.examples.roles["image"]
    assert np.array_equal(pair.sides[0], roles["left"][pair.pictures].numpy())
    assert np.array_equal(pair.sides[1], roles["right"][pair.pictures].numpy())
    pattern = recording.site("image", "blocks.1.attn.hook_pattern")
    attention = pair.attention(1)
    np.testing.assert_allclose(attention[1, 1], pattern[pair.pictures[1], 1, 0].numpy())
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-6)


def test_photographs_without_mirror_images_have_no_pair(photographs):
    model, examples = photographs
    with pytest.raises(NotApplicable, match="no picture was recorded together with its mirror"):
        Pair.of(recorded(model, examples.at(np.arange(12))))
