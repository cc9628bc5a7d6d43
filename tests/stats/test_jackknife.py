"""Units against plain loops; scales and back, and the half count that keeps bounds finite."""

import numpy as np
import pytest

from lrinterp.stats import CORRELATION, COSINE, GAP, LINEAR, SHARE, WEIGHT, Units

PAIRS = np.array([[4, 7], [7, 4], [9, 4], [9, 9]])
INSIDE = np.array([0.1, 0.5, 0.9])


def test_labels_are_numbered_and_examples_belong_to_all_of_theirs():
    units = Units.of_labels(PAIRS)
    assert units.member.tolist() == [[0, 1], [1, 0], [2, 0], [2, 2]]
    assert (units.n, len(units)) == (3, 4)
    part = units.at(np.array([2, 3]))
    assert part.member.tolist() == Units.of_labels(PAIRS[2:]).member.tolist()


def test_a_label_that_is_missing_is_no_unit():
    singles = Units.of_labels(np.array([[3, -1], [5, -1]]))
    assert singles.member.tolist() == [[0], [1]]
    mixed = Units.of_labels(np.array([[3, -1], [5, 3]]))
    assert mixed.sizes.tolist() == [2, 1]


def test_sums_take_every_example_that_touches_a_unit():
    rng = np.random.default_rng(0)
    labels = np.stack([rng.permutation(5)[:2] for _ in range(40)])
    units, rows = Units.of_labels(labels), rng.normal(size=(3, 40))
    by_hand = [
        [sum(x for x, who in zip(row, labels, strict=True) if k in who) for k in range(5)]
        for row in rows
    ]
    assert units.sums(rows) == pytest.approx(np.array(by_hand))


def test_units_are_worth_their_number_where_they_are_of_equal_size():
    assert Units.of_groups(np.repeat(np.arange(7), 3)).effective == pytest.approx(7)
    every_pair = Units.of_labels(np.stack(np.triu_indices(6, 1), 1))
    assert every_pair.effective == pytest.approx(6)
    assert Units.of_groups(np.array([0] * 50 + [1, 2, 3])).effective == pytest.approx(1, abs=0.01)
    pairs = np.array([(i, 15 + j) for i in range(15) for j in range(5)])
    squares = np.array([1 / 15] * 15 + [1 / 5] * 5) ** 2  # shares of the pairs that touch a label
    expected = squares.sum() ** 2 / (squares**2).sum()
    assert Units.of_labels(pairs).effective == pytest.approx(expected)


@pytest.mark.parametrize("scale", [COSINE, CORRELATION, WEIGHT, LINEAR])
def test_there_and_back(scale):
    assert scale.back(scale.of(INSIDE, np.full(3, 10.0))) == pytest.approx(INSIDE)


def test_half_a_count_is_added_on_either_side():
    found = SHARE.of(np.array([0.0, 1.0, 0.25]), np.full(3, 8.0))
    assert found == pytest.approx(np.log([0.5 / 8.5, 8.5 / 0.5, 2.5 / 6.5]))
    gap = GAP.of(np.array([0.0, 1.0]), np.full(2, 7.0))
    assert gap == pytest.approx([0.0, np.log(7.5 / 0.5)])


def test_other_numbers_keep_off_their_bounds():
    assert np.isfinite(COSINE.of(np.array([-1.0, 1.0]), np.full(2, 5.0))).all()
    high, n = np.array([0.9999]), np.full(1, 5.0)
    assert CORRELATION.of(np.ones(1), n) < COSINE.of(high, n)


@pytest.mark.parametrize("scale", [SHARE, GAP])
@pytest.mark.parametrize("value", [0.0, 0.3, 0.9])
def test_the_slope_is_that_of_one_count(scale, value):
    n, step = 50, 1e-6
    smoothed = lambda x: ((x - scale.low) / (scale.high - scale.low) * n + 0.5) / (n + 1)  # noqa: E731
    log_odds = [np.log(p / (1 - p)) for p in (smoothed(value), smoothed(value) + step)]
    per_share = (log_odds[1] - log_odds[0]) / step
    assert scale.slope(value, n) == pytest.approx(per_share / (scale.high - scale.low), rel=1e-4)
