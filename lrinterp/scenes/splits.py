"""Splits: which labels are seen in relations, and in which layouts.

`n_pair` labels form ordered pairs (tuples, with more objects) in training, `n_val` more are held
out of every relation, all labels are seen alone. The four sets are enumerated exactly and share
no picture with training:

- single: a known label at an unseen position;
- seen_pair: a trained pair in an unseen layout;
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

from lrinterp.scenes.captions import padded
from lrinterp.scenes.layouts import line_layouts
from lrinterp.scenes.world import World
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
    if split.n_pair + split.n_val > world.n_labels:
        total = f"{split.n_pair} + {split.n_val}"
        raise ValueError(f"n_pair + n_val: expected at most n_labels={world.n_labels}, got {total}")
    within(split, world.n_objects, math.inf, "n_pair")
    within(split, 1, world.n_pixels, "positions_per_label")
    within(split, 1, n_layouts, "layouts_per_pair")
    known = split.n_pair + split.n_val
    if (pictures := n_layouts * math.perm(known, world.n_objects)) > LARGEST:
        got = f"{known} labels in {n_layouts:,} layouts make {pictures:,}"
        raise ValueError(f"n_pair + n_val: expected at most {LARGEST:,} pictures, {got}")


def allocate(world: World, split: Split) -> Training:
    """Draw the training pictures. A larger n_1 or n_2 keeps what a smaller one had."""
    check(world, split)
    rng = np.random.default_rng([split.seed, 0x5CE7E])
    layouts = line_layouts(world.n_pixels, world.n_objects)
    singles = [(i,) for i in range(world.n_labels)]
    tuples = list(permutations(range(split.n_pair), world.n_objects))
    n_1, n_2 = split.positions_per_label, split.layouts_per_pair
    pixels = np.full((len(singles) + len(tuples), max(n_1, n_2), world.n_objects), -1)
    for item, _ in enumerate(singles):
        pixels[item, :n_1, 0] = rng.permutation(world.n_pixels)[:n_1]
    for item, _ in enumerate(tuples, start=len(singles)):
        pixels[item, :n_2] = layouts[rng.permutation(len(layouts))[:n_2]]
    return Training(
        labels=padded([*singles, *tuples], world.n_objects),
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
    """Enumerate one of the four sets."""
    if name == "single":
        return _unseen(training, slice(0, world.n_labels), line_layouts(world.n_pixels, 1))
    layouts = line_layouts(world.n_pixels, world.n_objects)
    if name == "seen_pair":
        return _tested(world, split, _unseen(training, slice(world.n_labels, None), layouts))
    known = range(split.n_pair + split.n_val)
    orders = [m for m in permutations(known, world.n_objects) if set_of_labels(split, m) == name]
    labels = padded(orders, world.n_objects)
    every = Pictures(
        labels=np.repeat(labels, len(layouts), axis=0),
        pixels=np.tile(layouts, (len(labels), 1)),
    )
    return _tested(world, split, every)


def set_of_labels(split: Split, labels: tuple[int, ...]) -> str:
    """The set a tuple of labels belongs to; `none` where a label is only ever seen alone."""
    labels = tuple(label for label in labels if label >= 0)
    if len(labels) == 1:
        return "single"
    if max(labels) >= split.n_pair + split.n_val:
        return "none"
    n_held_out = sum(label >= split.n_pair for label in labels)
    return {0: "seen_pair", len(labels): "unseen_pair"}.get(n_held_out, "mixed_pair")


def drawn_orbits(
    world: World, split: Split, labels: tuple[int, ...]
) -> list[list[tuple[int, ...]]]:
    """All layouts in the order drawn for some labels, the same in every order of them.

    A layout and its mirror image come together, so that what is tested is closed under mirrors.
    """
    layouts = [tuple(row) for row in line_layouts(world.n_pixels, world.n_objects).tolist()]
    rng = np.random.default_rng([split.seed, 0x7E57, *sorted(labels)])
    drawn = [layouts[i] for i in rng.permutation(len(layouts)).tolist()]
    orbits = [sorted({one, tuple(world.n_pixels - 1 - x for x in one[::-1])}) for one in drawn]
    return [orbit for one, orbit in zip(drawn, orbits, strict=True) if one == orbit[0]]


def _tested(world: World, split: Split, every: Pictures) -> Pictures:
    """At most `test_layouts` of the pictures of each ordered tuple of labels; all of them for 0."""
    if not split.test_layouts:
        return every
    rows: dict[tuple[int, ...], dict[tuple[int, ...], int]] = {}
    for i, (labels, pixels) in enumerate(
        zip(every.labels.tolist(), every.pixels.tolist(), strict=True)
    ):
        rows.setdefault(tuple(labels), {})[tuple(pixels)] = i
    kept: list[int] = []
    for labels, place in rows.items():
        chosen: list[int] = []
        for orbit in drawn_orbits(world, split, labels):
            here = [place[one] for one in orbit if one in place]
            chosen += here if len(chosen) + len(here) <= split.test_layouts else []
        kept += sorted(chosen)
    return Pictures(labels=every.labels[kept], pixels=every.pixels[kept])


def _unseen(
    training: Training, items: slice, layouts: Int[np.ndarray, "layout object"]
) -> Pictures:
    """The pictures of some training items in the layouts that training never shows."""
    width = training.labels.shape[1]
    labels, pixels = [], []
    for item in np.arange(len(training.labels))[items]:
        count, width_of_layout = training.n_choices[item], layouts.shape[1]
        shown = training.pixels[item, :count, :width_of_layout].tolist()
        fresh = [tuple(row) for row in layouts.tolist() if row not in shown]
        labels += [tuple(training.labels[item].tolist())] * len(fresh)
        pixels += fresh
    return Pictures(labels=padded(labels, width), pixels=padded(pixels, width))
