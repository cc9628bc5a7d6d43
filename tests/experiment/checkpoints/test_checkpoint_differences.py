"""The first section: its words, tiles and tables, saved and loaded, for two checkpoints or more."""

from dataclasses import replace
from typing import Any

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.experiment.checkpoints.checkpoint_differences import Differences, changed, said, told
from lrinterp.experiment.checkpoints.compare import Analysed, differences
from lrinterp.result import records

FIRST: dict[str, Any] = {
    "analysis": "accuracy", "key": "unseen_pair_order", "quantity": "unseen pair order",
    "checkpoint": "a", "name": "", "value": 0.9, "low": 0.85, "high": 0.95, "n": 90, "n_units": 10,
    "difference": None, "difference_low": None, "difference_high": None, "difference_n": None,
    "difference_n_units": None, "paired": "", "p": None, "q": None, "verdict": "",
}  # fmt: skip
ROW = {
    **FIRST, "checkpoint": "b", "value": 0.5, "low": 0.45, "high": 0.55, "difference": -0.4,
    "difference_low": -0.45, "difference_high": -0.35, "difference_n": 90, "difference_n_units": 10,
    "paired": "yes", "p": 0.001, "q": 0.0123, "verdict": "differs",
}  # fmt: skip
NB = "\u00a0"


@pytest.fixture(scope="module")
def two(both: list[Analysed]) -> Differences:
    return differences(both, list(ANALYSES))


@pytest.fixture(scope="module")
def many(both: list[Analysed]) -> Differences:
    return differences([*both, *(replace(both[0], name=n) for n in "abc")], list(ANALYSES))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, f"differs (q{NB}={NB}0.012)"),
        ({"paired": "no"}, f"differs (q{NB}={NB}0.012, not paired)"),
        ({"q": 0.0004}, f"differs (q{NB}<{NB}0.001)"),
        ({"q": None, "verdict": "not tested"}, f"not tested (p{NB}={NB}0.001)"),
        ({"p": None, "q": None, "verdict": "exact"}, "exact"),
        (FIRST, "–"),
    ],
)
def test_what_can_be_said_of_a_difference(change: dict[str, Any], words: str):
    assert told({**ROW, **change}) == words


def test_cells_have_as_many_digits_as_their_interval_deserves():
    assert changed(ROW) == f"−0.40{NB}[−0.45,{NB}−0.35]"
    assert said(ROW) == f"{changed(ROW)} {told(ROW)}"
    assert changed(FIRST) == said(FIRST) == "–"


def test_four_tiles_for_two_checkpoints_and_one_each_for_more(two: Differences, many: Differences):
    assert (len(two.tiles()), len(many.tiles())) == (4, 4)
    assert many.tiles()[1].scalar.value == 0


def test_the_summary_holds_every_number_and_difference(two: Differences, both: list[Analysed]):
    summary = two.metrics
    values = [summary[f"unseen pair order, {name}"].value for name in ("left-right", "no-gradient")]
    change = summary["unseen pair order, no-gradient minus left-right"]
    assert change.value == pytest.approx(float(values[1] or 0) - float(values[0] or 0))
    assert change.low is not None
    headline = both[0].number("positional_gradient", "headline_head")
    assert summary["headline head, left-right"] == headline


def test_the_open_table_has_a_row_a_quantity_and_two_checkpoints_a_column_each(two, both):
    shown = two.overview()
    assert list(shown)[2:] == [
        "left-right", "no-gradient", "no-gradient minus left-right", "Told apart",
    ]  # fmt: skip
    assert shown["Quantity"].tolist() == two.table["quantity"].drop_duplicates().tolist()
    of_accuracy = two.table[two.table["analysis"] == "accuracy"]["key"].nunique()
    assert (shown["Analysis"] == "accuracy").sum() == of_accuracy
    rows = shown.set_index("Quantity").T
    heads = [m.number("positional_gradient", "headline_head").value for m in both]
    assert rows["headline head"].tolist()[1:] == [*heads, "–", "–"]


def test_more_checkpoints_share_columns_and_many_have_a_row(both, many):
    three = differences([*both, replace(both[0], name="a")], ["accuracy"]).overview()
    minus = ["no-gradient minus left-right", "a minus left-right"]
    assert list(three) == ["Analysis", "Quantity", "left-right", *minus]
    rows = records(many.overview())
    names = [f"{name} minus left-right" for name in ("no-gradient", "a", "b", "c")]
    assert [row["Checkpoint"] for row in rows] == names
