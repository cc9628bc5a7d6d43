"""Rows of positions and their nulls: fresh models, and patches that change places.

The headline head is the one that order needs most, and the same in every analysis.
"""

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Examples, Scenes, Split, World, preset
from lrinterp.analysis.positional_gradient_rows import (
    UNTRAINED_MODELS,
    WHOLE,
    LayerRows,
    choose,
    family,
    permuted_null,
    some,
    tower_rows,
    untrained_null,
)
from lrinterp.decomposition import GAUGES
from lrinterp.result import Metric
from lrinterp.run import record

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_embed": 8}


def small(
    seed: int = 0, *, n_val: int = 2, **changes
) -> tuple[DualEncoder, Examples, dict[str, tuple[int, int]]]:
    """A fresh model on ten pixels, and its held-out pictures."""
    split = Split(n_pair=2, n_val=n_val, positions_per_label=2, layouts_per_pair=40, test_layouts=0)
    scenes = Scenes(World(n_labels=2 + n_val), split)
    model = DualEncoder.build(preset("minimal", **SIZES, **changes), scenes.sizes, seed)
    return model, scenes.examples(["unseen_pair"]), scenes.sizes


def slope_of(row) -> float:
    """By numpy's least squares."""
    return float(np.polyfit(np.arange(len(row)), row, 1)[0])


def rows_of(model: DualEncoder, examples: Examples) -> LayerRows:
    """All rows of the image tower on these pictures."""
    return tower_rows(record(model, examples, progress=False).streams["image"])


def test_the_first_layer_is_that_of_the_weights():
    """Raw key-position of CLS by hand: (E_q + P_q) W_Q + b_Q times P W_K, without the stream."""
    model, examples, _ = small(std_W_pos=0.5)
    tower, found = model.image, rows_of(model, examples)
    attn = tower.blocks[0].attn
    query = (tower.W_E[examples.image.values[0, 0]] + tower.W_pos[0]) @ attn.W_Q + attn.b_Q
    keys = tower.W_pos[1:] @ attn.W_K
    expected = torch.einsum("hpd,hd->hp", keys, query) / np.sqrt(8)
    rows = found[0, "raw", WHOLE]
    np.testing.assert_allclose(rows, expected.detach().numpy(), atol=1e-6)
    centred = rows - rows.mean(1, keepdims=True)
    canonical = found[0, "canonical", WHOLE]
    np.testing.assert_allclose(canonical - canonical.mean(1, keepdims=True), centred, atol=1e-5)
    assert {gauge for _, gauge, _ in found} == set(GAUGES)


def test_rows_of_the_second_layer_against_a_loop_in_float64():
    """Means over pictures of other labels, centred over patches, read by each pooled query."""
    model, examples, _ = small(n_val=3, image_layers=2, std_W_pos=0.5, std_W_E=0.5, std_weights=0.3)
    tower = model.image
    generator = torch.Generator().manual_seed(0)
    for bias in (tower.blocks[1].attn.b_Q, tower.blocks[1].attn.b_K):
        bias.data += torch.randn(bias.shape, generator=generator)
    rows = rows_of(model, examples)[1, "means", WHOLE]
    _, cache = tower.run_with_cache(examples.image.values)
    x = cache["blocks.1.hook_resid_pre"].double().numpy()
    attn = tower.blocks[1].attn
    W_Q, W_K, b_Q = (w.detach().double().numpy() for w in (attn.W_Q, attn.W_K, attn.b_Q))
    labels = examples.image_label_set
    assert len(np.unique(labels)) == 3
    for head in range(2):
        expected = np.zeros(10)
        for picture, own in zip(x, labels, strict=True):
            patches = x[labels != own, 1:].mean(0)
            patches = patches - patches.mean(0)
            query = picture[0] @ W_Q[head] + b_Q[head]
            expected += [patch @ W_K[head] @ query / np.sqrt(8) for patch in patches]
        np.testing.assert_allclose(rows[head], expected / len(x), atol=1e-5)
    assert np.ptp(rows) > 0.1


