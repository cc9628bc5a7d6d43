"""What a benchmark says of itself: numbers by name, tables, and that it can be kept."""

from typing import Any

import pytest

from lrinterp.benchmark import Benchmark
from lrinterp.benchmark.suite_result import COLUMNS
from lrinterp.result import records


@pytest.fixture
def ran(make_row, table_of) -> Any:
    """Left and right in turn, each a group, every two a pair, and the scores of both captions."""

    def run(*scores: tuple[float, float], **fields: Any) -> Benchmark:
        rows = []
        for k, pair in enumerate(scores or 8 * [(0.5, 0.5)]):
            side = {"right": k % 2, "relation": ("left of", "right of")[k % 2]}
            rows.append((make_row(group=str(k), pair=str(k // 2), **side, **fields), pair))
        return Benchmark(scores=table_of(*rows))

    return run


def test_the_summary(ran):
    summary = ran((1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 0.0)).metrics
    assert {key: scalar.value for key, scalar in summary.items()} == {
        "macro_accuracy": 0.75, "accuracy": 0.75, "horizontal_accuracy": 0.75,
        "left_recall": 1.0, "right_recall": 0.5, "says_left": 0.75, "says_right": 0.25,
        "pair_accuracy": 0.5, "skipped_rows": 0,
    }  # fmt: skip
    assert (summary["accuracy"].n, summary["accuracy"].n_units) == (4, 4)
    assert (summary["pair_accuracy"].n, summary["right_recall"].n) == (2, 2)


def test_every_number_has_its_chance(ran):
    result = ran()
    measured = [row for row in records(result.frame()) if row["value"] is not None]
    assert list(result.frame()) == COLUMNS
    assert all(row["chance"] is not None for row in measured)
    assert {row["Chance"] for row in records(result.overview())} == {"0.5", "0.25"}
    assert len(result.tiles()) == 5
    assert result.by_relation()["Measure"].tolist() == ["Left of", "Right of"]
