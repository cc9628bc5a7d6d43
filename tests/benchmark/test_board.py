"""The running count, on choices that are counted by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lrinterp.benchmark import Scoreboard
from lrinterp.scenes.natural import Relation

MakeRow = Callable[..., Relation]

RELATIONS = {"left of": "left of", "right of": "right of", "on": "on", "under": "under"}
AXES = {"left of": "horizontal", "right of": "horizontal", "on": "vertical", "under": "vertical"}


def controlled(make_row: MakeRow, thing: str, relation: str, **more: Any) -> Relation:
    """A row of What'sUp: the right one of four captions comes first."""
    said = [relation, *(other for other in RELATIONS if other != relation)]
    return make_row(
        suite="whatsup",
        captions=tuple(f"a {thing} {words} a table" for words in said),
        relation=relation,
        axis=AXES[relation],
        foil="relation",
        group=thing,
        pair=f"{thing}, {AXES[relation]}",
        set=thing,
        **more,
    )


def numbers(board: Scoreboard) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(r["measure"], r["subset"], r["name"]): r for r in board.rows()}


def test_equal_scores_give_exactly_chance(make_row: MakeRow):
    board = Scoreboard()
    for thing in ("mug", "cap", "dog"):
        for relation in RELATIONS:
            board.add(controlled(make_row, thing, relation), np.full(4, 0.25))
    found = numbers(board)
    assert found["pair", "", ""]["value"] == found["pair", "", ""]["chance"] == 1 / 16
    assert found["set", "", ""]["value"] == found["set", "", ""]["chance"] == 1 / 256
    assert (found["pair", "", ""]["n"], found["set", "", ""]["n"]) == (6, 3)
    rest = [row for key, row in found.items() if key[0] not in ("pair", "set")]
    assert len(rest) == 1 + 1 + 2 + 2 + 4 + 4 + 4
    assert {row["value"] for row in rest} == {row["chance"] for row in rest} == {0.25}


def test_pairs_and_sets_count_where_all_rows_are_right(make_row: MakeRow):
    """mug: all four right; cap: wrong on `left of` alone."""
    board = Scoreboard()
    for relation in RELATIONS:
        board.add(controlled(make_row, "mug", relation), np.eye(4)[0])
        wrong = relation == "left of"
        board.add(controlled(make_row, "cap", relation), np.eye(4)[1 if wrong else 0])
    found = numbers(board)
    assert found["all", "", ""]["value"] == 7 / 8
    assert found["pair", "", ""]["value"] == 3 / 4
    assert found["set", "", ""]["value"] == 1 / 2
    assert found["recall", "", "left"]["value"] == 1 / 2
    assert found["recall", "", "right"]["value"] == 1.0
    assert found["choice", "", "left"]["value"] == 1 / 8
    assert found["choice", "", "right"]["value"] == 3 / 8  # two true ones and cap's mistake
    assert found["truth", "", "right"]["value"] == 1 / 4


def test_a_group_that_lacks_rows_is_left_out(make_row: MakeRow):
    board = Scoreboard()
    for relation in ("left of", "right of", "on"):
        board.add(controlled(make_row, "mug", relation), np.eye(4)[0])
    found = numbers(board)
    assert found["pair", "", ""]["n"] == 1
    assert ("set", "", "") not in found
    assert board.incomplete == {"pair": 1, "set": 1}


@pytest.mark.parametrize(("suite", "expected"), [("jsonl", 0.0), ("csv", 0.0), ("nlvr", 1.0)])
def test_a_pair_of_ones_own_is_right_where_all_its_rows_are(
    make_row: MakeRow, suite: str, expected: float
):
    """Three rows of one key, the third wrong; pairs of a known suite end at two."""
    board = Scoreboard()
    for share in (1.0, 1.0, 0.0):
        board.add(make_row(suite=suite, pair="p"), np.array([share, 1 - share]))
    pair = numbers(board)["pair", "", ""]
    assert (pair["value"], pair["n"]) == (expected, 1)
    assert pair["chance"] == (1 / 4 if suite == "nlvr" else 1 / 8)
    assert board.rows() == board.rows()


def test_the_macro_mean_is_unweighted_and_leaves_out_what_the_suite_does(make_row: MakeRow):
    board = Scoreboard()
    for k in range(9):
        board.add(make_row(relation="eating", group=f"a{k}"), np.array([1.0, 0.0]))
    board.add(make_row(relation="riding", group="b"), np.array([0.0, 1.0]))
    for k in range(6):
        near = make_row(relation="near", group=f"c{k}", in_macro=False)
        board.add(near, np.array([0.0, 1.0]))
    found = numbers(board)
    assert found["macro", "", ""]["value"] == 0.5
    assert (found["macro", "", ""]["n"], found["macro", "", ""]["n_units"]) == (10, 10)
    assert found["all", "", ""]["value"] == 9 / 16
    assert found["relation", "", "near"]["in_macro"] is False


def test_subsets_have_numbers_of_their_own(make_row: MakeRow):
    board = Scoreboard()
    for subset, share in (("A", 1.0), ("B", 0.0)):
        for k in range(3):
            one = make_row(subset=subset, group=f"{subset}{k}", pair=f"{subset}")
            board.add(one, np.array([share, 1 - share]))
    found = numbers(board)
    assert [found["all", s, ""]["value"] for s in ("", "A", "B")] == [0.5, 1.0, 0.0]
    assert [found["macro", s, ""]["value"] for s in ("", "A", "B")] == [0.5, 1.0, 0.0]
    assert [found["pair", s, ""]["n"] for s in ("", "A", "B")] == [2, 1, 1]
    assert found["relation", "A", "left of"]["value"] == 1.0


def test_a_single_subset_is_the_whole(make_row: MakeRow):
    board = Scoreboard()
    board.add(make_row(subset="A"), np.array([1.0, 0.0]))
    assert [row["subset"] for row in board.rows() if row["measure"] != "relation"].count("A") == 0
    assert [row["name"] for row in board.rows() if row["measure"] == "relation"] == ["left of"]


@pytest.mark.parametrize("right", [0, 1])
def test_left_comes_before_right_whatever_was_first(make_row: MakeRow, right: int):
    board = Scoreboard()
    for k in (right, 1 - right):
        board.add(make_row(relation=("left of", "right of")[k], right=k), np.array([0.5, 0.5]))
    places = [row["name"] for row in board.rows() if row["measure"] in ("recall", "choice")]
    assert places == ["left", "right", "left", "right"]
