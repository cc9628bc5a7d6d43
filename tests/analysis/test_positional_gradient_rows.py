"""Rows of positions and their nulls: fresh models, and patches that change places."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from lrinterp import DualEncoder, Examples, preset
from lrinterp.analysis.positional_gradient import choose_headline, some_gradients
from lrinterp.analysis.positional_gradient_rows import (
    UNTRAINED_MODELS,
    WHOLE,
    LayerRows,
    fit_plane,
    permuted_null,
    tower_rows,
    untrained_null,
)
from lrinterp.analysis.subject import is_large
from lrinterp.result import Metric, Result
from lrinterp.run import Run, record

SIZES = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_embed": 8}


def untrained(small, *, n_val: int = 2, **changes) -> tuple[DualEncoder, Examples]:
    """A fresh model on ten pixels, and its held-out pictures."""
    of = {"n_pixels": 10, "n_labels": 2 + n_val, "layouts_per_pair": 40, "test_layouts": 0}
    run = small(n_val=n_val, **of, **SIZES, **changes)
    return run.model, run.examples


def slope_of(row) -> float:
    """By numpy's least squares."""
    return float(np.polyfit(np.arange(len(row)), row, 1)[0])


def rows_of(model: DualEncoder, examples: Examples) -> LayerRows:
    """All rows of the image tower on these pictures."""
    return tower_rows(record(model, examples, progress=False).streams["image"])


def test_rows_of_the_second_layer_against_a_loop_in_float64(small):
    """Means over pictures of other labels, centred over patches, read by each pooled query."""
    scales = {"std_W_pos": 0.5, "std_W_E": 0.5, "std_weights": 0.3}
    model, examples = untrained(small, n_val=3, image_layers=2, **scales)
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
    high = null[False, WHOLE][0]
    assert high == pytest.approx(np.quantile(largest, 0.95), rel=0.1)
    assert null[True, "PP"].tolist() == [0, 0]
    assert high < 1  # the ramp itself stands out
    assert permuted_null(own, (1, 10), seed=0)[False, WHOLE][0] == high
    assert permuted_null(own, (1, 10), seed=1)[False, WHOLE][0] != high


def test_the_untrained_null_is_the_steepest_of_fresh_models(small):
    model, examples = untrained(small)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    run = record(model, examples, progress=False).towers["image"]
    null = untrained_null(run, examples.grid)
    steepest = 0.0
    for seed in range(100, 100 + UNTRAINED_MODELS):  # the recipe draws the image tower first
        fresh = DualEncoder.build(preset("minimal", **SIZES), model.sizes, seed)
        rows = rows_of(fresh, examples)[0, "canonical", WHOLE]
        steepest = max(steepest, *(abs(slope_of(row)) for row in rows))
    assert null[False, WHOLE].tolist() == [pytest.approx(steepest), 0]
    assert null[False, "bP"].tolist() == [0, 0]  # biases start at zero
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def lost(value: float, low: float | None) -> Metric:
    return Metric(value=value, low=low, high=None if low is None else 2 * value - low)


def test_the_headline_is_the_head_that_order_needs_most_or_else_the_steepest():
    slopes = {(0, 0): 0.1, (1, 0): -3.0, (1, 1): 2.0}
    needed = {(0, 0): lost(0.2, 0.2), (1, 0): lost(0.5, -0.1), (1, 1): lost(0.3, 0.3)}
    assert choose_headline(needed, slopes) == ((1, 1), "its removal lowers swap accuracy most")
    needed[1, 0] = lost(0.5, 0.1)
    assert choose_headline(needed, slopes) == ((1, 0), "its removal lowers swap accuracy most")
    for value in (0.0, -0.2):
        place, why = choose_headline(dict.fromkeys(slopes, lost(value, value - 0.1)), slopes)
        assert place == (1, 0)
        assert why == "the largest |slope|: no head's removal reliably lowers swap accuracy"
    place, why = choose_headline(
        dict.fromkeys(slopes, lost(0.5, None)), slopes
    )  # two labels decide nothing
    assert (place, why) == (
        (1, 0),
        "the largest |slope|: the loss of swap accuracy has no interval",
    )


