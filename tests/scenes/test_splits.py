"""The four sets: counted by formula, compared picture by picture with what training may show."""

from dataclasses import replace
from itertools import pairwise
from math import comb, perm
from typing import Any

import numpy as np
import pytest

from lrinterp.scenes import PAPER, SETS, Scenes, Split, World, draw_pictures
from lrinterp.scenes.splits import Training, allocate, evaluation_set

MICRO = (
    World(n_pixels=5, n_labels=7),
    Split(n_pair=3, n_val=3, positions_per_label=3, layouts_per_pair=4),
)
LIMITED = [
    (World(), Split()),
    (World(n_pixels=7, n_labels=5), Split(n_pair=3, n_val=2, layouts_per_pair=9, test_layouts=5,
                                          positions_per_label=3)),
    (World(n_pixels=8, n_labels=7, n_objects=3), Split(n_pair=4, n_val=3, test_layouts=7,
                                                       layouts_per_pair=20)),
]  # fmt: skip
"""Where pairs have more layouts than are tested."""
CASES = [
    (World(**PAPER["world"]), Split(**PAPER["split"])),
    MICRO,
    (
        World(n_pixels=4, n_labels=30, n_objects=3),
        Split(n_pair=4, n_val=3, positions_per_label=3, layouts_per_pair=3),
    ),
    (
        World(n_pixels=2, n_labels=4, template="both"),
        Split(n_pair=2, n_val=2, positions_per_label=1, layouts_per_pair=1, seed=9),
    ),
]

Row = tuple[int, ...]


def rows(world: World, labels: np.ndarray, pixels: np.ndarray) -> list[Row]:
    return [tuple(row) for row in draw_pictures(world, labels, pixels).ids.tolist()]


def shown(world: World, training: Training) -> list[Row]:
    """Every picture that training can draw."""
    pairs = [(i, c) for i, n in enumerate(training.n_choices) for c in range(n)]
    item, choice = np.array(pairs).T
    return rows(world, training.labels[item], training.pixels[item, choice])


def evaluated(world: World, split: Split) -> dict[str, list[Row]]:
    training = allocate(world, split)
    parts = {name: evaluation_set(world, split, training, name) for name in SETS}
    return {name: rows(world, part.labels, part.pixels) for name, part in parts.items()}


def objects(row: Row) -> Row:
    """The labels in a picture, from left to right."""
    return tuple(token - 1 for token in row[1:] if token)


def expected_counts(world: World, split: Split) -> dict[str, int]:
    k, layouts = world.n_objects, comb(world.n_pixels, world.n_objects)
    seen, unseen = perm(split.n_pair, k), perm(split.n_val, k)
    mixed = perm(split.n_pair + split.n_val, k) - seen - unseen
    return {
        "single": world.n_labels * (world.n_pixels - split.positions_per_label),
        "seen_pair": seen * (layouts - split.layouts_per_pair),
        "unseen_pair": unseen * layouts,
        "mixed_pair": mixed * layouts,
    }


def test_counts_of_the_paper_and_of_the_default():
    counts = {"single": 40, "seen_pair": 3150, "unseen_pair": 900, "mixed_pair": 6750}
    assert expected_counts(*CASES[0]) == counts
    found = {name: len(part) for name, part in evaluated(*LIMITED[0]).items()}
    # in six ordered pairs only whole mirror pairs were left for the twelfth layout
    assert found == {"single": 50, "seen_pair": 2520 - 6, "unseen_pair": 1080, "mixed_pair": 3600}


@pytest.mark.parametrize(("world", "split"), [*CASES, *LIMITED])
def test_training_and_the_sets_share_no_picture_and_cover_the_world(world: World, split: Split):
    """Every picture of admissible labels is in training or in one set, unless sets are limited."""
    sets = evaluated(world, split)
    pictures = [*shown(world, allocate(world, split)), *(r for part in sets.values() for r in part)]
    assert len(pictures) == len(set(pictures))
    if (world, split) in CASES:
        assert {name: len(part) for name, part in sets.items()} == expected_counts(world, split)
        known = split.n_pair + split.n_val
        n_several = perm(known, world.n_objects) * comb(world.n_pixels, world.n_objects)
        assert len(pictures) == world.n_labels * world.n_pixels + n_several


