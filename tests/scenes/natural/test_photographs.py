"""Which rows are photographs of two objects, and what a seeded draw takes."""

from pathlib import Path

import pytest

from lrinterp import InputError
from lrinterp.scenes.natural import Relation
from lrinterp.scenes.natural.photographs import Photograph, draw_photographs

BOXES = {"subject": (0.6, 0.0, 0.9, 0.5), "object": (0.1, 0.0, 0.4, 0.5)}


def row(number: int = 0, **changes) -> Relation:
    fields = {
        "suite": "jsonl",
        "where": f"rows.jsonl, row {number + 1}",
        "picture": Path(f"{number}.png"),
        "captions": ("a cat to the right of a dog", "a cat to the left of a dog"),
        "right": 0,
        "relation": "right of",
        "axis": "horizontal",
        "subject": "Cat",
        "object": "dog",
        "group": "cat, dog",
        "foil": "word swap",
    }
    return Relation(**{**fields, **changes})


def test_the_subject_of_right_of_stands_on_the_right():
    right, left = Photograph.of(row(boxes=BOXES)), Photograph.of(row(relation="left of"))
    assert right is not None
    assert (right.left, right.right) == ("dog", "cat")
    assert (right.left_box, right.right_box) == (BOXES["object"], BOXES["subject"])
    assert left is not None
    assert (left.left, left.right, left.left_box) == ("cat", "dog", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"axis": "vertical", "relation": "above"},
        {"picture": None},
        {"object": ""},
        {"object": "cat"},
        {"relation": "beside"},
        {"relation": "left of the right one"},
    ],
)
def test_other_rows_are_none(changes):
    assert Photograph.of(row()) is not None
    assert Photograph.of(row(**changes)) is None


def test_a_draw_is_seeded_in_order_and_without_repeats():
    rows = [row(i) for i in range(40) for _ in range(2)]
    drawn = draw_photographs(rows, 10, 3)
    names = [int(p.row.picture.stem) for p in drawn if p.row.picture]
    assert len(set(names)) == 10
    assert names == sorted(names)
    assert drawn == draw_photographs(rows, 10, 3)
    assert drawn != draw_photographs(rows, 10, 4)
    assert len(draw_photographs(rows, 100, 0)) == 40


def test_every_photograph_is_drawn_alike():
    """Each of 8 should come in half of 400 draws of 4: within five standard errors."""
    rows = [row(i) for i in range(8)]
    counts = [0] * 8
    for seed in range(400):
        for p in draw_photographs(rows, 4, seed):
            counts[rows.index(p.row)] += 1
    assert sum(counts) == 1600
    assert all(abs(count - 200) < 50 for count in counts)


def test_too_few_are_refused():
    with pytest.raises(InputError, match="the suite has 1 pictures with one object left or right"):
        draw_photographs([row(), row(1, axis="other")], 5, 0)