@pytest.mark.parametrize(
    "row", [[1.0, 2, 3, 4], [4.0, 2, 1, 0], [0.0, 5, -1, 2, 2], [1e-3, 0, 0, 3e-3], [0.0, 0, 0, -1]]
)
def test_lines_against_numpy_and_scipy(row: list[float]):
    fit, line = fit_plane(np.array(row), (1, len(row))), np.polyfit(np.arange(len(row)), row, 1)
    left_over = np.array(row) - np.polyval(line, np.arange(len(row)))
    rank = spearmanr(range(len(row)), row)
    assert fit["slope"] == pytest.approx(line[0])
    assert fit["r2"] == pytest.approx(1 - left_over.var() / np.var(row))
    assert fit["spearman"] == pytest.approx(np.asarray(rank)[0])
    assert fit["span"] == pytest.approx(abs(line[0]) * (len(row) - 1))
    assert fit["range"] == pytest.approx(max(row) - min(row))
    assert (fit["slope_y"], fit["span_y"]) == (None, None)


def test_a_constant_row_has_no_slope_and_no_correlation():
    for row in (np.zeros(5), np.full(5, 3.0), 3 + 1e-9 * np.arange(5)):
        fit = fit_plane(row, (1, 5))
        assert (fit["slope"], fit["span"], fit["r2"], fit["spearman"]) == (0, 0, None, None)
    flat = fit_plane(np.zeros(6), (2, 3))
    assert (flat["slope_y"], flat["span_y"], flat["r2"]) == (0, 0, None)


def planted(right: float, down: float, noise: float = 0.0) -> np.ndarray:
    row, column = np.indices((5, 7))
    plane = 2 + right * column + down * row
    return (plane + noise * np.random.default_rng(3).normal(size=(5, 7))).reshape(-1)


@pytest.mark.parametrize(("right", "down"), [(0.5, 0.0), (0.0, -0.3), (-0.2, 0.7)])
def test_a_planted_plane_is_recovered(right: float, down: float):
    fit = fit_plane(planted(right, down), (5, 7))
    assert fit["slope"] == pytest.approx(right)
    assert fit["slope_y"] == pytest.approx(down)
    assert fit["span"] == pytest.approx(6 * abs(right))
    assert fit["span_y"] == pytest.approx(4 * abs(down))
    assert fit["r2"] == pytest.approx(1)
    assert fit["spearman"] == (None if right == 0 else pytest.approx(np.sign(right)))


def test_a_plane_with_noise_against_least_squares():
    values = planted(0.3, -0.2, noise=1.0)
    row, column = np.indices((5, 7)).reshape(2, -1)
    design = np.column_stack([np.ones(35), column, row])
    (_, right, down), rest, *_ = np.linalg.lstsq(design, values, rcond=None)
    fit = fit_plane(values, (5, 7))
    assert fit["slope"] == pytest.approx(right)
    assert fit["slope_y"] == pytest.approx(down)
    assert fit["r2"] == pytest.approx(1 - rest[0] / (35 * values.var()))
    means = values.reshape(5, 7).mean(0)
    assert fit["spearman"] == pytest.approx(np.asarray(spearmanr(range(7), means))[0])


def test_a_single_column_or_patch_has_no_slope_to_the_right():
    column = fit_plane(np.arange(4.0), (4, 1))
    assert (column["slope"], column["slope_y"], column["spearman"]) == (0, pytest.approx(1), None)
    assert fit_plane(np.ones(1), (1, 1))["slope"] == 0


KEYS = (
    "headline_head", "headline_slope", "headline_span", "headline_spearman", "widest_span",
    "largest_slope", "headline_spearman_EP", "headline_spearman_PP", "headline_spearman_bP",
)  # fmt: skip


@pytest.mark.parametrize("name", ["left_right", "no_gradient"])
def test_alone_a_number_is_that_of_the_analysis(name: str, request: pytest.FixtureRequest):
    recording: Run = request.getfixturevalue(name)
    results: Mapping[str, Result] = request.getfixturevalue(f"{name}_results")
    whole = results["positional_gradient"]
    found = some_gradients(recording, [*KEYS, "null_span", "odd"])
    assert found == {key: whole.number(key) for key in KEYS}


def test_of_a_large_tower_nothing_is_measured_alone(left_right, monkeypatch):
    monkeypatch.setattr("lrinterp.analysis.subject.LARGE", 3)
    assert is_large(left_right.model)
    assert some_gradients(left_right, KEYS) == {}
