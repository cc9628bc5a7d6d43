"""Captions written out by hand, and read back word by word."""

from math import perm

import numpy as np
import pytest

from lrinterp.scenes import PAPER, CaptionSet, World, all_captions
from lrinterp.scenes.captions import padded
from lrinterp.scenes.world import label_words


def read(caption: str, world: World) -> list[int]:
    """The labels that a sentence states, from left to right."""
    words = label_words(world)
    mentioned = [words.index(word) for word in caption.split() if word in words]
    return mentioned[::-1] if "right" in caption else mentioned


def decoded(captions: CaptionSet) -> list[list[str]]:
    return [[captions.words[i] for i in row] for row in captions.tokens.ids.tolist()]


def test_two_labels_by_hand():
    captions = all_captions(World(n_pixels=2, n_labels=2, template="both"))
    assert captions.texts == (
        "apple is in the image",
        "bird is in the image",
        "apple is on the left of bird",
        "bird is on the left of apple",
        "bird is on the right of apple",
        "apple is on the right of bird",
    )
    assert captions.templates == ("single", "single", "left", "left", "right", "right")
    assert captions.labels.tolist() == [[0, -1], [1, -1], [0, 1], [1, 0], [0, 1], [1, 0]]
    assert captions.words == tuple(
        "[PAD] [SOT] [EOT] apple is in the image bird on left of right".split()
    )
    assert captions.tokens.ids[[1, 2]].tolist() == [
        [1, 8, 4, 5, 6, 7, 2, 0, 0],
        [1, 3, 4, 9, 6, 10, 11, 8, 2],
    ]
    assert captions.tokens.pool.tolist() == [6, 6, 8, 8, 8, 8]


def test_three_objects_by_hand():
    captions = all_captions(World(n_pixels=3, n_labels=3, n_objects=3, template="both"))
    stated = dict(zip(captions.texts, captions.labels.tolist(), strict=True))
    assert stated["bird is on the left of apple which is on the left of cat"] == [1, 0, 2]
    assert stated["cat is on the right of apple which is on the right of bird"] == [1, 0, 2]
    assert stated["cat is in the image"] == [2, -1, -1]


WORLDS = [
    World(),
    World(template="both"),
    World(n_pixels=4, n_labels=5, n_objects=3, template="both"),
    World(n_pixels=4, n_labels=30),
]


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_every_caption_once_and_what_it_says(world: World):
    captions = all_captions(world)
    n_templates = 2 if world.template == "both" else 1
    n_orders = perm(world.n_labels, world.n_objects)
    assert len(captions.texts) == world.n_labels + n_templates * n_orders
    assert len(set(captions.texts)) == len(captions.texts)
    for text, labels in zip(captions.texts, captions.labels.tolist(), strict=True):
        assert [label for label in labels if label >= 0] == read(text, world)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_tokens_spell_the_caption(world: World):
    captions = all_captions(world)
    assert len(set(captions.words)) == len(captions.words)
    for text, words, pool in zip(
        captions.texts, decoded(captions), captions.tokens.pool.tolist(), strict=True
    ):
        assert words[: pool + 1] == ["[SOT]", *text.split(), "[EOT]"]
        assert set(words[pool + 1 :]) <= {"[PAD]"}


def test_captions_of_the_default_world_and_of_the_paper():
    assert len(all_captions(World()).texts) == 625
    assert len(all_captions(World(**PAPER["world"])).texts) == 400


def test_short_tuples_are_filled_up():
    assert padded([(3,), (1, 2)], 2).tolist() == [[3, -1], [1, 2]]


def test_no_tuples_are_an_array_of_integers():
    nothing = padded([], 3)
    assert nothing.shape == (0, 3)
    assert nothing.dtype == np.int64
