"""The right word for planted numbers, on both sides of every bound."""

import numpy as np
import pytest

from lrinterp.grades import beside, grade
from lrinterp.result import Metric
from lrinterp.stats import Interval, Units, mean_interval


def number(value: float | None, low: float | None, high: float | None, n: int = 10) -> Interval:
    return Interval(value=value, low=low, high=high, n=100, n_units=n)


CASES = [
    # knows: all of the interval at least half way from chance to 1
    (0.95, 0.84, 0.98, "knows"),
    (0.80, 0.75, 0.85, "knows"),
    (1.00, 0.97, 1.00, "knows"),
    (0.80, 0.7499, 0.85, "in part"),
    # the case that was called "knows" by its value
    (0.773, 0.68, 0.87, "in part"),
    (0.56, 0.501, 0.62, "in part"),
    # at chance needs an interval inside the band, not a value there
    (0.50, 0.46, 0.54, "at chance"),
    (0.53, 0.51, 0.55, "at chance"),
    (0.50, 0.4499, 0.54, "undecided"),
    (0.50, 0.40, 0.60, "undecided"),
    (0.53, 0.499, 0.561, "undecided"),
    (0.50, 0.30, 0.70, "undecided"),
    # so wide that nothing could have been shown
    (0.60, 0.20, 0.90, "too few"),
    (0.50, 0.25, 0.75, "too few"),
    (0.95, 0.30, 1.00, "too few"),
    # below chance
    (0.30, 0.20, 0.499, "below chance"),
    (0.00, 0.00, 0.02, "below chance"),
    # no interval, or one without width: nothing is known of other labels
    (0.95, None, None, "too few"),
    (1.00, 1.0, 1.0, "too few"),
    (0.50, 0.5, 0.5, "too few"),
    (None, None, None, "too few"),
]


@pytest.mark.parametrize(("value", "low", "high", "word"), CASES)
def test_the_word_follows_the_interval(value, low, high, word):
    assert grade(number(value, low, high), 0.5) == word
    assert grade(Metric(value=value, low=low, high=high, n_units=3), 0.5) == word


def test_half_way_depends_on_chance_and_may_be_given():
    assert grade(number(0.5, 0.4, 0.6), 1 / 6) == "in part"
    assert grade(number(0.7, 0.6, 0.8), 1 / 6) == "knows"
    assert grade(number(0.7, 0.6, 0.8), 0.5, 0.6) == "knows"


@pytest.mark.parametrize(
    ("pictures", "word"), [(2, "too few"), (8, "too few"), (16, "in part"), (400, "knows")]
)
def test_all_right_on_few_pictures_is_not_knowing(pictures, word):
    units = Units.of_groups(np.arange(pictures) // 2)
    found = mean_interval(np.ones(pictures), units)
    assert grade(found, 0.5) == word


@pytest.mark.parametrize(
    ("pictures", "word"), [(4, "too few"), (16, "undecided"), (400, "at chance")]
)
def test_mirror_images_that_split_are_at_chance_only_when_many(pictures, word):
    found = mean_interval(
        np.tile([0.0, 1.0], pictures // 2), Units.of_groups(np.arange(pictures) // 2)
    )
    assert grade(found, 0.5) == word


def test_a_suite_is_above_below_at_or_not_told_from_its_chance():
    words = [
        beside(number(0.4, 0.3, 0.5), 0.25),
        beside(number(0.1, 0.05, 0.2), 0.25),
        beside(number(0.25, 0.22, 0.28), 0.25),
        beside(number(0.3, 0.15, 0.45), 0.25),
    ]
    assert [text.split(" chance")[0] for text in words] == ["above", "below", "at", "not told from"]
