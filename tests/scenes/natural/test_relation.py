from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lrinterp.scenes.natural import BadRow, Relation
from lrinterp.store import InputError

GOOD = Relation(
    suite="jsonl",
    where="relations.jsonl, row 3",
    picture=Path("a.png"),
    crop=(0, 0, 10, 10),
    captions=("a cup left of a hat", "a cup right of a hat"),
    right=1,
    relation="right of",
    axis="horizontal",
    group="a.png",
    foil="word swap",
    boxes={"subject": (0.5, 0.0, 1.0, 1.0)},
)


def test_what_a_suite_does_not_know_is_empty():
    assert (GOOD.subject, GOOD.object, GOOD.pair, GOOD.set, GOOD.subset) == ("",) * 5
    assert GOOD.in_macro


def test_records_are_compared_and_hashed_by_value():
    assert {GOOD, replace(GOOD)} == {GOOD}
    assert replace(GOOD, right=0) != GOOD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": ("one",), "right": 0}, "expected at least two captions, got 1"),
        ({"captions": ("one", " ")}, "a caption is empty"),
        ({"captions": ("one", "one")}, "two captions are equal: 'one'"),
        ({"right": 2}, "the right caption has index 2; expected 0 to 1"),
        ({"right": -1}, "the right caption has index -1; expected 0 to 1"),
        ({"relation": ""}, "the relation is empty"),
        ({"group": " "}, "the group is empty"),
        ({"picture": None}, "a crop, but no picture"),
        ({"crop": (5, 0, 5, 9)}, r"the crop \[5, 0, 5, 9\] is empty"),
        ({"boxes": {"hat": (0.0, 0.0, 1.0, 1.0)}}, "unknown box 'hat'; expected subject or object"),
        ({"boxes": {"object": (0.0, 0.0, 1.2, 1.0)}}, "the box of the object is .* from 0 to 1"),
        ({"boxes": {"object": (0.4, 0.0, 0.4, 1.0)}}, "with x0 < x1 and y0 < y1"),
    ],
)
def test_what_cannot_be_scored_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        replace(GOOD, **change)


def test_a_bad_row_reads_as_one_line():
    assert str(BadRow("a.csv, row 2", "a caption is empty")) == "a.csv, row 2: a caption is empty"
