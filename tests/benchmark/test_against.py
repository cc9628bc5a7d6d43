"""Two models on the same rows: a second computation of every difference, from the rows alone."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from lrinterp.benchmark import Benchmark, against, benchmark, write_scores
from lrinterp.benchmark.numbers import Key
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


def test_p_is_that_of_exchanging_groups(make: Make):
    """All 2^n ways, from the sums of the groups."""
    one, other = make(0.7), make(0.6)
    sums = (one["credit"] - other["credit"]).groupby(one["group"]).sum().to_numpy()
    n = len(sums)
    signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    expected = np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9)
    gap = against(one, other).numbers[Key("all")]
    assert gap.p == pytest.approx(expected)
    assert gap.least_p == 2 ** (1 - n)


def test_every_measure_is_compared(make: Make):
    one, other = Benchmark(scores=make(0.7)), Benchmark(scores=make(0.5))
    found = against(one, other)
    compared = {key for key in one.numbers if key.measure != "truth"}
    assert set(found.numbers) == compared
    for key, gap in found.numbers.items():
        assert gap.value == pytest.approx(
            numbers(one.numbers[key])[0] - numbers(other.numbers[key])[0]
        )
        assert gap.paired
    assert set(found.metrics) == set(one.metrics) - {"skipped_rows"}


def test_a_checkpoint_against_itself_gives_exactly_nothing(make: Make):
    found = against(make(0.6), make(0.6))
    assert len(found.numbers) > 10
    for gap in found.numbers.values():
        assert (gap.value, gap.p) == (0.0, 1.0)
        _, low, high = numbers(gap)
        assert low <= 0 <= high


def test_the_other_way_round_every_sign_turns(make: Make):
    one, other = against(make(0.7), make(0.5)), against(make(0.5), make(0.7))
    for key, gap in one.numbers.items():
        back = other.numbers[key]
        value, low, high = numbers(gap)
        assert numbers(back) == pytest.approx((-value, -high, -low))
        assert back.p == gap.p


def test_a_better_model_is_told_from_a_worse_one(make: Make):
    found = against(make(0.9), make(0.3), name="before")
    gap = found.metrics[found.primary]
    assert numbers(gap)[1] > 0.2
    assert gap.p is not None
    assert gap.p < 0.01
    assert "before" in found.finding


def test_pairing_is_what_makes_small_changes_visible(make_row, table_of):
    """One row in five of every group mended: unpaired, the groups' own spread hides that."""
    rng = np.random.default_rng(0)
    rows, before, after = [], [], []
    for group in range(20):
        ease = rng.random()
        for k in range(10):
            rows.append(make_row(group=f"g{group}", where=f"a.csv, row {len(rows)}"))
            before.append(float(rng.random() < ease))
            after.append(1.0 if k % 5 == 0 else before[-1])
    one, other = (
        Benchmark(scores=table_of(*((row, (x, 1 - x)) for row, x in zip(rows, given, strict=True))))
        for given in (after, before)
    )
    three = (against(one, other), one, other)
    (_, low, high), *own = (numbers(found.metrics["accuracy"]) for found in three)
    assert low > 0
    assert high - low < min(end - begin for _, begin, end in own) / 2


def test_other_rows_are_refused(make: Make, tmp_path: Path):
    one, other = make(0.6), make(0.6).iloc[:100]
    path = tmp_path / "other.parquet"
    write_scores(path, other)
    with pytest.raises(InputError, match=r"^before: scores of 100 rows, expected 150$"):
        against(one, path, name="before")


def test_files_tables_and_results_say_the_same(make: Make, tmp_path: Path):
    one, other = make(0.7), make(0.5)
    path = tmp_path / "other.parquet"
    write_scores(path, other)
    frames = [
        against(*pair).frame()
        for pair in ((one, other), (Benchmark(scores=one), path), (one, str(path)))
    ]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


def test_models_that_choose_otherwise_differ(make_row, paint, choosing, tmp_path: Path):
    """From pictures: the one is right on all eight, the other on the left half."""
    rows = [
        make_row(picture=paint(f"{k}.png", k), group=str(k), where=f"a.jsonl, row {k}")
        for k in range(8)
    ]
    models = [choosing({k: "left" if k < n else "right" for k in range(8)}) for n in (8, 4)]
    one, other = (benchmark(model, rows, progress=False) for model in models)
    write_scores(tmp_path / "other.parquet", other.scores)
    found = against(one, tmp_path / "other.parquet")
    assert {key: gap.value for key, gap in found.metrics.items()} == {
        "macro_accuracy": 0.5, "accuracy": 0.5, "horizontal_accuracy": 0.5, "left_recall": 0.5,
        "says_left": 0.5, "says_right": -0.5,
    }  # fmt: skip


def test_it_is_a_result(make: Make):
    found = against(make(0.7), make(0.5), name="before")
    (figure,) = found.figures()
    assert figure.draw().data
    entry = document({"against": found}, Provenance(checkpoint="clip"))["results"]["against"]
    assert entry["summary"]["accuracy"]["value"] == found.metrics["accuracy"].value
    assert entry["table"][0]["p"] == found.frame()["p"][0]
