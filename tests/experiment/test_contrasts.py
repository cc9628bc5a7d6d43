"""Contrasts and shares by hand, by least squares, and with effects that were planted."""

import itertools
from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.contrasts import (
    complete,
    contrast,
    grid_means,
    laid_out,
    share_interval,
    shares,
    sources,
)
from lrinterp.result import records
from lrinterp.stats import SHARE, Interval, seed_interval

BY_HAND = np.array([[[0.0, 1.0], [2.0, 3.0]], [[0.0, 1.0], [2.0, 7.0]]])
"""[seed, row, column]: cell means 0 1 / 2 5, grand mean 2, total sum of squares 36."""


def test_shares_by_hand():
    """Row means 0.5, 3.5 (SS 18); column means 1, 3 (SS 8); cells 28, of which 2 are left; 8."""
    assert shares(BY_HAND) == pytest.approx(np.array([18, 8, 2, 8]) / 36)


def test_a_contrast_by_hand():
    """Rows: 2 and 4 by seed, so 3 ± 12.706; columns: 1 and 3, so 2 ± 12.706."""
    rows, columns = contrast(BY_HAND, 1), contrast(BY_HAND, 2)
    assert (rows.value, rows.n) == (pytest.approx(3.0), 2)
    assert (rows.low, rows.high) == pytest.approx((-9.706, 15.706), abs=1e-3)
    assert columns.value == pytest.approx(2.0)


def test_a_contrast_is_paired_by_seed():
    """What a seed shifts everywhere cancels; unpaired, the interval would span it."""
    shift = 100 * np.arange(6.0)[:, None, None]
    found = contrast(np.broadcast_to([[0.0], [1.0]], (6, 2, 1)) + shift, 1)
    assert (found.low, found.high) == pytest.approx((1.0, 1.0))


def least_squares(values: np.ndarray) -> np.ndarray:
    """Shares from the residuals of nested linear models, with dummies for every level."""
    index = np.indices(values.shape).reshape(values.ndim, -1)
    dummies = [np.eye(size)[at] for size, at in zip(values.shape, index, strict=True)]
    one, flat = np.ones((values.size, 1)), values.ravel()
    cells = np.eye(int(np.prod(values.shape[1:])))[
        np.ravel_multi_index(tuple(index[1:]), values.shape[1:])
    ]

    def left(*parts: np.ndarray) -> float:
        design = np.hstack([one, *parts])
        fitted = design @ np.linalg.lstsq(design, flat, rcond=None)[0]
        return float(((flat - fitted) ** 2).sum())

    main = [left() - left(part) for part in dummies[1:]]
    interaction = left(*dummies[1:]) - left(cells)
    return np.array([*main, interaction, left(cells)]) / left()


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (3, 2, 3, 2)])
def test_shares_agree_with_least_squares_and_sum_to_one(shape: tuple[int, ...]):
    values = np.random.default_rng(1).normal(size=shape)
    assert shares(values) == pytest.approx(least_squares(values))
    assert shares(values).sum() == pytest.approx(1)


def planted(rng: np.random.Generator, *, labels: float = 0.0, both: float = 0.0) -> np.ndarray:
    """8 seeds, 6 x 5 cells, noise of variance 1, effects with the variances that are given."""
    rows, columns = standard(6)[:, None], standard(5)[None, :]
    cells = np.sqrt(labels) * rows + np.sqrt(both) * rows * columns
    return cells + rng.normal(size=(8, 6, 5))


def standard(size: int) -> np.ndarray:
    """Equally spaced, of mean 0 and variance 1."""
    steps = np.arange(size) - (size - 1) / 2
    return steps / steps.std()


def estimates(draws: list[np.ndarray], source: int) -> np.ndarray:
    """[draw, (value, low, high)] of one share."""
    weights = np.eye(4)[source]
    found = [share_interval(values, weights) for values in draws]
    return np.array([(one.value, one.low, one.high) for one in found], dtype=float)


@pytest.mark.parametrize(
    ("effects", "truth"),
    [
        ({}, [0, 0, 0, 1]),
        ({"labels": 1.0}, [1 / 2, 0, 0, 1 / 2]),
        ({"labels": 2.0, "both": 1.0}, [1 / 2, 0, 1 / 4, 1 / 4]),
    ],
    ids=["nothing", "labels alone", "labels and interaction"],
)
def test_planted_shares_are_recovered_without_bias_and_covered(effects, truth):
    rng = np.random.default_rng(3)
    draws = [planted(rng, **effects) for _ in range(250)]
    for source, share in enumerate(truth):
        value, low, high = estimates(draws, source).T
        freed = np.array([freed_of_bias(values)[source] for values in draws])
        assert freed.mean() == pytest.approx(share, abs=0.01)
        assert value == pytest.approx(freed.clip(0, 1))
        assert ((low <= share) & (share <= high)).mean() > 0.88


def freed_of_bias(values: np.ndarray) -> np.ndarray:
    """Shares by a jackknife over seeds, which no bound cuts."""
    n = len(values)
    without = [shares(values[np.arange(n) != k]) for k in range(n)]
    return n * shares(values) - (n - 1) * np.mean(without, axis=0)


