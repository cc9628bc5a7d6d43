"""Every number, on choices that are counted by hand; the mean over relations, by plain loops."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from lrinterp.benchmark.suite_accuracies import (
    Key,
    MacroMean,
    incomplete,
    macro_mean,
    numbers_of,
    says,
    side_of,
)
from lrinterp.scenes.natural import Relation
from lrinterp.stats import Interval, Units, difference, mean_interval

MakeRow = Callable[..., Relation]
Table = Callable[..., pd.DataFrame]

RIGHT, WRONG, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
RELATIONS = ("left of", "right of", "on", "under")
AXES = {"left of": "horizontal", "right of": "horizontal", "on": "vertical", "under": "vertical"}


def controlled(make_row: MakeRow, thing: str, relation: str, **more: Any) -> Relation:
    """A row of What'sUp: the right one of four captions comes first."""
    said = [relation, *(other for other in RELATIONS if other != relation)]
    return make_row(
        suite="whatsup", captions=tuple(f"a {thing} {words} a table" for words in said),
        relation=relation, axis=AXES[relation], foil="relation", group=thing,
        pair=f"{thing}, {AXES[relation]}", set=thing, **more,
    )  # fmt: skip


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
def test_a_pair_of_ones_own_is_right_where_all_its_rows_are(make_row, table_of, suite, expected):
    """Three rows of one key, the third wrong; pairs of a known suite end at two."""
    table = table_of(*((make_row(suite=suite, pair="p"), s) for s in (RIGHT, RIGHT, WRONG)))
    pair = numbers_of(table)[Key("pair")]
    assert (pair.value, pair.n) == (expected, 1)
    assert pair.chance == (1 / 4 if suite == "nlvr" else 1 / 8)
    assert incomplete(table)["pair"] == (1 if suite == "nlvr" else 0)


def test_groups_multiply_credits_and_belong_to_the_group_of_their_first_row(make_row, table_of):
    given = [("a", TIE, "cat"), ("b", RIGHT, "dog"), ("a", TIE, "cow"), ("c", RIGHT, "cow"),
             ("b", TIE, "cat")]  # fmt: skip
    rows = [(make_row(pair=key, group=group), scores) for key, scores, group in given]
    table = table_of(*rows)
    pair = numbers_of(table)[Key("pair")]
    assert pair.sample is not None
    assert pair.sample.top.tolist() == [[1 / 4, 1 / 2]]
    assert pair.sample.units.member.tolist() == [[0], [1]]
    assert incomplete(table)["pair"] == 1  # c is a row alone


def test_the_macro_mean_is_unweighted_and_leaves_out_what_the_suite_does(make_row, table_of):
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
    alone = numbers_of(table_of((make_row(subset="A"), RIGHT)))
    assert [key for key in alone if key.subset] == [Key("relation", "A", "left of")]


@pytest.mark.parametrize("right", [0, 1])
def test_left_comes_before_right_whatever_was_first(make_row: MakeRow, table_of: Table, right: int):
    order = (right, 1 - right)
    rows = [(make_row(relation=("left of", "right of")[k], right=k), TIE) for k in order]
    found = numbers_of(table_of(*rows))
    places = [key.name for key in found if key.measure in ("recall", "choice")]
    assert places == ["left", "right", "left", "right"]


