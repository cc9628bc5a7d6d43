"""A photograph and its mirror image: what is shown is what the model does on them."""

import copy
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from lrinterp import DualEncoder, Examples, Run, record
from lrinterp.analysis.over_picture import OverPicture, over_picture
from lrinterp.analysis.over_picture_maps import (
    as_pictures,
    by_gradient,
    key_maps,
    mirrored,
    over_patches,
    read_in_last_layer,
)
from lrinterp.analysis.subject import focus
from lrinterp.axes import Pixels
from lrinterp.encoders import Preprocessing, Processor
from lrinterp.result import Metric, NotApplicable, Result
from lrinterp.run import TowerRun

PREPROCESSING = Preprocessing(
    shortest=None, height=12, width=16, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)
)

UNIT = Preprocessing(shortest=None, height=12, width=16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
TWO = torch.tensor([3, 15])
"""A picture of the fixture and its mirror image."""
PLACES = [(layer, head) for layer in (0, 1) for head in (0, 1)]


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


@pytest.fixture(scope="module")
def two(recording: Run) -> TowerRun:
    return recording.towers["image"].at(TWO)


@pytest.fixture(scope="module")
def direction() -> torch.Tensor:
    """Any direction will do, one for each picture."""
    return torch.randn(2, 6, generator=torch.Generator().manual_seed(2))


def test_maps_are_of_the_headline_head_and_the_last_layer(recording, result: OverPicture):
    assert result.head == "L0H1"
    assert result.maps.shape == (6, 2, 3, 4)
    assert len(result.names) == 6
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


def test_without_a_processor_pixels_cannot_be_shown(photographs):
    recording = record(*photographs, progress=False)
    with pytest.raises(NotApplicable, match="the model has no processor"):
        over_picture(recording, positional_gradient=gradient(0, 0))


def chosen(model: DualEncoder, examples: Examples) -> list[int]:
    """Which picture is shown, and its mirror image."""
    run = recorded(model, examples)
    return mirrored(run.of(focus(run.examples)))[0].tolist()


def test_the_layout_alone_chooses(photographs):
    """On a grid of 3 x 4 patches objects in columns 1 and 3 lie nearest, in whatever row."""
    model, examples = photographs
    pixels = np.tile([0, 1], (24, 1))
    pixels[[5, 17]] = [4, 10]  # columns 0 and 2
    pixels[[7, 19]] = [8, 6]  # the same, in other rows
    assert chosen(model, replace(examples, image_pixels=pixels)) == [5, 17]
    backwards = replace(examples, image_pixels=pixels).at(np.arange(24)[::-1].copy())
    assert chosen(model, backwards) == [4, 16]


def test_captions_margins_and_objects(recording, result: OverPicture):
    both, captions = mirrored(recording)
    photograph, mirror = both.tolist()
    values = recording.inputs["image"].values
    assert torch.equal(values[photograph].flip(-1), values[mirror])
    examples = recording.examples
    assert result.objects == ("ant", "bee")
    assert result.captions == ("ant left bee", "ant right bee")
    assert examples.caption_meaning[captions].tolist() == examples.image_meaning[both].tolist()
    true, other = captions.tolist()
    scores = recording.scores
    expected = [
        float(scores[photograph, true] - scores[photograph, other]),
        float(scores[mirror, other] - scores[mirror, true]),
    ]
    np.testing.assert_allclose(result.margins, expected, atol=1e-6)


def test_photographs_without_mirror_images_have_no_pair(photographs):
    model, examples = photographs
    with pytest.raises(NotApplicable, match="no picture was recorded together with its mirror"):
        chosen(model, examples.at(np.arange(12)))


def test_a_picture_comes_back_from_its_pixels():
    """Within a grey level of what the processor of transformers was given."""
    colours = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    for preprocessing in (
        Preprocessing(shortest=8, height=8, width=8, mean=(0.5, 0.2, 0.4), std=(0.3, 0.2, 0.1)),
        Preprocessing(
            shortest=8, height=8, width=8, mean=(9.0,) * 3, std=(9.0,) * 3, normalize=False
        ),
    ):
        pictures = [Image.fromarray(one) for one in colours]
        values = preprocessing.processor(pictures, return_tensors="np")["pixel_values"]
        pixels = torch.from_numpy(np.ascontiguousarray(values))
        back = as_pictures(pixels, preprocessing)
        assert back.dtype == np.uint8
        assert np.abs(back.astype(int) - colours.astype(int)).max() <= 1
        bright = as_pictures(pixels + 100, preprocessing)
        assert (bright == 255).all()


@pytest.mark.parametrize("place", PLACES)
def test_content_and_position_are_the_score_but_for_a_constant(recording, two, place):
    content, position = key_maps(two, place)
    layer, head = place
    scores = recording.site("image", f"blocks.{layer}.attn.hook_attn_scores")
    row = scores[TWO, head, 0].double().numpy()
    rest = row - content - position
    np.testing.assert_allclose(rest, rest[:, :1].repeat(13, axis=1), atol=1e-5)
    assert np.ptp(content[:, 1:]) > 1e-2
    assert np.ptp(position[:, 1:]) > 1e-3


def test_what_is_read_adds_up_to_the_heads_of_the_last_layer(two, direction):
    """The last layer's heads at CLS, through the final norm by hand."""
    tower, read = two.tower, read_in_last_layer(two, direction)
    _, cache = tower.run_with_cache(two.inputs.values)
    last = cache["resid_post", 1][:, 0].double()
    heads = torch.einsum("nhd,hdm->nm", cache["z", 1][:, 0], tower.W_O[1]).double()
    norm, W_U = tower.ln_final, tower.unembed.W_U.double()
    scale = (last.var(-1, unbiased=False, keepdim=True) + tower.cfg.eps).sqrt()
    normed = (last - last.mean(-1, keepdim=True)) / scale * norm.w + norm.b
    length = (normed @ W_U + tower.unembed.b_U).norm(dim=-1, keepdim=True)
    written = (heads - heads.mean(-1, keepdim=True)) / scale * norm.w @ W_U / length
    expected = (written * direction).sum(-1).detach()
    np.testing.assert_allclose(read.sum(1), expected.numpy(), atol=1e-6)
    assert np.abs(read[:, 1:]).max() > 1e-3


def test_the_gradient_map_is_the_slope_of_patching(recording, two, direction):
    """One embedding moved a little towards the other picture's: the margin by finite differences,
    in double precision.
    """
    model = copy.deepcopy(recording.model).double()
    model.image.cfg.dtype = torch.float64  # attention is cast to it
    pair, along = Pixels(two.inputs.values.double(), two.inputs.pool), direction.double()
    found = by_gradient(TowerRun(model, "image", pair), along)
    step = 1e-4

    def margins(position: int, by: float) -> torch.Tensor:
        def move(embed: torch.Tensor, hook: object) -> torch.Tensor:
            moved = embed.clone()
            moved[:, position] += by * (embed.flip(0) - embed)[:, position]
            return moved

        with model.image.hooks(fwd_hooks=[("hook_embed", move)]), torch.no_grad():
            return (model.embed("image", pair) * along).sum(-1)

    for position in range(13):
        lost = (margins(position, -step) - margins(position, step)) / (2 * step)
        np.testing.assert_allclose(found[:, position], lost.numpy(), rtol=1e-4, atol=1e-9)
    assert (found[:, 0] == 0).all()  # CLS is the same in both pictures
    assert np.abs(found[:, 1:]).min() > 1e-5
    assert all(weight.grad is None for weight in model.parameters())


def test_a_picture_beside_itself_has_nothing_to_lose(recording, direction):
    same = recording.towers["image"].at(TWO[[0, 0]])
    assert (by_gradient(same, direction) == 0).all()


def test_a_bright_patch_is_in_the_same_place_in_picture_and_map(recording):
    """At the end of the second row of patches, and in the mirror image at its beginning."""
    pixels = torch.zeros(1, 3, 12, 16)
    pixels[:, :, 4:8, 12:] = 1.0
    both = torch.cat([pixels, pixels.flip(-1)])
    _, cache = recording.model.image.run_with_cache(both)
    maps = over_patches(cache["hook_embed"].norm(dim=-1).numpy(), (3, 4))
    pictures = as_pictures(both, UNIT).max(-1)[:, 2::4, 2::4]
    for drawn in (maps, pictures):
        assert [tuple(np.argwhere(one > 0).tolist()[0]) for one in drawn] == [(1, 3), (1, 0)]
        assert ((drawn > 0).sum((1, 2)) == 1).all()


def test_patches_lie_row_by_row_behind_cls():
    maps = over_patches(np.arange(26.0).reshape(2, 13), (3, 4))
    assert maps[0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert maps[1, 0, 0] == 14


def test_objects_are_outlined_only_where_they_are_known(result: OverPicture):
    for one, lines in ((result, 8), (replace(result, side="half"), 0)):
        plot: Any = one.figures()[2].draw()
        assert len(plot.layout.shapes) == lines