def test_plain_shares_of_nothing_are_biased():
    """The control of the test above: noise gives a factor (levels - 1) / (models - 1)."""
    rng = np.random.default_rng(3)
    plain = np.mean([shares(planted(rng)) for _ in range(250)], axis=0)
    assert plain[:2] == pytest.approx([5 / 239, 4 / 239], rel=0.15)


def ends(found: Interval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_a_planted_difference_of_shares_excludes_zero_and_none_covers_it():
    rng = np.random.default_rng(4)
    weights = np.array([1.0, -1.0, 0.0, 0.0])
    effect, nothing = planted(rng, labels=1.0), planted(rng)
    assert ends(share_interval(effect, weights))[0] > 0.3
    low, high = ends(share_interval(nothing, weights))
    assert low < 0 < high  # a single share ends at 0 instead
    assert ends(share_interval(nothing, np.eye(4)[0]))[0] == 0


def test_a_contrast_of_shares_stays_within_its_bounds_and_of_other_numbers_is_students():
    """Nearly all models of one level are right and of the other wrong."""
    values = np.array([[[0.0], [1.0]], [[0.02], [1.0]], [[0.0], [0.9]], [[0.0], [1.0]]])
    bounded, free = contrast(values, 1, SHARE), contrast(values, 1)
    assert bounded.value == free.value == pytest.approx(0.97)
    assert 0.97 < ends(bounded)[1] < 1 < ends(free)[1]


def test_shares_need_three_seeds_for_an_interval():
    values, labels = planted(np.random.default_rng(6), labels=1.0), np.eye(4)[0]
    for few in (values[:1], values[:2]):
        found = share_interval(few, labels)
        assert found.value == pytest.approx(shares(few)[0])
        assert (found.low, found.high) == (None, None)
    assert share_interval(values[:3], labels).low is not None


@pytest.mark.parametrize("values", [np.ones((4, 2, 2)), np.empty((0, 2, 2))])
def test_what_does_not_vary_has_no_shares(values: np.ndarray):
    found = share_interval(values, np.array([1.0, 0.0, 0.0, 0.0]))
    assert (found.value, found.low, found.high) == (None, None, None)


def test_a_table_is_laid_out_by_seed_and_level_whatever_its_order(models: Any):
    study, table = models.swept()
    values = laid_out(study, table.sample(frac=1, random_state=0), "fixed", "loss")
    assert values.shape == (4, 3, 2)
    order = laid_out(study, table, "fixed", "accuracy.unseen_pair_order")
    row = table.query("arm == 'fixed' and seed == 12").set_index([models.LABELS, models.LAYOUTS])
    assert order[2, 1, 0] == row.loc[(6, 2), "accuracy.unseen_pair_order"]
    assert sources(study) == [models.LABELS, models.LAYOUTS, "interaction", "seed"]


def test_failed_and_missing_models_are_not_numbers(models: Any):
    study, table = models.swept()
    table.loc[0, "accuracy.unseen_pair_order"] = np.nan
    values = laid_out(study, table.drop(index=1), "full", "accuracy.unseen_pair_order")
    assert np.argwhere(np.isnan(values)).tolist() == [[0, 0, 0], [1, 0, 0]]
    assert complete(values).shape == (2, 3, 2)
    nothing = laid_out(study, table.iloc[:0], "full", "accuracy.unseen_pair_order")
    assert np.isnan(nothing).all()


def test_cells_average_over_other_factors_first(models: Any):
    study = models.study()
    table, order = models.table(study), "accuracy.unseen_pair_order"
    for by in ([models.LABELS, models.LAYOUTS], [models.LAYOUTS], []):
        means = grid_means(study, table, {"loss": "loss", "x": "not measured"}, by)
        assert len(means) == 2 * np.prod([len(study.factors[name]) for name in by], initial=1)
        assert (means["n"] == 4).all()
    means = grid_means(study, table, {order: "order"}, [models.LABELS])
    assert list(means) == ["arm", "measure", models.LABELS, "value", "low", "high", "n"]
    by_seed = table.groupby(["arm", models.LABELS, "seed"], sort=False)[order].mean()
    for row, (_, seeds) in zip(
        records(means), by_seed.groupby(level=[0, 1], sort=False), strict=True
    ):
        expected = seed_interval(seeds.to_numpy(), SHARE)
        found = (row["value"], row["low"], row["high"])
        assert found == pytest.approx((expected.value, expected.low, expected.high))
    slope = "positional_gradient.headline_slope"
    row = records(grid_means(study, table, {slope: "slope"}, []))[0]
    seeds = table[table["arm"] == "full"].groupby("seed")[slope].mean()
    half = 3.18245 * seeds.std() / 2  # no share: Student's t
    assert (row["low"], row["high"]) == pytest.approx((row["value"] - half, row["value"] + half))


def test_a_cell_takes_the_seeds_it_has(models: Any):
    study, table = models.swept(arms=("full",))
    table.loc[[0, 1, 2, 3, 4], "accuracy.unseen_pair_order"] = np.nan
    columns = {"accuracy.unseen_pair_order": "order"}
    means = grid_means(study, table, columns, list(study.factors))
    assert means["n"].tolist() == [0, 3, 4, 4, 4, 4]
    assert means["value"].isna().tolist() == [True] + [False] * 5
    cells = list(itertools.product([3, 6, 12], [2, 30]))
    assert list(means[list(study.factors)].itertuples(index=False, name=None)) == cells