def test_intervals_are_over_groups_and_samples_are_kept(make_row: MakeRow, table_of: Table):
    """Those of the mean of all rows; numbers of the same rows are paired."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    right = (rng.random(groups.size) < rng.beta(3.0, 2.0, 60)[groups]).astype(float)
    rows = [make_row(group=f"g{g}") for g in groups.tolist()]
    made = numbers_of(table_of(*((row, (r, 1 - r)) for row, r in zip(rows, right, strict=True))))
    ours, theirs = made[Key("all")], mean_interval(right, Units.of_groups(groups))
    assert (ours.value, ours.n, ours.n_units) == (theirs.value, 300, 60)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert (ours.estimator, ours.unit, ours.chance) == ("mean", "group", 0.5)
    other = numbers_of(table_of(*((row, WRONG) for row in rows)))
    elsewhere = numbers_of(table_of(*((make_row(group=f"x{k}"), RIGHT) for k in range(300))))
    assert all(made[key].pairs_with(other[key]) for key in made)
    assert not any(made[key].pairs_with(elsewhere[key]) for key in made)


# The mean over relations.

Part = tuple[np.ndarray, np.ndarray]
"""Values and groups of a stratum."""


def macro(*parts: Part) -> MacroMean:
    values, groups = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    stratum = np.repeat(np.arange(len(parts)), [len(part) for part, _ in parts])
    return macro_mean(values, stratum, Units.of_groups(groups))


def ends(found: Interval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_the_mean_has_no_weights():
    found = macro((np.ones(90), np.arange(90)), (np.zeros(10), np.arange(85, 95))).interval
    assert (found.value, found.n, found.n_units) == (0.5, 100, 95)


def test_a_single_group_has_no_interval():
    found = macro((np.array([1.0, 0.0, 1.0]), np.zeros(3, int))).interval
    assert (found.value, found.low, found.high) == (pytest.approx(2 / 3), None, None)


def without_each(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """The mean without each group, and the rows that remain; an empty stratum is left out."""
    means, sizes = [], []
    for group in sorted({g for _, groups in parts for g in groups.tolist()}):
        kept = [values[groups != group] for values, groups in parts]
        means.append(np.mean([part.mean() for part in kept if part.size]))
        sizes.append(sum(part.size for part in kept))
    return np.array(means), np.array(sizes)


def by_hand(parts: Sequence[Part]) -> tuple[float, float]:
    """The interval from means without each group."""

    def log_odds(value: float, n: int) -> float:
        return math.log((value * n + 0.5) / ((1 - value) * n + 0.5))

    n = sum(values.size for values, _ in parts)
    value = float(np.mean([values.mean() for values, _ in parts]))
    means, n_left = without_each(parts)
    odds = [log_odds(*pair) for pair in zip(means, n_left, strict=True)]
    share = (value * n + 0.5) / (n + 1)
    most = np.var(means) * len(means) * (1.25 / share / (1 - share)) ** 2
    error = math.sqrt(min(np.var(odds) * len(odds), most))
    sizes = n - n_left
    freedom = (sizes**2).sum() ** 2 / (sizes**4).sum() - 1
    half = student.ppf(0.975, freedom) * error
    low, high = (1 / (1 + math.exp(-log_odds(value, n) - x)) for x in (-half, half))
    return min(low, value), max(high, value)


def shared_groups(seed: int, singles: int = 0) -> list[Part]:
    """Two strata that share groups; all rows of so many further ones are of one group."""
    rng = np.random.default_rng(seed)
    parts = [
        ((rng.random(n) < p).astype(float), rng.integers(12, size=n))
        for n, p in ((60, 0.4), (25, 0.8))
    ]
    return parts + singles * [(np.array([1.0, 0.0]), np.array([5, 5]))]


@pytest.mark.parametrize("singles", [0, 1])
def test_the_interval_leaves_a_group_out_of_every_stratum(singles: int):
    parts = shared_groups(3, singles)
    found = macro(*parts)
    assert found.replicates == pytest.approx(without_each(parts)[0])
    assert ends(found.interval) == pytest.approx(by_hand(parts))


def test_p_exchanges_two_models_in_every_subset_of_groups():
    """Against all 2^12 exchanges, one by one, of the rows themselves."""
    one, other = shared_groups(4), shared_groups(5)
    other = [(values, groups) for (values, _), (_, groups) in zip(other, one, strict=True)]
    own = macro(*one).value - macro(*other).value
    as_large = 0
    for flips in range(2**12):
        swapped = [flips >> groups & 1 == 1 for _, groups in one]
        means = [
            np.mean(np.where(swap, b, a) - np.where(swap, a, b))
            for swap, (a, _), (b, _) in zip(swapped, one, other, strict=True)
        ]
        as_large += abs(np.mean(means)) >= abs(own) - 1e-12
    found = difference(macro(*other), macro(*one), paired=True)
    assert found.interval.value == pytest.approx(own)
    assert found.p == pytest.approx(as_large / 2**12)
    assert 0 < as_large < 2**12


def test_the_side_of_a_phrase():
    phrases = ("left of", "At the RIGHT side of", "above", "upright", "left or right")
    assert [side_of(phrase) for phrase in phrases] == ["left", "right", "", "", ""]


@pytest.mark.parametrize(
    ("captions", "places"),
    [
        (("a red square to the left of a dot", "a red square to the right of a dot"), "left,right"),
        (
            ("A mug on a table", "A mug under a table", "A mug to the left of a table"),
            "on,under,left",
        ),
        (("A cup in front of a vase", "A cup behind a vase"), "in front of,behind"),
        (("The cat is at the left side of the dog.", "The cat is at the right side of the dog."),
         "left,right"),
        (("A photo of a dog on the top", "A photo of a dog on the bottom"), "top,bottom"),
        (("The cup is above the cat.", "The cup is below the cat."), "above,below"),
        (("a dog left of a cat", "a dog chasing a cat"), "left of,"),
        (("left", "right"), "left,right"),
    ],
)  # fmt: skip
def test_what_captions_say(captions: tuple[str, ...], places: str):
    expected = places.replace("left of", "left").split(",")
    assert list(says(captions, "relation")) == expected


def test_captions_that_exchange_objects_say_one_thing():
    captions = ("the cat is left of the dog", "the dog is left of the cat")
    assert says(captions, "object swap") == ("", "")
