"""Differences: zero for a checkpoint and itself, large where order is lost, and never invented."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lrinterp import Recording
from lrinterp.analysis import ANALYSES
from lrinterp.comparison.difference_table import added, corrected, difference_table
from lrinterp.comparison.measured import Measured, measure
from lrinterp.result import Scalar
from lrinterp.scoring import credits
from lrinterp.stats import DRAWS

NAMES = list(ANALYSES)


@pytest.fixture(scope="module")
def table(knows: Measured, knows_not: Measured) -> pd.DataFrame:
    return difference_table([knows, knows_not], NAMES)


def row_of(table: pd.DataFrame, key: str) -> pd.Series:
    return table[(table["key"] == key) & (table["checkpoint"] == "no-gradient")].iloc[0]


def test_a_checkpoint_does_not_differ_from_itself(knows: Measured):
    again = replace(knows, name="again")
    table = difference_table([knows, again], NAMES)
    compared = table[table["checkpoint"] == "again"]
    known = compared[compared["difference"].notna()]
    assert len(known) >= 40
    assert (known["difference"] == 0).all()
    for end in ("difference_low", "difference_high"):
        assert known[end].fillna(0).eq(0).all()
    assert known["difference_low"].notna().sum() >= 15
    assert set(compared["verdict"]) == {"not told apart", "equal", ""}
    assert known["q"].dropna().eq(1).all()


def test_order_is_told_apart_and_label_sets_are_not(table: pd.DataFrame):
    order = row_of(table, "unseen_pair_order")
    assert order["difference"] < -0.4
    assert order["q"] < 0.05
    assert (order["verdict"], order["paired"]) == ("differs", "yes")
    labels = row_of(table, "label_set_closed_without_key_position")
    assert labels["q"] > 0.05
    assert labels["verdict"] == "not told apart"


def test_a_paired_interval_agrees_with_a_plain_loop(
    table: pd.DataFrame, left_right: Recording, no_gradient: Recording
):
    one, other = (credits(r.scores, r.examples, "order", "pair") for r in (left_right, no_gradient))
    clusters = left_right.examples.image_label_set
    names = sorted(set(clusters.tolist()))
    by_pair = [(other - one)[clusters == name] for name in names]
    counts = np.random.default_rng(0).multinomial(len(names), [0.1] * len(names), size=DRAWS)
    replicates = []
    for count in counts:
        drawn = [values for values, k in zip(by_pair, count, strict=True) for _ in range(k)]
        replicates.append(np.concatenate(drawn).mean())
    row = row_of(table, "unseen_pair_order")
    ends = [row["difference_low"], row["difference_high"]]
    assert row["difference"] == pytest.approx(other.mean() - one.mean())
    assert ends == pytest.approx(np.percentile(replicates, [2.5, 97.5]).tolist())
    rarer = sum(value >= 0 for value in replicates)
    assert row["p"] == pytest.approx(2 * (1 + rarer) / (1 + DRAWS))


@pytest.mark.usefixtures("one_thread")
def test_other_pictures_are_not_paired_and_their_variances_add(
    knows: Measured, left_right: Recording
):
    fewer = left_right.examples.at(np.arange(20, len(left_right.examples)))
    from lrinterp import record

    part = measure("part", record(left_right.model, fewer, progress=False), ["accuracy"])
    row = difference_table([knows, part], ["accuracy"]).query(
        "key == 'unseen_pair_order' and checkpoint == 'part'"
    )
    assert row["paired"].item() == "no"
    scalars = [m.scalar("accuracy", "unseen_pair_order") for m in (knows, part)]
    widths = [float(s.high or 0) - float(s.low or 0) for s in scalars]
    width = (row["difference_high"] - row["difference_low"]).item()
    assert width == pytest.approx(math.hypot(*widths), rel=0.15)
    assert row["difference_n"].item() == sum(s.n or 0 for s in scalars)


def test_known_intervals_alone_add_their_variances():
    one = Scalar(value=0.5, low=0.2, high=0.8, n=10, n_units=2)
    two = Scalar(value=1.5, low=1.1, high=1.9, n=5)
    found = added(one, two).interval
    assert found.value == 1
    assert (found.low, found.high) == pytest.approx((0.5, 1.5))  # 0.3 and 0.4 make 0.5
    assert (found.n, found.n_units) == (15, 2)
    assert added(one, two).p == pytest.approx(8.9e-5, rel=0.01)  # 1 / 0.5 x 1.96 = 3.92 errors
    point = Scalar(value=1.0, low=1.0, high=1.0)
    assert added(point, point).p == 1
    assert added(point, replace(point, value=2.0)).p == 0


def test_weights_alone_differ_exactly(table: pd.DataFrame):
    span = row_of(table, "headline_span")
    assert span["difference"] < -5
    assert np.isnan(span["p"])
    assert (span["verdict"], span["paired"]) == ("not tested", "")
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
        key for m in (knows, knows_not) for result in m.results.values() for key in result.summary
    }
    for name in ("left-right", "no-gradient"):
        assert sorted(table.loc[table["checkpoint"] == name, "key"]) == sorted(keys)
    assert "answer" not in set(table["analysis"])


def test_the_correction_is_that_of_benjamini_and_hochberg():
    table = pd.DataFrame(
        {"p": [0.04, np.nan, 0.01, 0.02, 0.8], "verdict": ["", "equal", *3 * [""]]}
    )
    found = corrected(table)
    expected = [0.04 * 4 / 3, 0.04, 0.04, 0.8]  # p x 4 / rank, never above what comes after
    assert found["q"].dropna().tolist() == pytest.approx(expected)
    told = ["not told apart", "equal", "differs", "differs", "not told apart"]
    assert found["verdict"].tolist() == told


def test_a_table_without_tests_has_no_q(knows: Measured, knows_not: Measured):
    found = difference_table([knows, knows_not], ["mechanism"])
    assert found["q"].isna().all()
    assert len(found) == 4
