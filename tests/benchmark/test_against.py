"""Two models on the same rows: a second computation of every difference, from the rows alone."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from lrinterp.benchmark import Benchmark, against, write_scores
from lrinterp.benchmark.suite_accuracies import Key
from lrinterp.result import Metric, Provenance, document
from lrinterp.store import InputError

Make = Callable[..., pd.DataFrame]
Numbers = tuple[float, float, float]
SIDES = ("left of", "right of", "above")


@pytest.fixture
def make(make_row, table_of) -> Make:
    """Some 150 rows in 11 groups of unequal size, right with a probability that grows with `skill`.

    Rows do not depend on the skill, nor does the luck of a row.
    """

    def table(skill: float) -> pd.DataFrame:
        rng = np.random.default_rng(7)
        rows = []
        for k in range(150):
            relation = SIDES[int(rng.integers(3))]
            ease, group = rng.random(), int(11 * rng.random() ** 1.5)
            about = {
                "relation": relation,
                "axis": "vertical" if relation == "above" else "horizontal",
                "group": f"g{group}",
                "pair": f"p{k // 2}",
                "where": f"relations.jsonl, row {k + 1}",
            }
            rows.append((make_row(**about), (1.0, 0.0) if ease < skill else (0.0, 1.0)))
        return table_of(*rows)

    return table


def numbers(found: Metric) -> Numbers:
    """Value and ends, which must be there."""
    value, low, high = found.value, found.low, found.high
    assert isinstance(value, float)
    assert low is not None
    assert high is not None
    return value, low, high


def mean_without(frame: pd.DataFrame, group: str | None, *, macro: bool) -> float:
    """The mean credit, or that over relations, of the rows of all other groups."""
    kept = frame[frame["group"] != group]
    return float(
        kept.groupby("relation")["credit"].mean().mean() if macro else kept["credit"].mean()
    )


def by_hand(one: pd.DataFrame, other: pd.DataFrame, *, macro: bool) -> Numbers:
    """Difference and ends of a jackknife that leaves each group out of both, on the log odds."""
    groups, n = one.groupby("group").size(), len(one)

    def gap(group: str | None) -> float:
        return mean_without(one, group, macro=macro) - mean_without(other, group, macro=macro)

    def scaled(value: float, n: int) -> float:
        share = (value + 1) / 2
        return math.log((share * n + 0.5) / ((1 - share) * n + 0.5))

    value, without = gap(None), np.array([gap(str(group)) for group in groups.index])
    on_scale = [scaled(*pair) for pair in zip(without, n - groups, strict=True)]
    share = ((value + 1) / 2 * n + 0.5) / (n + 1)
    most = np.var(without) * len(groups) * (1.25 / 2 / (share * (1 - share))) ** 2
    error = math.sqrt(min(np.var(on_scale) * len(groups), most))
    freedom = (groups**2).sum() ** 2 / (groups**4).sum() - 1
    half = student.ppf(0.975, freedom) * error
    ends = [2 / (1 + math.exp(-scaled(value, n) - x)) - 1 for x in (-half, half)]
    return value, min(ends[0], value), max(ends[1], value)


@pytest.mark.parametrize("measure", ["all", "macro"])
def test_differences_are_those_of_a_jackknife_over_groups(make: Make, measure: str):
    one, other = make(0.7), make(0.5)
    gap = against(one, other).numbers[Key(measure)]
    expected = by_hand(one, other, macro=measure == "macro")
    assert numbers(gap) == pytest.approx(expected)
    assert (gap.n, gap.n_units, gap.paired) == (150, one["group"].nunique(), True)


def test_every_measure_is_compared(make: Make):
    one, other = Benchmark(scores=make(0.7)), Benchmark(scores=make(0.5))
    found, turned = against(one, other), against(other, one)
    assert set(found.numbers) == {key for key in one.numbers if key.measure != "truth"}
    assert set(found.metrics) == set(one.metrics) - {"skipped_rows"}
    for key, gap in found.numbers.items():
        value, low, high = numbers(gap)
        assert value == pytest.approx(numbers(one.numbers[key])[0] - numbers(other.numbers[key])[0])
        assert numbers(turned.numbers[key]) == pytest.approx((-value, -high, -low))
        assert (gap.p, gap.paired) == (turned.numbers[key].p, True)
    for gap in against(one, one).numbers.values():
        assert (gap.value, gap.p) == (0.0, 1.0)
        _, low, high = numbers(gap)
        assert low <= 0 <= high


def test_files_tables_and_results_say_the_same(make: Make, tmp_path: Path):
    one, other, path = make(0.7), make(0.5), tmp_path / "other.parquet"
    write_scores(path, other)
    found = against(one, other)
    for pair in ((Benchmark(scores=one), path), (one, str(path))):
        pd.testing.assert_frame_equal(against(*pair).frame(), found.frame())
    entry = document({"against": found}, Provenance(checkpoint="clip"))["results"]["against"]
    assert entry["summary"]["accuracy"]["value"] == found.metrics["accuracy"].value
    assert entry["table"][0]["p"] == found.frame()["p"][0]
    write_scores(path, other.iloc[:100])
    with pytest.raises(InputError, match=r"^before: scores of 100 rows, expected 150$"):
        against(one, path, name="before")
