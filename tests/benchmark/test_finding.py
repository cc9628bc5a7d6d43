"""What the finding says, and what it does not."""

import re
from typing import Any

import pytest

from lrinterp.benchmark import Benchmark
from lrinterp.benchmark.finding import sentences, share
from lrinterp.grades import beside
from lrinterp.result import Metric


@pytest.fixture
def found(make_row, table_of) -> Any:
    """A model that always says the first place, on `n` rows of left and right in turn."""

    def run(n: int, **fields: Any) -> str:
        rows = []
        for k in range(n):
            relation = ("left of", "right of")[k % 2]
            more = {"group": str(k), "relation": relation, "right": k % 2, **fields}
            rows.append((make_row(**more), (1.0, 0.0)))
        return " ".join(sentences(Benchmark(scores=table_of(*rows))))

    return run


def test_shares_cannot_be_read_as_counts(found):
    said = found(40)
    assert re.search(r"left in a share of 1\.\d+ \[0\.\d+, 1\.\d+\] of 20 rows", said)
    assert re.search(r"right in a share of 0\.\d+ \[0\.0\d*, 0\.\d+\] of 20 rows", said)
    assert "highest in a share of 0.5" in said
    assert "Of the 40 rows that offer it, it says right in a share of 0.0" in said
    assert "it is so in a share of 0.500." in said
    assert share(Metric(value=1.0)) == "a share of 1.000"


def test_object_swaps_say_nothing_of_words(found):
    said = found(40, foil="object swap")
    assert "recognises" not in said
    assert "says right" not in said


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.49, 0.7, "not told from"),
        (0.51, 0.7, "above"),
        (0.1, 0.49, "below"),
        (0.46, 0.54, "whole interval within"),
        (0.4, 0.9, "too few"),
        (None, None, "too few"),
    ],
)
def test_where_an_interval_lies(low: float | None, high: float | None, words: str):
    assert words in beside(Metric(value=0.5, low=low, high=high, n_units=6), 0.5)


@pytest.mark.parametrize(("n", "says"), [(40, "above chance (0.5)"), (1, "too few to say")])
def test_few_groups_tell_nothing_of_chance(found, n: int, says: str):
    """All rows right: surely above chance with many groups; with one there is no interval."""
    assert says in found(n, relation="left of", right=0)
