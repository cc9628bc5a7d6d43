"""Worlds: what is refused, pictures by hand, and captions read back word by word."""

from math import comb, perm
from typing import Any

import numpy as np
import pytest

from lrinterp.scenes import PAPER, CaptionSet, World, all_captions, draw_pictures, line_layouts
from lrinterp.scenes.world import NOUNS, nouns_of, sizes_of


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_objects": 1}, "n_objects: expected 2 to 9, got 1"),
        ({"n_objects": 3, "n_pixels": 2}, "n_pixels: expected at least 3, got 2"),
        ({"n_labels": 1}, "n_labels: expected at least 2, got 1"),
        (
            {"n_labels": 10**9},
            "n_labels: expected at most 1,000,000 orders of labels, 1000000000 makes "
            "999,999,999,000,000,000",
        ),
        (
            {"n_pixels": 10**9},
            "n_pixels: expected at most 1,000,000 layouts, 1000000000 makes "
            "499,999,999,500,000,000",
        ),
    ],
)
def test_an_impossible_world_is_refused_by_field(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^{message}$"):
        World(**changes)


@pytest.mark.parametrize("n_labels", [2, 20, len(NOUNS) + 6])
def test_every_label_has_a_word_of_its_own(n_labels: int):
    words = nouns_of(World(n_labels=n_labels))
    assert len(words) == len(set(words)) == n_labels
    assert not set(words) & set("is in the image on left right of which background CLS".split())
    assert words[len(NOUNS) : len(NOUNS) + 2] == (("thing25", "thing26") if n_labels > 25 else ())


@pytest.mark.parametrize(("n_pixels", "n_objects"), [(10, 2), (4, 3), (3, 1)])
def test_every_layout_once_from_left_to_right(n_pixels: int, n_objects: int):
    layouts = line_layouts(n_pixels, n_objects)
    assert layouts.shape == (comb(n_pixels, n_objects), n_objects)
    assert len({tuple(row) for row in layouts.tolist()}) == len(layouts)
    assert (np.diff(layouts, axis=1) > 0).all()
    assert (layouts.min(), layouts.max()) == (0, n_pixels - 1)


def test_pictures_by_hand():
    world = World(n_pixels=4, n_labels=3, n_objects=3)
    labels = np.array([[2, 0, 1], [1, -1, -1], [-1, -1, -1]])
    pixels = np.array([[0, 1, 3], [2, -1, -1], [-1, -1, -1]])
    picture = draw_pictures(world, labels, pixels)
    assert picture.ids.tolist() == [[4, 3, 1, 0, 2], [4, 0, 0, 2, 0], [4, 0, 0, 0, 0]]
    assert picture.pool.tolist() == [0, 0, 0]
    assert draw_pictures(world, labels[:0], pixels[:0]).ids.shape == (0, 5)


def read(caption: str, world: World) -> list[int]:
    """The labels that a sentence states, from left to right."""
    words = nouns_of(world)
    mentioned = [words.index(word) for word in caption.split() if word in words]
    return mentioned[::-1] if "right" in caption else mentioned


def decoded(captions: CaptionSet) -> list[list[str]]:
    return [[captions.words[i] for i in row] for row in captions.tokens.ids.tolist()]


def test_captions_of_two_labels_by_hand():
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


def test_captions_of_three_objects_by_hand():
    captions = all_captions(World(n_pixels=3, n_labels=3, n_objects=3, template="both"))
    stated = dict(zip(captions.texts, captions.labels.tolist(), strict=True))
    assert stated["bird is on the left of apple which is on the left of cat"] == [1, 0, 2]
    assert stated["cat is on the right of apple which is on the right of bird"] == [1, 0, 2]
    assert stated["cat is in the image"] == [2, -1, -1]


WORLDS = [
    (World(), 625),
    (World(**PAPER["world"]), 400),
    (World(n_pixels=4, n_labels=5, n_objects=3, template="both"), 5 + 2 * perm(5, 3)),
    (World(n_pixels=4, n_labels=30), 30 + perm(30, 2)),
]


@pytest.mark.parametrize(("world", "n"), WORLDS, ids=str)
def test_every_caption_once_what_it_says_and_its_tokens(world: World, n: int):
    captions = all_captions(world)
    assert len(captions.texts) == len(set(captions.texts)) == n
    ends = captions.tokens.pool.tolist()
    rows = zip(captions.texts, captions.labels.tolist(), decoded(captions), ends, strict=True)
    for text, labels, words, end in rows:
        assert [label for label in labels if label >= 0] == read(text, world)
        assert words[: end + 1] == ["[SOT]", *text.split(), "[EOT]"]
        assert set(words[end + 1 :]) <= {"[PAD]"}
    assert sizes_of(world)["text"] == (len(captions.words), captions.tokens.ids.shape[1])
