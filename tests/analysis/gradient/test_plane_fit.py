"""Planes and lines against numpy and scipy, and slopes that are there or not."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from lrinterp.analysis.positional_gradient_rows import fit_plane, fit_row, plane_slopes, slopes


@pytest.mark.parametrize(
    "row",
    [[1.0, 2, 3, 4], [4.0, 2, 1, 0], [0.0, 5, -1, 2, 2], [1e-3, 0, 0, 3e-3], [0.0, 0, 0, -1]],
)
def test_lines_against_numpy_and_scipy(row: list[float]):
    fit, line = fit_row(np.array(row)), np.polyfit(np.arange(len(row)), row, 1)
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
        fit = fit_row(row)
        assert (fit["slope"], fit["span"], fit["r2"], fit["spearman"]) == (0, 0, None, None)
    flat = fit_plane(np.zeros(6), (2, 3))
    assert (flat["slope_y"], flat["span_y"], flat["r2"]) == (0, 0, None)


def test_slopes_of_many_rows_are_those_of_each():
    rows = np.random.default_rng(0).normal(size=(4, 7))
    expected = [np.polyfit(np.arange(7), row, 1)[0] for row in rows]
    np.testing.assert_allclose(slopes(rows), expected)
    np.testing.assert_allclose(plane_slopes(rows, (1, 7)), [expected, np.zeros(4)])


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


def test_shuffled_patches_keep_no_slope():
    """In the mean over shuffles; the planted plane is far outside of them."""
    rng = np.random.default_rng(0)
    values = planted(0.5, -0.5)
    shuffled = np.stack([rng.permutation(values) for _ in range(400)])
    found = plane_slopes(shuffled, (5, 7))
    assert np.abs(found.mean(1)).max() < 0.05
    assert np.quantile(np.abs(found), 0.95, axis=1).max() < 0.4


def test_a_single_column_or_patch_has_no_slope_to_the_right():
    column = fit_plane(np.arange(4.0), (4, 1))
    assert (column["slope"], column["slope_y"], column["spearman"]) == (0, pytest.approx(1), None)
    assert fit_plane(np.ones(1), (1, 1))["slope"] == 0
