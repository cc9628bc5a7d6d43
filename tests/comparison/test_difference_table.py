"""Differences: zero for a checkpoint and itself, large where order is lost, and never invented."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from lrinterp import Run, record
from lrinterp.analysis import ANALYSES
from lrinterp.comparison.difference_table import corrected, difference_table
from lrinterp.comparison.measured import Measured, measure
from lrinterp.result import Metric
from lrinterp.scoring import credits

NAMES = list(ANALYSES)


@pytest.fixture(scope="module")
def table(knows: Measured, knows_not: Measured) -> pd.DataFrame:
    return difference_table([knows, knows_not], NAMES)


def row_of(table: pd.DataFrame, key: str, checkpoint: str = "no-gradient") -> pd.Series:
    return table[(table["key"] == key) & (table["checkpoint"] == checkpoint)].iloc[0]


def test_a_checkpoint_does_not_differ_from_itself(knows: Measured):
    again = replace(knows, name="again")
    table = difference_table([knows, again], NAMES)
    compared = table[table["checkpoint"] == "again"]
    known = compared[compared["difference"].notna()]
    assert len(known) >= 40
    assert (known["difference"] == 0).all()
    ends = known[["difference_low", "difference_high"]].dropna()
    assert len(ends) >= 15
    assert ends["difference_high"].to_numpy() == pytest.approx(-ends["difference_low"].to_numpy())
    assert (known["p"].dropna() == 1).all()
    assert set(compared["verdict"]) == {"not told apart", "not tested", "equal", ""}
    assert known["q"].dropna().eq(1).all()


def test_order_is_told_apart_and_what_neither_has_is_not(table: pd.DataFrame):
    order = row_of(table, "unseen_pair_order")
    assert order["difference"] < -0.3
    assert order["q"] < 0.05
    assert (order["verdict"], order["paired"]) == ("differs", "yes")
    without = row_of(table, "order_without_key_position")
    assert without["q"] > 0.05
    assert without["verdict"] == "not told apart"


def test_one_number_of_each_analysis_is_tested(table: pd.DataFrame, knows: Measured):
    tested = table[table["q"].notna()]
    assert tested["primary"].all()
    assert len(tested) >= 5
    assert tested["analysis"].is_unique
    primaries = {name: knows.results[name].primary for name in tested["analysis"]}
    assert dict(zip(tested["analysis"], tested["key"], strict=True)) == primaries
    others = table[table["p"].notna() & table["q"].isna()]
    assert set(others["verdict"]) == {"not tested"}
    assert (others["p"] < 0.001).any()  # of which none is said to differ


def test_a_paired_interval_agrees_with_a_plain_loop(
    table: pd.DataFrame, left_right: Run, no_gradient: Run
):
    one, other = (credits(r.scores, r.examples, "order", "pair") for r in (left_right, no_gradient))
    gaps = (other - one).tolist()
    pairs = [{label for label in row if label >= 0} for row in left_right.examples.image_labels]
    labels = sorted(set().union(*pairs))
    kept = [[g for g, pair in zip(gaps, pairs, strict=True) if k not in pair] for k in labels]
    odds = [log_odds(sum(part), len(part)) for part in kept]
    squares = sum((x - np.mean(odds)) ** 2 for x in odds)
    means = [np.mean(part) for part in kept]
    share = ((sum(gaps) + len(gaps)) / 2 + 0.5) / (len(gaps) + 1)
    most = sum((x - np.mean(means)) ** 2 for x in means) * (1.25 / 2 / share / (1 - share)) ** 2
    counts = [len(gaps) - len(part) for part in kept]
    freedom = sum(c**2 for c in counts) ** 2 / sum(c**4 for c in counts) - 1
    half = student.ppf(0.975, freedom) * math.sqrt(min(squares, most))
    centre = log_odds(sum(gaps), len(gaps))
    row = row_of(table, "unseen_pair_order")
    ends = [2 / (1 + math.exp(-x)) - 1 for x in (centre - half, centre + half)]
    assert row["difference"] == pytest.approx(np.mean(gaps))
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(ends)
    end = log_odds(len(gaps) * ends[1], len(gaps))  # p is 0.05 where the end is 0
    far = centre / (centre - end) * student.ppf(0.975, freedom)
    assert row["p"] == pytest.approx(2 * student.sf(abs(far), freedom))
    assert (row["difference_n"], row["difference_n_units"]) == (len(gaps), len(labels))


def log_odds(total: float, n: int) -> float:
    """Of a mean of n numbers from -1 to 1, half a count added on either side."""
    return math.log(((total + n) / 2 + 0.5) / ((n - total) / 2 + 0.5))


def check_added(row: pd.Series, one: Metric, other: Metric) -> None:
    """A difference of two intervals that are independent of each other."""
    (a, low_a, high_a), (b, low_b, high_b) = (
        [float(x or 0) for x in (s.value, s.low, s.high)] for s in (one, other)
    )
    assert row["paired"] == "no"
    assert row["difference"] == pytest.approx(b - a)
    assert row["difference_low"] == pytest.approx(b - a - math.hypot(b - low_b, high_a - a))
    assert row["difference_high"] == pytest.approx(b - a + math.hypot(high_b - b, a - low_a))
    assert row["difference_n"] == (one.n or 0) + (other.n or 0)


@pytest.mark.usefixtures("one_thread")
def test_other_pictures_are_not_paired_and_their_variances_add(knows: Measured, left_right: Run):
    fewer = left_right.examples.at(np.arange(20, len(left_right.examples)))
    part = measure("part", record(left_right.model, fewer, progress=False), ["accuracy"])
    key = "unseen_pair_order"
    row = row_of(difference_table([knows, part], ["accuracy"]), key, "part")
    check_added(row, knows.scalar("accuracy", key), part.scalar("accuracy", key))


def test_numbers_that_are_not_kept_by_picture_add_their_variances(
    table: pd.DataFrame, knows: Measured, knows_not: Measured
):
    place = ("similarity_attribution", "image_largest_value")
    assert knows.scalar(*place).sample is None
    check_added(row_of(table, place[1]), knows.scalar(*place), knows_not.scalar(*place))


def test_weights_alone_differ_exactly(table: pd.DataFrame):
    span = row_of(table, "headline_span")
    assert span["difference"] < -5
    assert np.isnan(span["p"])
    assert (span["verdict"], span["paired"]) == ("exact", "")
    assert pd.isna(span["difference_n"])
    assert row_of(table, "null_span")["verdict"] == "equal"


def test_a_name_and_what_does_not_apply_have_no_difference(table: pd.DataFrame):
    head = row_of(table, "headline_head")
    assert head["name"].startswith("L0H")
    assert np.isnan(head["value"])
    assert np.isnan(row_of(table, "image_z_effect")["difference"])
    assert np.isnan(head["difference"])
    assert head["verdict"] == ""


def test_every_number_of_every_summary_stands_once(
    table: pd.DataFrame, knows: Measured, knows_not: Measured
):
    keys = {
        key for m in (knows, knows_not) for result in m.results.values() for key in result.metrics
    }
    for name in ("left-right", "no-gradient"):
        assert sorted(table.loc[table["checkpoint"] == name, "key"]) == sorted(keys)
    assert "answer" not in set(table["analysis"])


def test_numbers_that_only_share_a_key_stand_each_for_itself(knows: Measured, knows_not: Measured):
    key = "unseen_pair_order"

    def with_another(measured: Measured) -> Measured:
        terms = measured.results["attention_terms"]
        numbers = {key: Metric(value=2.0), **terms.metrics}
        other = SimpleNamespace(primary=key, metrics=numbers, reason="")
        changed = {**measured.results, "attention_terms": other}
        return replace(measured, results=changed)  # type: ignore[arg-type]

    both = [with_another(one) for one in (knows, knows_not)]
    asked = ["accuracy", "attention_terms", "answer"]
    table = difference_table(both, asked)
    rows = table[table["key"] == key]
    assert list(rows["analysis"]) == 2 * ["accuracy"] + 2 * ["attention_terms"]
    assert list(dict.fromkeys(rows["quantity"])) == [
        "unseen pair order",
        "unseen pair order (attention terms)",
    ]
    assert rows["value"].tolist()[2:] == [2.0, 2.0]


def test_exactly_the_numbers_with_samples_of_the_same_examples_are_paired(
    table: pd.DataFrame, knows: Measured, knows_not: Measured
):
    rows = table[table["checkpoint"] == "no-gradient"]
    found = zip(rows["analysis"], rows["key"], rows["paired"] == "yes", strict=True)
    paired = {(analysis, key): how for analysis, key, how in found}

    def same_examples(place: tuple[str, str]) -> bool:
        one, other = (m.scalar(*place) for m in (knows, knows_not))
        kept = one.sample is not None and other.sample is not None
        return kept and one.examples == other.examples

    assert paired == {place: same_examples(place) for place in paired}
    assert sum(paired.values()) >= 20


def test_the_correction_is_that_of_benjamini_and_hochberg_among_primary_numbers():
    table = pd.DataFrame(
        {
            "p": [0.04, np.nan, 0.01, 0.02, 0.8, 1e-9],
            "primary": [True, True, True, True, True, False],
            "verdict": ["", "equal", *4 * [""]],
        }
    )
    found = corrected(table)
    expected = [0.04 * 4 / 3, 0.04, 0.04, 0.8]  # p x 4 / rank, never above what comes after
    assert found["q"].dropna().tolist() == pytest.approx(expected)
    told = ["not told apart", "equal", "differs", "differs", "not told apart", "not tested"]
    assert found["verdict"].tolist() == told


def test_a_table_without_tests_has_no_q(knows: Measured, knows_not: Measured):
    found = difference_table([knows, knows_not], ["mechanism"])
    assert found["q"].isna().all()
    assert len(found) == 4
