"""Splits: which labels are seen in relations, and in which layouts.

`n_pair` labels form ordered pairs (tuples, with more objects) in training, `n_val` more are held
out of every relation, all labels are seen alone. The four sets are enumerated exactly and share
no picture with training:

- single: a known label at a position that training never shows;
- seen_pair: a trained pair in a layout that training never shows;
- unseen_pair: held-out labels only;
- mixed_pair: trained and held-out labels together.

Pairs are tested in `Split.test_layouts` of their layouts.
"""

import math
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Int

from lrinterp.scenes.world import World, line_layouts, padded_rows
from lrinterp.store import within

__all__ = [
    "PAPER",
    "SETS",
    "Pictures",
    "Split",
    "Training",
    "allocate",
    "evaluation_set",
    "set_of_labels",
]

LARGEST_SEED = 2**63 - 1
LARGEST = 5_000_000
"""Pictures beyond which the sets cannot be enumerated."""

PAPER: dict[str, dict[str, Any]] = {
    "world": {"n_labels": 20},
    "split": {"n_val": 5, "test_layouts": 0},
}
"""The world of arXiv 2601.12809 where it differs from the default: 20 labels, 5 of them held out,
tested in every layout. Five labels leave an interval inside one model wide: compare seeds."""

SETS = ("single", "seen_pair", "unseen_pair", "mixed_pair")


@dataclass(frozen=True, kw_only=True)
class Split:
    """Label diversity (n_pair, n_val) and layout diversity of the training pictures."""

    n_pair: int = 15
    """Labels that form ordered pairs in training."""
    n_val: int = 10
    """Labels held out of every relation: what an interval inside one model rests on."""
    positions_per_label: int = 8
    """Positions (n_1) at which a label is seen alone."""
    layouts_per_pair: int = 30
    """Layouts (n_2) in which an ordered pair is seen."""
    test_layouts: int = 12
    """Layouts in which each pair is tested, at most, drawn for it and the same in both orders.
    Those of pairs with held-out labels are closed under mirrors, so a layout that is its own mirror
    image may fill the last place and comes a little more often than among all. 0: all."""
    shuffled: bool = False
    """A control: each training picture gets the caption of another one with as many objects, always
    the same. What is then learnt can be remembered and does not generalise."""
    seed: int = 0
    """Draws the positions and layouts, and shuffles."""

    def __post_init__(self) -> None:
        within(self, 2, math.inf, "n_pair")
        within(self, 1, math.inf, "positions_per_label", "layouts_per_pair")
        within(self, 0, math.inf, "n_val", "test_layouts")
        within(self, 0, LARGEST_SEED, "seed")


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Rows as data: labels from left to right and their pixels, both padded with -1."""

    labels: Int[np.ndarray, "image object"]
    pixels: Int[np.ndarray, "image object"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What training may show: one item for each thing a caption can state.

    `labels[i]` are the objects of item i from left to right (-1 pads a single), `pixels[i, c]`
    its c-th admissible layout, `n_choices[i]` how many it has, `said[i]` the item whose caption it
    gets: i itself, unless captions are shuffled.
    """

    labels: Int[np.ndarray, "item object"]
    pixels: Int[np.ndarray, "item choice object"]
    n_choices: Int[np.ndarray, "item"]
    said: Int[np.ndarray, "item"]


def check(world: World, split: Split) -> None:
    """Refuse a split that does not fit the world, naming the field."""
    n_layouts = math.comb(world.n_pixels, world.n_objects)
    known = split.n_pair + split.n_val
    if known > world.n_labels:
        raise ValueError(
            f"n_pair + n_val: expected at most n_labels={world.n_labels}, got {split.n_pair} + "
            f"{split.n_val}"
        )
    within(split, world.n_objects, math.inf, "n_pair")
    within(split, 1, world.n_pixels, "positions_per_label")
    within(split, 1, n_layouts, "layouts_per_pair")
    if (pictures := n_layouts * math.perm(known, world.n_objects)) > LARGEST:
        raise ValueError(
            f"n_pair + n_val: expected at most {LARGEST:,} pictures, {known} labels in "
            f"{n_layouts:,} layouts make {pictures:,}"
        )


