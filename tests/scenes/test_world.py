from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from lrinterp.scenes import World
from lrinterp.scenes.world import NOUNS, label_words, picture_words


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_objects": 1}, "n_objects: expected 2 to 9, got 1"),
        ({"n_objects": 3, "n_pixels": 2}, "n_pixels: expected at least 3, got 2"),
        ({"n_objects": 10, "n_pixels": 20}, "n_objects: expected 2 to 9, got 10"),
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
        ({"n_labels": 1}, "n_labels: expected at least 2, got 1"),
    ],
)
def test_an_impossible_world_is_refused_by_field(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^{message}$"):
        World(**changes)


def test_an_unknown_template_is_refused():
    with pytest.raises(Exception, match="template"):
        World(template="above")  # type: ignore[arg-type]


def test_the_smallest_world():
    world = World(n_pixels=2, n_labels=2)
    assert picture_words(world) == ("background", "apple", "bird", "CLS")


def test_a_world_is_frozen():
    with pytest.raises(FrozenInstanceError):
        World().n_pixels = 3  # type: ignore[misc]


@pytest.mark.parametrize("n_labels", [2, 20, len(NOUNS), len(NOUNS) + 6])
def test_every_label_has_a_word_of_its_own(n_labels: int):
    words = label_words(World(n_labels=n_labels))
    assert len(words) == len(set(words)) == n_labels
    assert not set(words) & set("is in the image on left right of which background CLS".split())


def test_labels_beyond_the_nouns_are_numbered():
    assert label_words(World(n_labels=len(NOUNS) + 2))[-2:] == ("thing25", "thing26")
