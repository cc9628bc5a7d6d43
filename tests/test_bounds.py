"""Bounds: what an interval says of them."""

from typing import Any

import pytest

from lrinterp.bounds import Bound, judge
from lrinterp.stats import Interval


def found(low: float | None, high: float | None, n: int = 8) -> Interval:
    middle = None if low is None or high is None else (low + high) / 2
    return Interval(value=middle, low=low, high=high, n=n)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.06, 0.2, "holds"),
        (0.05, 0.2, "holds"),
        (0.04, 0.2, "undecided"),
        (-0.1, 0.05, "undecided"),
        (-0.1, 0.049, "does not hold"),
        (None, None, "undecided"),
    ],
)
def test_at_least_and_its_mirror_image_at_most(low: Any, high: Any, verdict: str):
    assert judge(Bound(at_least=0.05), found(low, high)) == verdict
    ends = (None, None) if low is None else (-high, -low)
    assert judge(Bound(at_most=-0.05), found(*ends)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.3, "holds"),
        (0.09, 0.2, "undecided"),
        (0.2, 0.31, "undecided"),
        (0.0, 1.0, "undecided"),
        (0.0, 0.09, "does not hold"),
        (0.31, 1.0, "does not hold"),
    ],
)
def test_a_bound_with_two_ends(low: float, high: float, verdict: str):
    assert judge(Bound(at_least=0.1, at_most=0.3), found(low, high)) == verdict


def test_equal_samples_decide_where_there_are_six():
    """Five equal signs have probability 1/16 both ways together, six 1/32."""
    assert judge(Bound(at_least=0.9), found(1.0, 1.0, n=5)) == "undecided"
    assert judge(Bound(at_least=0.9), found(1.0, 1.0, n=6)) == "holds"
    assert judge(Bound(at_most=0.9), found(1.0, 1.0, n=6)) == "does not hold"


def test_bounds_in_words():
    assert str(Bound(at_least=0.05)) == "at least 0.05"
    assert str(Bound(at_most=-100.0)) == "at most -100"
    assert str(Bound(at_least=-100.0, at_most=100.0)) == "-100 to 100"


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({}, "at_least: expected at_least, at_most or both"),
        ({"at_most": float("nan")}, "expected a finite bound, got nan"),
        ({"at_least": 0.3, "at_most": 0.1}, "at_most: expected at least 0.3, got 0.1"),
    ],
)
def test_bounds_that_cannot_be_are_refused(ends: dict[str, float], words: str):
    with pytest.raises(ValueError, match=words):
        Bound(**ends)
