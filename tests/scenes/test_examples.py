from dataclasses import replace

import numpy as np
import pytest

from lrinterp.scenes import Examples, Scenes, Split, World
from lrinterp.scenes.examples import meaning


@pytest.fixture(scope="module")
def examples() -> Examples:
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    return Scenes(World(n_pixels=3, n_labels=4, template="both"), split).examples()


def test_meaning_is_a_number_in_base_labels_plus_one():
    labels = np.array([[0, 1], [1, 0], [2, -1], [-1, -1]])
    assert meaning(labels, 3).tolist() == [1 * 4 + 2, 2 * 4 + 1, 3 * 4, 0]
    rows = [(a, b, c) for a in range(-1, 4) for b in range(-1, 4) for c in range(-1, 4)]
    assert len(set(meaning(np.array(rows), 4).tolist())) == len(rows)


def test_a_caption_is_true_where_the_meanings_agree_and_label_sets_forget_the_order(examples):
    assert examples.templates == ("left", "right")
    true = examples.image_meaning[:, None] == examples.caption_meaning[None]
    for i, j in np.argwhere(true):
        assert examples.image_labels[i].tolist() == examples.caption_labels[j].tolist()
    several = examples.image_labels[:, 1] >= 0
    assert true.sum(1).tolist() == np.where(several, 2, 1).tolist()
    same = examples.image_label_set[:, None] == examples.caption_label_set[None]
    for i, j in np.ndindex(same.shape):
        equal = set(examples.image_labels[i]) == set(examples.caption_labels[j])
        assert same[i, j] == equal


def test_selecting_keeps_everything_about_a_picture_together(examples: Examples):
    index = np.array([7, 2, 7, 0])
    part = examples.at(index)
    assert len(part) == 4
    assert part.image.ids.tolist() == examples.image.ids[index].tolist()
    assert part.image_labels.tolist() == examples.image_labels[index].tolist()
    assert part.image_pixels.tolist() == examples.image_pixels[index].tolist()
    assert part.image_set == tuple(examples.image_set[i] for i in index)
    for name, mask in part.roles["image"].items():
        assert mask.tolist() == examples.roles["image"][name][index].tolist()
    assert part.image_meaning.tolist() == examples.image_meaning[index].tolist()
    assert part.text is examples.text


def test_sets_are_found_by_name(examples: Examples):
    assert set(examples.of("unseen_pair").image_set) == {"unseen_pair"}
    found = np.concatenate([examples.where(name) for name in dict.fromkeys(examples.image_set)])
    assert sorted(found) == list(range(len(examples)))
    assert len(examples.of("none")) == 0


def test_a_fingerprint_knows_its_pictures(examples: Examples):
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    again = Scenes(World(n_pixels=3, n_labels=4, template="both"), split).examples()
    assert examples.fingerprint == again.fingerprint
    backwards = examples.at(np.arange(len(examples))[::-1].copy())
    shorter = examples.at(np.arange(len(examples) - 1))
    renamed = replace(examples, label_words=examples.label_words[::-1])
    moved = replace(examples, image_set=("seen_pair",) * len(examples))
    prints = {e.fingerprint for e in (examples, backwards, shorter, renamed, moved)}
    assert len(prints) == 5
    said = replace(examples, caption_text=("a word", *examples.caption_text[1:]))
    assert backwards.caption_fingerprint == examples.caption_fingerprint
    assert said.caption_fingerprint != examples.caption_fingerprint
