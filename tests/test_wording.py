"""Numbers as readers meet them."""

import numpy as np
import pytest

from lrinterp.wording import counted, decimals, head_name, head_place, plain_number, signed


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.126, 2, "0.13"),
        (-1.25, 1, "−1.2"),
        (-0.001, 2, "0.00"),
        (0.0, 3, "0.000"),
        (-0.0, 1, "0.0"),
    ],
)
def test_fixed_decimals_with_a_true_minus(value: float, digits: int, expected: str):
    assert signed(value, digits) == expected


def test_no_end_that_an_interval_tells_from_zero_is_rounded_to_it():
    for half in (1.7 * 10.0 ** np.arange(-12, 4)).tolist():
        for value in (half, -half, 30 * half):
            written = float(signed(value, decimals(half)).replace("−", "-"))
            assert written * value > 0
            assert abs(written - value) <= 0.2 * half
    assert float(signed(0.0, 9)) == 0


@pytest.mark.parametrize(
    ("half", "expected"),
    [(0.0, 3), (1e-9, 10), (0.0029, 4), (0.0031, 3), (0.031, 2), (0.99, 2), (2.9, 1), (3.1, 0),
     (310.0, 0)],
)  # fmt: skip
def test_decimals_of_an_interval(half: float, expected: int):
    assert decimals(half) == expected


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


def test_a_head_s_name_gives_its_place_back():
    assert head_name(0, 2) == "L0H2"
    assert [head_place(head_name(*place)) for place in ((0, 2), (11, 10))] == [(0, 2), (11, 10)]
