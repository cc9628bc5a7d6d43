"""Criteria that cannot be, and the bounds of those that can."""

from typing import Any

import pytest

from lrinterp.experiment.criteria import Criterion
from lrinterp.store import InputError

PLAIN = {
    "id": "a", "claim": "A claim.", "column": "unseen_pair_order", "statistic": "contrast",
    "of": "split.n_pair", "between": [3, 15], "at_least": 0.05,
}  # fmt: skip
FACTORS = {"split.n_pair": [3, 5, 15], "split.layouts_per_pair": [1, 30]}


def changed(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (PLAIN | changes).items() if v is not None}


REFUSED = [
    (changed(at_least=None), "at_least: expected one of at_least and at_most"),
    (changed(at_most=0.1), "at_least: expected one of at_least and at_most"),
    (changed(between=None), "between: expected two values for a contrast"),
    (changed(minus="seed"), "minus: expected a source for share_difference"),
    (changed(statistic="mean"), "statistic: expected one of contrast, share"),
    (changed(bound=3), "unknown field 'bound'"),
    (changed(of="seed"), "of: expected one of split.n_pair, split.layouts_per_pair, got"),
    (changed(column="unseen_order"), "number 'unseen_order': expected analysis.key"),
    (changed(between=[3, 3]), "between: expected two of 3, 5, 15, got [3, 3]"),
    (changed(between=[3, 4]), "between: expected two of 3, 5, 15, got [3, 4]"),
    (
        changed(statistic="share_difference", between=None, minus="split.n_pair"),
        "minus: expected one of split.layouts_per_pair, interaction, seed, got 'split.n_pair'",
    ),
]


@pytest.mark.parametrize(("plain", "words"), REFUSED)
def test_a_criterion_that_cannot_be_is_refused(plain: dict[str, Any], words: str):
    with pytest.raises(InputError) as caught:
        Criterion.from_plain(plain, FACTORS, "verdicts[1]")
    assert str(caught.value).startswith("verdicts[1]")
    assert words in str(caught.value)


@pytest.mark.parametrize("of", ["interaction", "seed", "split.n_pair"])
def test_interaction_and_seed_are_sources_of_variance(of: str):
    plain = changed(statistic="share", between=None, of=of)
    assert Criterion.from_plain(plain, FACTORS, "x").of == of