def test_the_permuted_null_against_a_loop():
    """The 95 % quantile of the steepest head of all layers, all heads permuted alike."""
    rng = np.random.default_rng(1)
    ramp = np.arange(10.0)
    own = {
        (0, "canonical", WHOLE): rng.normal(size=(2, 10)),
        (1, "means", WHOLE): np.stack([ramp, rng.normal(size=10)]),
        (0, "raw", "PP"): np.zeros((2, 10)),
    }
    null = permuted_null(own, (1, 10), seed=0)
    largest = []
    for _ in range(500):
        order = rng.permutation(10)
        rows = [*own[0, "canonical", WHOLE], *own[1, "means", WHOLE]]
        largest.append(max(abs(slope_of(row[order])) for row in rows))
    high = null["canonical", WHOLE][0]
    assert high == pytest.approx(np.quantile(largest, 0.95), rel=0.1)
    assert family("means") == family("canonical") != family("raw")
    assert null["raw", "PP"].tolist() == [0, 0]
    assert high < 1  # the ramp itself stands out
    assert permuted_null(own, (1, 10), seed=0)["canonical", WHOLE][0] == high
    assert permuted_null(own, (1, 10), seed=1)["canonical", WHOLE][0] != high


def test_both_directions_of_a_grid_have_a_null():
    """A plane that rises to the right alone stands out to the right alone."""
    column = np.indices((4, 5))[1]
    noise = np.random.default_rng(0).normal(size=(1, 20)) / 10
    own = {(0, "canonical", WHOLE): column.reshape(1, -1) + noise}
    right, down = permuted_null(own, (4, 5), seed=0)["canonical", WHOLE]
    assert 0 < right < 1
    assert 0 < down < 1
    assert abs(slope_of(own[0, "canonical", WHOLE].reshape(4, 5).mean(1))) < down


def test_the_untrained_null_is_the_steepest_of_fresh_models():
    model, examples, sizes = small()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    run = record(model, examples, progress=False).towers["image"]
    null = untrained_null(run, examples.grid)
    steepest = 0.0
    for seed in range(100, 100 + UNTRAINED_MODELS):  # the recipe draws the image tower first
        fresh = DualEncoder.build(preset("minimal", **SIZES), sizes, seed)
        rows = rows_of(fresh, examples)[0, "canonical", WHOLE]
        steepest = max(steepest, *(abs(slope_of(row)) for row in rows))
    assert null["canonical", WHOLE].tolist() == [pytest.approx(steepest), 0]
    assert null["canonical", "bP"].tolist() == [0, 0]  # biases start at zero
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_deep_nulls_are_measured_on_pictures_spread_over_all():
    _, examples, _ = small()
    inputs = examples.image
    assert torch.equal(inputs.at(some(inputs, 1)).values, inputs.values[:16])
    spread = inputs.at(some(inputs, 2))
    assert len(spread) == 64
    assert torch.equal(spread.values[-1], inputs.values[-1])
    assert (spread.values != inputs.values[:64]).any()


def lost(value: float, low: float | None) -> Metric:
    return Metric(value=value, low=low, high=None if low is None else 2 * value - low)


def test_the_headline_is_the_head_that_order_needs_most_or_else_the_steepest():
    slopes = {(0, 0): 0.1, (1, 0): -3.0, (1, 1): 2.0}
    needed = {(0, 0): lost(0.2, 0.2), (1, 0): lost(0.5, -0.1), (1, 1): lost(0.3, 0.3)}
    assert choose(needed, slopes) == ((1, 1), "its removal costs most order")
    needed[1, 0] = lost(0.5, 0.1)
    assert choose(needed, slopes) == ((1, 0), "its removal costs most order")
    for value in (0.0, -0.2):
        place, why = choose(dict.fromkeys(slopes, lost(value, value - 0.1)), slopes)
        assert place == (1, 0)
        assert why == "the largest |slope|: no head's removal costs order beyond its interval"


def test_two_labels_decide_nothing():
    slopes = {(0, 0): 0.1, (0, 1): -3.0}
    place, why = choose(dict.fromkeys(slopes, lost(0.5, None)), slopes)
    assert place == (0, 1)
    assert why == "the largest |slope|: the order lost has no interval"
