"""Criteria: what an interval says of a bound, and criteria that cannot be."""

from typing import Any

import pytest

from lrinterp.stats import Interval
from lrinterp.store import InputError, from_plain
from lrinterp.study.criteria import Criterion, judge

PLAIN = {
    "id": "a",
    "claim": "A claim.",
    "column": "unseen_pair_order",
    "statistic": "contrast",
    "of": "split.n_pair",
    "between": [3, 15],
    "at_least": 0.05,
}
FACTORS = {"split.n_pair": [3, 5, 15], "split.layouts_per_pair": [1, 30]}


def changed(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (PLAIN | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.06, 0.2, "holds"),
        (0.05, 0.2, "holds"),
        (0.04, 0.2, "undecided"),
        (-0.1, 0.05, "undecided"),
        (-0.1, 0.049, "does not hold"),
        (None, None, "undecided"),
        (0.2, 0.2, "undecided"),
    ],
)
def test_at_least_and_its_mirror_image_at_most(low: Any, high: Any, verdict: str):
    least = from_plain(Criterion, PLAIN, "x")
    assert judge(least, Interval(value=0.1, low=low, high=high, n=8)) == verdict
    most = from_plain(Criterion, changed(at_least=None, at_most=-0.05), "x")
    ends = (None, None) if low is None else (-high, -low)
    assert judge(most, Interval(value=-0.1, low=ends[0], high=ends[1], n=8)) == verdict


def test_bounds_in_words():
    assert from_plain(Criterion, PLAIN, "x").bound == "at least 0.05"
    most = from_plain(Criterion, changed(at_least=None, at_most=0.1), "x")
    assert most.bound == "at most 0.1"


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (changed(at_least=None), "at_least: expected one of at_least and at_most"),
        (changed(at_most=0.1), "at_least: expected one of at_least and at_most"),
        (changed(between=None), "between: expected two values for a contrast"),
        (changed(statistic="share"), "between: expected two values for a contrast"),
        (changed(minus="seed"), "minus: expected a source for share_difference"),
        (changed(statistic="mean"), "statistic: expected one of contrast, share"),
        (changed(bound=3), "unknown field 'bound'"),
    ],
)
def test_a_criterion_that_cannot_be_is_refused(plain: dict[str, Any], words: str):
    with pytest.raises(InputError) as caught:
        from_plain(Criterion, plain, "verdicts[1]")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (
            changed(of="split.n_val"),
            "of: expected one of split.n_pair, split.layouts_per_pair, got",
        ),
        (changed(of="seed"), "of: expected one of split.n_pair, split.layouts_per_pair, got"),
        (changed(column="unseen_order"), "got 'unseen_order'; did you mean unseen_pair_order?"),
        (changed(column="x"), "column: expected a measured column such as unseen_pair_order, got"),
        (changed(between=[3, 3]), "between: expected two of 3, 5, 15, got [3, 3]"),
        (
            changed(statistic="share_difference", between=None, minus="split.n_pair"),
            "minus: expected another source than of, got 'split.n_pair'",
        ),
        (changed(between=[3, 4]), "between: expected two of 3, 5, 15, got [3, 4]"),
        (changed(between=[3, 5, 15]), "between: expected two of 3, 5, 15"),
        (
            changed(statistic="share_difference", between=None, minus="nothing"),
            "minus: expected one of split.n_pair, split.layouts_per_pair, interaction, seed",
        ),
    ],
)
def test_factors_and_values_that_the_grid_lacks_are_refused(plain: dict[str, Any], words: str):
    with pytest.raises(InputError) as caught:
        from_plain(Criterion, plain, "x").check(FACTORS, "verdicts[1]")
    assert words in str(caught.value)


def test_interaction_and_seed_are_sources_of_variance():
    for of in ("interaction", "seed", "split.n_pair"):
        plain = changed(statistic="share", between=None, of=of)
        from_plain(Criterion, plain, "x").check(FACTORS, "x")
        assert from_plain(Criterion, plain, "x").of == of
