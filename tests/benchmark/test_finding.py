"""What the finding says, and what it does not."""

from typing import Any

import numpy as np
import pytest

from lrinterp.benchmark import Benchmark, Scoreboard
from lrinterp.benchmark.finding import against, sentences, share
from lrinterp.benchmark.notes import FEWEST
from lrinterp.benchmark.run import table_of
from lrinterp.result import Scalar


@pytest.fixture
def found(make_row) -> Any:
    """A model that always says the first place, on `n` rows of left and right in turn."""

    def run(n: int, **fields: Any) -> str:
        board = Scoreboard()
        for k in range(n):
            relation = ("left of", "right of")[k % 2]
            more = {"group": str(k), "relation": relation, "right": k % 2, **fields}
            board.add(make_row(**more), np.eye(2)[0])
        table = table_of(board.rows())
        return " ".join(sentences(Benchmark(suite="jsonl", fit="crop", limit=None, table=table)))

    return run


def test_shares_cannot_be_read_as_counts(found):
    said = found(40)
    assert "left in a share of 1.000 [1.000, 1.000] of 20 rows" in said
    assert "right in a share of 0.000 [0.000, 0.000] of 20 rows" in said
    assert "highest in a share of 0.500" in said
    assert "Of the 40 rows that offer it, it says right in a share of 0.000" in said
    assert "it is so in a share of 0.500." in said
    assert share(Scalar(value=1.0)) == "a share of 1.000"


def test_object_swaps_say_nothing_of_words(found):
    said = found(40, foil="object swap")
    assert "recognises" not in said
    assert "says right" not in said


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.5, 0.7, "not told from"), (0.51, 0.7, "above"), (0.1, 0.49, "below"), (None, None, "few")],
)
def test_where_an_interval_lies(low: float | None, high: float | None, words: str):
    assert words in against(Scalar(value=0.6, low=low, high=high, n_units=FEWEST), 0.5)


def test_few_clusters_tell_nothing_of_chance(found):
    """All rows right: above chance with six clusters; with five, nothing but the interval."""
    right = {"relation": "left of", "right": 0}
    assert "1.000 [1.000, 1.000] of cases, averaged over 1 relation: above" in found(6, **right)
    few = found(5, **right)
    assert "1.000 [1.000, 1.000] of cases" in few
    assert "too few clusters to tell from chance (0.5)" in few
    assert "above" not in few
