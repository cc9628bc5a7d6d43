"""Criteria that cannot be, and the bounds of those that can."""

from typing import Any

import pytest

from lrinterp.experiment.criteria import Criterion
from lrinterp.store import InputError, from_plain

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


def test_bounds_in_words():
    assert str(from_plain(Criterion, PLAIN, "x").bound) == "at least 0.05"
    most = from_plain(Criterion, changed(at_least=None, at_most=0.1), "x")
    assert str(most.bound) == "at most 0.1"


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
        (
            changed(column="x"),
            "column: expected a number of an analysis, such as accuracy.unseen_pair_order, got",
        ),
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
