"""Units against plain loops."""

import numpy as np
import pytest

from lrinterp.stats import Units

PAIRS = np.array([[4, 7], [7, 4], [9, 4], [9, 9]])


def test_labels_are_numbered_and_examples_belong_to_all_of_theirs():
    units = Units.of_labels(PAIRS)
    assert units.member.tolist() == [[0, 1], [1, 0], [2, 0], [2, 2]]
    assert (units.n, units.roles, len(units)) == (3, 2, 4)


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


def test_units_of_equal_size_are_worth_their_number():
    assert Units.of_groups(np.repeat(np.arange(7), 3)).effective == pytest.approx(7)
    every_pair = Units.of_labels(np.stack(np.triu_indices(6, 1), 1))
    assert every_pair.effective == pytest.approx(6)


def test_one_large_unit_among_small_ones_is_worth_little():
    assert Units.of_groups(np.array([0] * 50 + [1, 2, 3])).effective == pytest.approx(1, abs=0.01)


def test_few_held_out_labels_with_many_trained_ones():
    pairs = np.array([(i, 15 + j) for i in range(15) for j in range(5)])
    # shares: 15 labels touch 1/15 of the pairs each, five 1/5
    squares = np.array([1 / 15] * 15 + [1 / 5] * 5) ** 2
    assert Units.of_labels(pairs).effective == pytest.approx(
        squares.sum() ** 2 / (squares**2).sum()
    )


def test_some_of_the_examples_are_numbered_anew():
    part = Units.of_labels(PAIRS).at(np.array([2, 3]))
    assert part.n == 2
    assert part.same(Units.of_labels(PAIRS[2:]))
    assert not part.same(Units.of_labels(PAIRS[:2]))
