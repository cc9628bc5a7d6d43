"""Every number, on choices that are counted by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.benchmark.numbers import Key, incomplete, numbers_of
from lrinterp.metric import Metric
from lrinterp.scenes.natural import Relation
from lrinterp.stats import Units, mean_interval

MakeRow = Callable[..., Relation]
Table = Callable[..., pd.DataFrame]

RIGHT, WRONG, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
RELATIONS = ("left of", "right of", "on", "under")
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


def test_equal_scores_give_exactly_chance(make_row: MakeRow, table_of: Table):
    rows = [controlled(make_row, thing, r) for thing in ("mug", "cap", "dog") for r in RELATIONS]
    found = numbers_of(table_of(*((row, (0.1,) * 4) for row in rows)))
    assert found[Key("pair")].value == found[Key("pair")].chance == 1 / 16
    assert found[Key("set")].value == found[Key("set")].chance == 1 / 256
    assert (found[Key("pair")].n, found[Key("set")].n) == (6, 3)
    rest = [one for key, one in found.items() if key.measure not in ("pair", "set")]
    assert len(rest) == 1 + 1 + 2 + 2 + 4 + 4 + 4
    assert {one.value for one in rest} == {one.chance for one in rest} == {0.25}


def test_pairs_and_sets_count_where_all_rows_are_right(make_row: MakeRow, table_of: Table):
    """mug: all four right; cap: wrong on `left of` alone."""
    rows = []
    for relation in RELATIONS:
        rows.append((controlled(make_row, "mug", relation), np.eye(4)[0]))
        wrong = relation == "left of"
        rows.append((controlled(make_row, "cap", relation), np.eye(4)[1 if wrong else 0]))
    found = {key: one.value for key, one in numbers_of(table_of(*rows)).items()}
    assert found[Key("all")] == 7 / 8
    assert found[Key("pair")] == 3 / 4
    assert found[Key("set")] == 1 / 2
    assert found[Key("recall", name="left")] == 1 / 2
    assert found[Key("recall", name="right")] == 1.0
    assert found[Key("choice", name="left")] == 1 / 8
    assert found[Key("choice", name="right")] == 3 / 8  # two true ones and cap's mistake
    assert found[Key("truth", name="right")] == 1 / 4


def test_a_group_that_lacks_rows_is_left_out(make_row: MakeRow, table_of: Table):
    rows = [controlled(make_row, "mug", relation) for relation in RELATIONS[:3]]
    table = table_of(*((row, np.eye(4)[0]) for row in rows))
    found = numbers_of(table)
    assert found[Key("pair")].n == 1
    assert Key("set") not in found
    assert incomplete(table) == {"pair": 1, "set": 1}


@pytest.mark.parametrize(("suite", "expected"), [("jsonl", 0.0), ("csv", 0.0), ("nlvr", 1.0)])
def test_a_pair_of_ones_own_is_right_where_all_its_rows_are(
    make_row: MakeRow, table_of: Table, suite: str, expected: float
):
    """Three rows of one key, the third wrong; pairs of a known suite end at two."""
    table = table_of(*((make_row(suite=suite, pair="p"), s) for s in (RIGHT, RIGHT, WRONG)))
    pair = numbers_of(table)[Key("pair")]
    assert (pair.value, pair.n) == (expected, 1)
    assert pair.chance == (1 / 4 if suite == "nlvr" else 1 / 8)
    assert incomplete(table)["pair"] == (1 if suite == "nlvr" else 0)


def test_groups_multiply_credits_and_belong_to_the_group_of_their_first_row(
    make_row: MakeRow, table_of: Table
):
    given = [("a", TIE, "cat"), ("b", RIGHT, "dog"), ("a", TIE, "cow"), ("c", RIGHT, "cow"),
             ("b", TIE, "cat")]  # fmt: skip
    rows = [(make_row(pair=key, group=group), scores) for key, scores, group in given]
    table = table_of(*rows)
    pair = numbers_of(table)[Key("pair")]
    assert pair.sample is not None
    assert pair.sample.top.tolist() == [[1 / 4, 1 / 2]]
    assert pair.sample.units.member.tolist() == [[0], [1]]
    assert incomplete(table)["pair"] == 1  # c is a row alone


def test_the_macro_mean_is_unweighted_and_leaves_out_what_the_suite_does(
    make_row: MakeRow, table_of: Table
):
    rows = [(make_row(relation="eating", group=f"a{k}"), RIGHT) for k in range(9)]
    rows.append((make_row(relation="riding", group="b"), WRONG))
    near = {"relation": "near", "in_macro": False}
    rows += [(make_row(group=f"c{k}", **near), WRONG) for k in range(6)]
    found = numbers_of(table_of(*rows))
    macro = found[Key("macro")]
    assert (macro.value, macro.n, macro.n_units) == (0.5, 10, 10)
    assert found[Key("all")].value == 9 / 16


def test_chance_of_the_macro_mean_is_unweighted_too(make_row: MakeRow, table_of: Table):
    """Nine rows of two captions, one of four."""
    rows = [(make_row(relation="eating"), RIGHT) for _ in range(9)]
    rows.append((make_row(relation="riding", captions=("a", "b", "c", "d")), np.eye(4)[0]))
    found = numbers_of(table_of(*rows))
    assert found[Key("macro")].chance == (1 / 2 + 1 / 4) / 2
    assert found[Key("all")].chance == pytest.approx((9 / 2 + 1 / 4) / 10)


def test_subsets_have_numbers_of_their_own(make_row: MakeRow, table_of: Table):
    rows = [
        (make_row(subset=subset, group=f"{subset}{k}", pair=subset), scores)
        for subset, scores in (("A", RIGHT), ("B", WRONG))
        for k in range(3)
    ]
    found = numbers_of(table_of(*rows))
    for measure in ("all", "macro"):
        values = [found[Key(measure, subset)].value for subset in ("", "A", "B")]
        assert values == [0.5, 1.0, 0.0]
    assert [found[Key("pair", subset)].n for subset in ("", "A", "B")] == [2, 1, 1]
    assert found[Key("relation", "A", "left of")].value == 1.0


def test_a_single_subset_is_the_whole(make_row: MakeRow, table_of: Table):
    found = numbers_of(table_of((make_row(subset="A"), RIGHT)))
    assert [key for key in found if key.subset] == [Key("relation", "A", "left of")]


@pytest.mark.parametrize("right", [0, 1])
def test_left_comes_before_right_whatever_was_first(make_row: MakeRow, table_of: Table, right: int):
    order = (right, 1 - right)
    rows = [(make_row(relation=("left of", "right of")[k], right=k), TIE) for k in order]
    found = numbers_of(table_of(*rows))
    places = [key.name for key in found if key.measure in ("recall", "choice")]
    assert places == ["left", "right", "left", "right"]


def test_intervals_leave_out_groups(make_row: MakeRow, table_of: Table):
    """Those of the mean of all rows; taken as independent, rows would be too sure."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    right = (rng.random(groups.size) < rng.beta(3.0, 2.0, 60)[groups]).astype(float)
    rows = [
        (make_row(group=f"g{g}"), (r, 1 - r))
        for g, r in zip(groups.tolist(), right.tolist(), strict=True)
    ]
    ours = numbers_of(table_of(*rows))[Key("all")]
    theirs = mean_interval(right, Units.of_groups(groups))
    assert (ours.value, ours.n, ours.n_units) == (theirs.value, 300, 60)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    alone = mean_interval(right, Units.of_groups(np.arange(groups.size)))
    assert low(alone) > low(ours) + 0.01


def low(found: Any) -> float:
    assert found.low is not None
    return found.low


def test_samples_of_the_same_rows_are_paired(make_row: MakeRow, table_of: Table):
    rows = [make_row(group=str(k)) for k in range(4)]
    one, other = (numbers_of(table_of(*((row, s) for row in rows))) for s in (RIGHT, WRONG))
    elsewhere = numbers_of(table_of(*((make_row(group=f"x{k}"), RIGHT) for k in range(4))))
    assert all(one[key].pairs_with(other[key]) for key in one)
    assert not any(one[key].pairs_with(elsewhere[key]) for key in one)
    found: Metric = one[Key("all")]
    assert (found.estimator, found.unit, found.chance) == ("mean", "group", 0.5)