def allocate(world: World, split: Split) -> Training:
    """Draw the training pictures. A larger n_1 or n_2 keeps what a smaller one had."""
    check(world, split)
    rng = np.random.default_rng([split.seed, 0x5CE7E])
    layouts = line_layouts(world.n_pixels, world.n_objects)
    singles = [(i,) for i in range(world.n_labels)]
    tuples = list(permutations(range(split.n_pair), world.n_objects))
    n_1, n_2 = split.positions_per_label, split.layouts_per_pair
    pixels = np.full((len(singles) + len(tuples), max(n_1, n_2), world.n_objects), -1)
    for single in pixels[: len(singles)]:
        single[:n_1, 0] = rng.permutation(world.n_pixels)[:n_1]
    for several in pixels[len(singles) :]:
        several[:n_2] = layouts[rng.permutation(len(layouts))[:n_2]]
    return Training(
        labels=padded_rows([*singles, *tuples], world.n_objects),
        pixels=pixels,
        n_choices=np.array([n_1] * len(singles) + [n_2] * len(tuples)),
        said=shuffled(len(singles), len(tuples), rng)
        if split.shuffled
        else np.arange(len(singles) + len(tuples)),
    )


def shuffled(n_singles: int, n_tuples: int, rng: np.random.Generator) -> Int[np.ndarray, "item"]:
    """Whose caption each item gets: singles and tuples change places, each kind within itself.

    One cycle through a random order, so that nobody keeps their own.
    """
    said = np.arange(n_singles + n_tuples)
    for kind in (said[:n_singles], said[n_singles:]):
        order = rng.permutation(len(kind))
        kind[order] = kind[np.roll(order, 1)]
    return said


def evaluation_set(world: World, split: Split, training: Training, name: str) -> Pictures:
    """Enumerate one of the four sets: what its labels allow, less what training shows."""
    n_known, n_objects = split.n_pair + split.n_val, world.n_objects
    if name == "single":
        n_known, n_objects = world.n_labels, 1
    shown = {
        tuple(labels[:n_objects]): set(map(tuple, pixels[:, :n_objects].tolist()))
        for labels, pixels in zip(training.labels.tolist(), training.pixels, strict=True)
        if sum(label >= 0 for label in labels) == n_objects
    }
    layouts = list(map(tuple, line_layouts(world.n_pixels, n_objects).tolist()))
    found = []
    for labels in permutations(range(n_known), n_objects):
        if set_of_labels(split, labels) == name:
            fresh = [layout for layout in layouts if layout not in shown.get(labels, ())]
            if n_objects > 1 and split.test_layouts:
                fresh = tested(world, split, labels, set(fresh))
            found += [(labels, layout) for layout in fresh]
    labels, pixels = (padded_rows([row[i] for row in found], world.n_objects) for i in (0, 1))
    return Pictures(labels=labels, pixels=pixels)


def set_of_labels(split: Split, labels: tuple[int, ...]) -> str:
    """The set a tuple of labels belongs to; `none` where a label is only ever seen alone."""
    labels = tuple(label for label in labels if label >= 0)
    if len(labels) == 1:
        return "single"
    if max(labels) >= split.n_pair + split.n_val:
        return "none"
    n_held_out = sum(label >= split.n_pair for label in labels)
    return {0: "seen_pair", len(labels): "unseen_pair"}.get(n_held_out, "mixed_pair")


def tested(
    world: World, split: Split, labels: tuple[int, ...], fresh: set[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """At most `test_layouts` of the layouts that training leaves some labels, in their order.

    Drawn alike for every order of the labels. A layout and its mirror image come together, so that
    what is tested is closed under mirrors.
    """
    layouts = list(map(tuple, line_layouts(world.n_pixels, world.n_objects).tolist()))
    rng = np.random.default_rng([split.seed, 0x7E57, *sorted(labels)])
    chosen: set[tuple[int, ...]] = set()
    for index in rng.permutation(len(layouts)).tolist():
        one = layouts[index]
        orbit = {one, tuple(world.n_pixels - 1 - x for x in one[::-1])}
        here = orbit & fresh
        if one == min(orbit) and len(chosen) + len(here) <= split.test_layouts:
            chosen |= here
    return sorted(chosen)
