"""Differences: zero for a checkpoint and itself, large where order is lost, and never invented."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp import analyze, load_checkpoint, record
from lrinterp.analysis import ANALYSES
from lrinterp.experiment.checkpoints.checkpoint_differences import Differences
from lrinterp.experiment.checkpoints.compare import (
    Analysed,
    compare,
    difference_table,
    with_verdicts,
)
from lrinterp.result import Metric
from lrinterp.scoring import credits
from lrinterp.stats import SHARE, Sample, difference

NAMES = list(ANALYSES)
WITHOUT_SAMPLES = ("mechanism", "relation_geometry", "procrustes")
"""Analyses whose numbers with an interval are no means or ratios of means over examples."""


@pytest.fixture(scope="module")
def table(both: list[Analysed]) -> pd.DataFrame:
    return difference_table(both, NAMES)


def row_of(table: pd.DataFrame, key: str, checkpoint: str = "no-gradient") -> pd.Series:
    return table[(table["key"] == key) & (table["checkpoint"] == checkpoint)].iloc[0]


def test_a_checkpoint_does_not_differ_from_itself(both: list[Analysed]):
    table = difference_table([both[0], replace(both[0], name="again")], NAMES)
    compared = table[table["checkpoint"] == "again"]
    known = compared[compared["difference"].notna()]
    assert len(known) >= 40
    assert (known["difference"] == 0).all()
    ends = known[["difference_low", "difference_high"]].dropna()
    assert len(ends) >= 15
    assert ends["difference_high"].to_numpy() == pytest.approx(-ends["difference_low"].to_numpy())
    assert (known["p"].dropna() == 1).all()
    assert known["q"].dropna().eq(1).all()
    assert set(compared["verdict"]) == {"not told apart", "not tested", "equal", ""}


def test_one_number_of_each_analysis_is_tested_and_order_told_apart(table, both):
    order = row_of(table, "unseen_pair_order")
    assert order["difference"] < -0.3
    assert order["q"] < 0.05
    assert (order["verdict"], order["paired"]) == ("differs", "yes")
    without = row_of(table, "order_without_key_position")
    assert without["q"] > 0.05
    assert without["verdict"] == "not told apart"
    tested = table[table["q"].notna()]
    assert len(tested) >= 5
    assert tested["analysis"].is_unique
    assert all(both[0].results[n].primary == k for n, k in tested[["analysis", "key"]].to_numpy())
    others = table[table["p"].notna() & table["q"].isna()]
    assert set(others["verdict"]) == {"not tested"}
    assert (others["p"] < 0.001).any()  # of which none is said to differ


def test_a_paired_number_is_the_difference_of_both_samples(table, left_right, no_gradient):
    samples = []
    for run in (left_right.of("unseen_pair"), no_gradient.of("unseen_pair")):
        credit = credits(run.scores, run.examples, "order", "pair")
        samples.append(Sample.mean(credit[None], run.examples.image_units, SHARE))
    found, row = difference(*samples, paired=True), row_of(table, "unseen_pair_order")
    ends = [found.interval.value, found.interval.low, found.interval.high]
    assert row[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx(ends)
    assert row["p"] == pytest.approx(found.p)
    assert row["difference_n"] == len(samples[0].units)


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


def test_what_is_not_paired_adds_its_variances(table, both, left_right):
    place = ("similarity_attribution", "image_largest_value")  # not kept by picture
    assert both[0].number(*place).sample is None
    check_added(row_of(table, place[1]), both[0].number(*place), both[1].number(*place))
    unseen = left_right.of("unseen_pair").examples
    fewer = record(left_right.model, unseen.at(np.arange(20, len(unseen))), progress=False)
    part = replace(both[0], name="part", results=analyze(fewer, ["accuracy"], progress=False))
    place = ("accuracy", "unseen_pair_order")
    row = row_of(difference_table([both[0], part], ["accuracy"]), place[1], "part")
    check_added(row, both[0].number(*place), part.number(*place))


def test_weights_alone_differ_exactly_and_names_not_at_all(table: pd.DataFrame):
    span, head = row_of(table, "headline_span"), row_of(table, "headline_head")
    assert span["difference"] < -5
    assert (span["verdict"], span["paired"]) == ("exact", "")
    assert span[["p", "difference_n"]].isna().all()
    assert row_of(table, "null_span")["verdict"] == "equal"
    assert head["name"].startswith("L0H")
    assert head[["value", "difference"]].isna().all()
    assert head["verdict"] == ""
    assert np.isnan(row_of(table, "image_z_effect")["difference"])  # does not apply


def test_every_number_of_every_summary_stands_once(table: pd.DataFrame, both: list[Analysed]):
    results = [*both[0].results.values(), *both[1].results.values()]
    keys = {key for result in results for key in result.metrics}
    for name in ("left-right", "no-gradient"):
        assert sorted(table.loc[table["checkpoint"] == name, "key"]) == sorted(keys)
    assert "answer" not in set(table["analysis"])


def test_numbers_that_only_share_a_key_stand_each_for_itself(both: list[Analysed]):
    key = "unseen_pair_order"
    numbers = {key: Metric(value=2.0), **both[0].results["attention_terms"].metrics}
    other: Any = SimpleNamespace(primary=key, metrics=numbers, reason="")
    one = replace(both[0], results={**both[0].results, "attention_terms": other})
    both = [one, replace(one, name="b")]
    table = difference_table(both, ["accuracy", "attention_terms", "answer"])
    rows = table[table["key"] == key]
    assert list(rows["analysis"]) == 2 * ["accuracy"] + 2 * ["attention_terms"]
    words = ["unseen pair order", "unseen pair order (attention terms)"]
    assert list(dict.fromkeys(rows["quantity"])) == words
    assert rows["value"].tolist()[2:] == [2.0, 2.0]


def test_exactly_the_numbers_with_samples_of_the_same_examples_are_paired(table, both):
    rows = table[table["checkpoint"] == "no-gradient"]
    for analysis, key, paired in rows[["analysis", "key", "paired"]].to_numpy():
        one, other = (m.number(analysis, key) for m in both)
        kept = one.sample is not None and other.sample is not None
        assert (paired == "yes") == (kept and one.examples == other.examples), key
    assert (rows["paired"] == "yes").sum() >= 20


def test_a_number_with_an_interval_carries_the_sample_of_its_mean(both: list[Analysed]):
    found = [
        (key, metric)
        for name, result in both[0].results.items()
        for key, metric in result.metrics.items()
        if metric.low is not None and name not in WITHOUT_SAMPLES
    ]
    plain = {key for key, metric in found if metric.sample is None}
    ranked = {key for key, metric in found if metric.estimator == "correlation"}
    assert plain == ranked | {key for key, _ in found if key.endswith("largest_value")}
    sampled = [(key, metric) for key, metric in found if metric.sample is not None]
    assert len(sampled) >= 25
    for key, metric in sampled:
        own = metric.sample.interval  # type: ignore[union-attr]
        assert own.value == pytest.approx(metric.value, abs=1e-12), key
        assert [own.low, own.high] == pytest.approx([metric.low, metric.high], abs=1e-12), key
        assert (own.n, own.n_units, metric.unit) == (metric.n, metric.n_units, "label"), key


def test_the_correction_is_that_of_benjamini_and_hochberg_among_primary_numbers():
    columns = {
        "p": [0.04, np.nan, 0.01, 0.02, 0.8, 1e-9],
        "primary": [True, True, True, True, True, False],
        "verdict": ["", "equal", *4 * [""]],
    }
    found = with_verdicts(pd.DataFrame(columns))
    expected = [0.04 * 4 / 3, 0.04, 0.04, 0.8]  # p x 4 / rank, never above what comes after
    assert found["q"].dropna().tolist() == pytest.approx(expected)
    told = ["not told apart", "equal", "differs", "differs", "not told apart", "not tested"]
    assert found["verdict"].tolist() == told


def test_pictures_that_both_splits_hold_out_are_paired_and_others_not(tiny_run, other_run):
    both = [load_checkpoint(run) for run in (tiny_run, other_run)]
    results = compare([*both, both[0]], ["attention_terms", "accuracy"], progress=False)
    assert list(results) == ["differences", "accuracy", "attention_terms"]
    found = results["differences"]
    assert isinstance(found, Differences)
    assert (found.first, found.others) == ("tiny", ("tiny (2)", "tiny (3)"))
    own = found.table[found.table["checkpoint"] == "tiny (3)"]["difference"].dropna()
    assert len(own) >= 5
    assert (own == 0).all()
    rows = found.table[found.table["checkpoint"] == "tiny (2)"].set_index("key")
    for name in ("unseen_pair", "seen_pair"):
        pictures = [c.scenes().examples().of(name).image.ids.tolist() for c in both]
        paired = "yes" if pictures[0] == pictures[1] else "no"
        assert rows.loc[f"{name}_order", "paired"] == paired
    assert set(rows["paired"]) == {"", "yes", "no"}
