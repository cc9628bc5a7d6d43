"""The first section: its words, tiles and tables, saved and loaded, for two checkpoints or more."""

from dataclasses import replace

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.comparison.differences import Differences, differences
from lrinterp.comparison.measured import Measured
from lrinterp.result import Metric, records

NAMES = list(ANALYSES)


@pytest.fixture(scope="module")
def two(knows: Measured, knows_not: Measured) -> Differences:
    return differences([knows, knows_not], NAMES)


@pytest.fixture(scope="module")
def many(knows: Measured, knows_not: Measured) -> Differences:
    return differences([knows, knows_not, *(replace(knows, name=n) for n in "abc")], NAMES)


def test_the_finding_tells_how_many_differ_and_order(two: Differences):
    assert two.finding.startswith("no-gradient against left-right: ")
    rows = records(two.table[two.table["key"] == "unseen_pair_order"])
    phrases = [Metric.of(row).phrase for row in rows]
    assert f"unseen pair order is {phrases[1]} instead of {phrases[0]}" in two.finding
    assert f"paired on {rows[1]['difference_n']} pictures" in two.finding
    tested = two.tested["verdict"].tolist()
    assert f"{tested.count('differs')} of {len(tested)} tested quantities differ" in two.finding
    assert two.finding.endswith(": differs).")


def test_four_tiles_for_two_checkpoints_and_one_each_for_more(two: Differences, many: Differences):
    labels = [tile.label for tile in two.tiles()]
    assert labels[0] == "Unseen pair order: no-gradient minus left-right"
    assert len(labels) == 4
    assert two.tiles()[0].words.startswith("differs (q")
    assert [tile.label.split(": ")[1] for tile in many.tiles()] == [
        f"{name} minus left-right" for name in ("no-gradient", "a", "b", "c")
    ]
    assert many.tiles()[1].scalar.value == 0


def test_the_summary_holds_every_number_and_difference(two: Differences, knows: Measured):
    summary = two.metrics
    values = [summary[f"unseen pair order, {name}"].value for name in ("left-right", "no-gradient")]
    change = summary["unseen pair order, no-gradient minus left-right"]
    assert change.value == pytest.approx(float(values[1] or 0) - float(values[0] or 0))
    assert change.low is not None
    assert summary["headline head, left-right"] == headline_of(knows)


def headline_of(measured: Measured) -> Metric:
    return measured.scalar("positional_gradient", "headline_head")


def test_the_open_table_says_it_in_words(two: Differences, knows: Measured):
    shown = two.overview()
    rows = {row["Quantity"]: row for row in records(shown)}
    assert rows["unseen pair order"]["Told apart"].startswith("differs")
    assert rows["unseen pair order"]["Analysis"] == "accuracy"
    of_accuracy = two.table[two.table["analysis"] == "accuracy"]
    assert shown["Analysis"].tolist().count("accuracy") == of_accuracy["key"].nunique()
    assert set(of_accuracy["key"]) >= set(knows.results["accuracy"].metrics)
    assert list(shown) == [
        "Analysis",
        "Quantity", "left-right", "no-gradient", "no-gradient minus left-right", "Told apart",
    ]  # fmt: skip
    assert rows["headline head"]["no-gradient minus left-right"] == "–"


def test_more_checkpoints_share_columns_and_many_have_a_row(
    knows: Measured, knows_not: Measured, many: Differences
):
    three = differences([knows, knows_not, replace(knows, name="a")], ["accuracy"]).overview()
    cell = records(three)[0]["no-gradient minus left-right"]
    assert cell.startswith("−0.4")
    assert "] differs (q" in cell
    rows = records(many.overview())
    assert [row["Checkpoint"] for row in rows] == [
        f"{name} minus left-right" for name in ("no-gradient", "a", "b", "c")
    ]
    assert rows[1]["Differ"].startswith("0 of ")
    assert "not told apart" in rows[1]["unseen pair order"]


def test_many_checkpoints_are_counted_in_one_sentence(many: Differences):
    assert many.finding.startswith("Tested quantities that differ from those of left-right: ")
    assert "a in 0 of " in many.finding


def test_lines_for_the_screen(two: Differences, knows: Measured, knows_not: Measured):
    lines = {line[0]: line[1:] for line in two.lines("no-gradient")}
    heads = [headline_of(measured).value for measured in (knows, knows_not)]
    assert lines["headline head"][:2] == heads
    assert lines["unseen pair order"][3].startswith("differs")


def test_the_figure_draws_every_test(two: Differences, many: Differences):
    (figure,) = two.figures()
    assert len(figure.table) == len(two.judged)
    assert figure.how_to_read.count(". ") == 0
    (figure,) = many.figures()
    assert figure.table["checkpoint"].nunique() == 4


def test_what_is_not_paired_or_does_not_apply_is_said(two: Differences):
    text = " ".join(two.caveats)
    assert "no-gradient: activation_patching does not apply: " in text
    assert "Not paired:" in text
    assert "not between their recipes" in text


def test_nothing_to_test_is_said(knows: Measured, knows_not: Measured):
    found = differences([knows, knows_not], ["mechanism"])
    assert found.finding.endswith("no primary quantity has an interval to test.")
    assert found.tiles() == ()
    assert found.figures() == ()