@pytest.mark.parametrize(("world", "split"), [*CASES, *LIMITED])
def test_training_and_each_set_hold_what_their_names_say(world: World, split: Split):
    training = allocate(world, split)
    items = np.repeat(training.labels, training.n_choices, axis=0).tolist()
    for labels, row in zip(items, shown(world, training), strict=True):
        assert objects(row) == tuple(label for label in labels if label >= 0)
        assert len(set(objects(row))) == len(objects(row)) in (1, world.n_objects)
        assert len(objects(row)) == 1 or max(objects(row)) < split.n_pair
    for name, part in evaluated(world, split).items():
        for labels in {objects(row) for row in part}:
            held_out = sum(label >= split.n_pair for label in labels)
            fits = {
                "single": len(labels) == 1,
                "seen_pair": len(labels) > 1 and held_out == 0,
                "unseen_pair": len(labels) > 1 and held_out == len(labels),
                "mixed_pair": 0 < held_out < len(labels),
            }
            assert [key for key, fit in fits.items() if fit] == [name]


Tested = dict[str, dict[Row, list[Row]]]


def layouts_tested(world: World, split: Split) -> Tested:
    """Of each set of pairs the layouts of each ordered tuple of labels, in their order."""
    training = allocate(world, split)
    found: Tested = {}
    for name in SETS[1:]:
        part = evaluation_set(world, split, training, name)
        found[name] = {}
        for labels, pixels in zip(part.labels.tolist(), part.pixels.tolist(), strict=True):
            found[name].setdefault(tuple(labels), []).append(tuple(pixels))
    return found


def mirrored(world: World, layout: Row) -> Row:
    return tuple(sorted(world.n_pixels - 1 - pixel for pixel in layout))


@pytest.mark.parametrize(("world", "split"), LIMITED)
def test_pairs_are_tested_in_some_layouts_with_their_mirrors_alike_in_every_order(world, split):
    """Of trained pairs mirrors are there as far as training has not shown them."""
    whole = layouts_tested(world, replace(split, test_layouts=0))
    found = layouts_tested(world, split)
    for name, tested in found.items():
        assert list(tested) == list(whole[name])
        for labels, layouts in tested.items():
            every = whole[name][labels]
            least = min(split.test_layouts, len(every)) - 1  # where a mirror pair is too many
            assert least <= len(layouts) <= split.test_layouts
            assert layouts == [layout for layout in every if layout in layouts]
            images = {mirrored(world, layout) for layout in layouts}
            assert images & set(every) <= set(layouts)
            if name != "seen_pair":
                assert images == set(layouts)
                assert layouts == tested[tuple(sorted(labels))]
    assert len({tuple(layouts) for layouts in found["mixed_pair"].values()}) > 1


def test_which_layouts_are_tested_follows_the_seed_and_changes_nothing_else():
    world, split = LIMITED[0]
    assert layouts_tested(world, split) == layouts_tested(world, split)
    other = layouts_tested(world, replace(split, seed=1))
    assert other["unseen_pair"] != layouts_tested(world, split)["unseen_pair"]
    one, other = (allocate(world, replace(split, test_layouts=n)) for n in (0, 12))
    np.testing.assert_array_equal(one.pixels, other.pixels)


def test_diversity_is_what_the_split_says():
    world, split = MICRO
    training = allocate(world, split)
    pictures: dict[Row, set[Row]] = {}
    for row in shown(world, training):
        pictures.setdefault(objects(row), set()).add(row)
    n_1, n_2 = split.positions_per_label, split.layouts_per_pair
    assert {len(labels): len(rows) for labels, rows in pictures.items()} == {1: n_1, 2: n_2}
    assert len(pictures) == world.n_labels + perm(split.n_pair, 2)


@pytest.mark.parametrize("name", ["positions_per_label", "layouts_per_pair"])
def test_more_diversity_keeps_what_less_had(name: str):
    world, split = MICRO
    smaller = [set(shown(world, allocate(world, replace(split, **{name: n})))) for n in range(1, 6)]
    for less, more in pairwise(smaller):
        assert less < more


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_pair": 1}, "n_pair: expected at least 2, got 1"),
        ({"positions_per_label": 0}, "positions_per_label: expected at least 1, got 0"),
        ({"test_layouts": -1}, "test_layouts: expected at least 0, got -1"),
        ({"seed": -1}, "seed: expected 0 to 9223372036854775807, got -1"),
        ({"n_pair": 5}, "n_pair [+] n_val: expected at most n_labels=7, got 5 [+] 3"),
        ({"positions_per_label": 6}, "positions_per_label: expected 1 to 5, got 6"),
        ({"layouts_per_pair": 11}, "layouts_per_pair: expected 1 to 10, got 11"),
    ],
)
def test_a_split_that_does_not_fit_names_the_field(changes: dict[str, Any], message: str):
    world, split = MICRO
    with pytest.raises(ValueError, match=f"^{message}$"):
        Scenes(world, replace(split, **changes))
