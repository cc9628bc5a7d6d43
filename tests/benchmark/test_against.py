"""Two models on the same rows: a second computation of every difference, from the rows alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lrinterp.benchmark import Benchmark, against, write_scores
from lrinterp.benchmark.suite_accuracies import Key, macro_mean
from lrinterp.result import Metric, Provenance, document
from lrinterp.stats import Interval, Sample, Units, difference
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


def numbers(found: Metric | Interval) -> Numbers:
    """Value and ends, which must be there."""
    value, low, high = found.value, found.low, found.high
    assert isinstance(value, float)
    assert low is not None
    assert high is not None
    return value, low, high


@pytest.mark.parametrize("measure", ["all", "macro"])
def test_differences_are_those_of_both_samples(make: Make, measure: str):
    scores = make(0.7), make(0.5)
    units = Units.of_groups(pd.factorize(scores[0]["group"])[0])
    stratum = pd.factorize(scores[0]["relation"])[0] if measure == "macro" else np.zeros(150, int)
    if measure == "macro":
        one, other = (macro_mean(s["credit"].to_numpy(), stratum, units) for s in scores)
    else:
        one, other = (Sample.mean(s["credit"].to_numpy()[None], units) for s in scores)
    gap, expected = against(*scores).numbers[Key(measure)], difference(other, one, paired=True)
    assert numbers(gap) == pytest.approx(numbers(expected.interval))
    assert gap.p == pytest.approx(expected.p)
    assert (gap.n, gap.n_units, gap.paired) == (150, units.n, True)


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
