"""Edits of deeper layers while the tower runs, against edits computed beforehand."""

import pytest
import torch

from lrinterp.decomposition import (
    KEY_CONTENT,
    KEY_POSITION,
    MEANS,
    Ablation,
    Split,
    edited,
    edited_layers,
    groups_of,
    key_sides,
    position_vectors,
    row_delta,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def bench(deep, streams_of):
    def make(layers: int, tower: str = "image", *, pooled: bool = True):
        model, scenes = deep(layers)
        examples = scenes.examples()
        streams, inputs = streams_of(model, scenes, tower), model.prepare(examples)[tower]
        groups = groups_of(model.towers[tower], inputs, examples.occurs[tower], pooled=pooled)
        vectors = {layer: position_vectors(streams, layer) for layer in range(layers)}
        return model, streams, inputs, groups, vectors

    return make


@pytest.mark.parametrize("kind", ["flatten", "keep", "placebo", "permute", "zero"])
@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize("side", [KEY_POSITION, KEY_CONTENT])
def test_one_layer_alone_is_the_edit_computed_beforehand(bench, kind, tower, side):
    model, streams, inputs, groups, vectors = bench(2, tower)
    ablation = Ablation(terms=side, kind=kind)
    content, position = key_sides(model.towers[tower], 1, streams.split(1, MEANS), inputs.pool)
    sides = (position, content) if side == KEY_POSITION else (content, position)
    delta = row_delta(*sides, ablation, groups)
    with edited(model.towers[tower], scores=delta, pool=inputs.pool, layer=1):
        expected = model.embed(tower, inputs)
    with edited_layers(model.towers[tower], {1: ablation}, vectors, groups, inputs.pool):
        got = model.embed(tower, inputs)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(got, model.embed(tower, inputs), atol=1e-4)


def test_a_later_layer_sees_what_the_earlier_edit_left(bench):
    """Both layers at once equal: edit the first, read the second's stream, edit both."""
    model, streams, inputs, groups, vectors = bench(2, pooled=False)
    ablation = Ablation(terms=KEY_POSITION)
    sides = key_sides(model.image, 0, streams.split(0, "canonical"), inputs.pool, pooled=False)
    first = row_delta(sides[1], None, ablation, groups)
    with edited(model.image, scores=first, pool=inputs.pool):
        _, cache = model.image.run_with_cache(inputs.values)
    changed = cache["resid_pre", 1]
    vector = vectors[1].vectors[None]
    split = Split(changed - vector, vector, torch.zeros_like(vector[:, :1]))
    sides = key_sides(model.image, 1, split, inputs.pool, pooled=False)
    second = row_delta(sides[1], None, ablation, groups)
    with (
        edited(model.image, scores=first, pool=inputs.pool),
        edited(model.image, scores=second, pool=inputs.pool, layer=1),
    ):
        expected = model.embed("image", inputs)
    with edited_layers(model.image, {0: ablation, 1: ablation}, vectors, groups, inputs.pool):
        got = model.embed("image", inputs)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    with edited_layers(model.image, {1: ablation}, vectors, groups, inputs.pool):
        assert not torch.allclose(model.embed("image", inputs), expected, atol=1e-4)


def test_without_both_sides_attention_is_even(bench):
    """Neither content nor position told apart: each component's keys share its weight evenly."""
    model, streams, inputs, groups, vectors = bench(2)
    content, _ = key_sides(model.image, 1, streams.split(1, MEANS), inputs.pool)
    delta = row_delta(content, None, Ablation(terms=KEY_CONTENT), groups)
    flat = {1: Ablation(terms=KEY_POSITION)}
    with (
        edited(model.image, scores=delta, pool=inputs.pool, layer=1),
        edited_layers(model.image, flat, vectors, groups, inputs.pool),
    ):
        _, cache = model.image.run_with_cache(inputs.values)
    patches = cache["pattern", 1][:, :, 0, 1:]
    torch.testing.assert_close(patches, patches[..., :1].expand_as(patches), atol=1e-5, rtol=1e-4)


def test_only_the_heads_that_are_named(bench):
    model, _, inputs, groups, vectors = bench(2)
    one = Ablation(terms=KEY_POSITION, heads=(1,))
    _, intact = model.image.run_with_cache(inputs.values)
    with edited_layers(model.image, {1: one}, vectors, groups, inputs.pool):
        _, cache = model.image.run_with_cache(inputs.values)
    before, after = intact["pattern", 1], cache["pattern", 1]
    assert torch.equal(before[:, 0], after[:, 0])
    assert torch.equal(before[:, 1, 1:], after[:, 1, 1:])  # the pooled row is row 0
    assert not torch.allclose(before[:, 1, 0], after[:, 1, 0], atol=1e-4)


def test_the_tower_is_restored_also_after_an_error(bench):
    model, _, inputs, groups, vectors = bench(2)
    before = model.embed("image", inputs)
    ablation = {0: Ablation(terms=KEY_POSITION)}
    with (
        pytest.raises(RuntimeError, match="stop"),
        edited_layers(model.image, ablation, vectors, groups, inputs.pool),
    ):
        raise RuntimeError("stop")
    assert torch.equal(model.embed("image", inputs), before)


def test_other_terms_and_resampling_are_refused(bench):
    model, _, inputs, groups, vectors = bench(1)
    with (
        pytest.raises(ValueError, match=r"expected EP\+PP\+bP or EE\+PE\+bE, got EP"),
        edited_layers(model.image, {0: Ablation(terms=("EP",))}, vectors, groups, inputs.pool),
    ):
        raise AssertionError("entered")
    ablation = {0: Ablation(terms=KEY_POSITION, kind="resample")}
    with (
        pytest.raises(ValueError, match="resample needs more than the part that it names"),
        edited_layers(model.image, ablation, vectors, groups, inputs.pool),
    ):
        model.embed("image", inputs)
