"""Numbers as readers meet them."""

import pytest

from lrinterp.wording import counted, plain_number, signed


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(0.126, 2, "0.13"), (-1.25, 1, "−1.2"), (-0.001, 2, "0.00"), (0.0, 3, "0.000")],
)
def test_fixed_decimals_with_a_true_minus(value: float, digits: int, expected: str):
    assert signed(value, digits) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.12345, "0.123"), (-1.006, "−1.01"), (3.02e-7, "3.02e−07"), (-0.0, "0")],
)
def test_three_figures(value: float, expected: str):
    assert plain_number(value) == expected


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, "1 picture"), (0, "0 pictures"), (None, "0 pictures"), (1200, "1,200 pictures")],
)
def test_a_count_agrees_with_its_noun(n: int | None, expected: str):
    assert counted(n, "picture") == expected
