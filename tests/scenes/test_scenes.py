"""Scenes: batches, examples, roles and occurrences, in worlds small enough to list."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp.axes import Tokens
from lrinterp.scenes import SETS, Examples, Scenes, Split, World
from lrinterp.scenes.world import label_words
from lrinterp.store import InputError, to_plain

SMALL = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=3)


@pytest.fixture(scope="module", params=["left", "both"])
def scenes(request: pytest.FixtureRequest) -> Scenes:
    return Scenes(World(n_pixels=4, n_labels=6, template=request.param), SMALL)


@pytest.fixture(scope="module")
def both() -> Scenes:
    return Scenes(World(n_pixels=4, n_labels=6, template="both"), SMALL)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(picture: list[int]) -> tuple[int, ...]:
    """The labels in a picture, from left to right."""
    return tuple(token - 1 for token in picture[1:] if token)


def said(scenes: Scenes, caption: list[int]) -> tuple[int, ...]:
    """The labels that a caption states, from left to right, read from its words."""
    words = [scenes.captions.words[i] for i in caption]
    nouns = label_words(scenes.world)
    labels = tuple(nouns.index(word) for word in words if word in nouns)
    return labels[::-1] if "right" in words else labels


def pairs(scenes: Scenes, batch: tuple[Tokens, Tokens]) -> list[tuple[tuple[int, ...], ...]]:
    pictures, captions = (tokens.ids.tolist() for tokens in batch)
    return [(seen(p), said(scenes, c)) for p, c in zip(pictures, captions, strict=True)]


# Batches.


def test_a_batch_states_each_thing_once_and_truly(scenes: Scenes):
    found = pairs(scenes, scenes.batch(generator()))
    assert all(picture == caption for picture, caption in found)
    assert len({picture for picture, _ in found}) == len(found) == 6 + 3 * 2


def test_a_batch_of_some_size(scenes: Scenes):
    batches = [pairs(scenes, scenes.batch(generator(seed), 5)) for seed in range(40)]
    assert all(len(batch) == 5 for batch in batches)
    assert all(len({picture for picture, _ in batch}) == 5 for batch in batches)
    assert len({picture for batch in batches for picture, _ in batch}) == 12


def test_a_batch_is_never_larger_than_what_can_be_stated(scenes: Scenes):
    assert len(scenes.batch(generator(), 100)[0]) == 12


def test_batches_show_all_of_training_and_nothing_else(both: Scenes):
    n_training = both.training.n_choices.sum()
    draw, found = generator(), set()
    for _ in range(80):
        found |= {tuple(row) for row in both.batch(draw)[0].ids.tolist()}
    held_out = {tuple(row) for row in both.examples().image.ids.tolist()}
    assert len(found) == n_training
    assert not found & held_out


def test_both_templates_appear_equally_often(both: Scenes):
    draw = generator()
    left, right = (both.captions.words.index(word) for word in ("left", "right"))
    ids = torch.cat([both.batch(draw)[1].ids for _ in range(100)])
    n_left, n_right = ((ids == word).any(1).sum().item() for word in (left, right))
    assert n_left + n_right == 600
    assert abs(n_left - 300) < 5 * np.sqrt(600 / 4)


def test_shuffled_captions_are_those_of_others_and_always_the_same():
    split = replace(SMALL, shuffled=True)
    shuffled, plain = (Scenes(World(n_pixels=4, n_labels=6), s) for s in (split, SMALL))
    said: dict[Any, set[Any]] = {}
    for seed in range(20):
        for picture, caption in pairs(shuffled, shuffled.batch(generator(seed))):
            said.setdefault(picture, set()).add(caption)
    assert all(len(captions) == 1 for captions in said.values())
    assert all(picture not in captions for picture, captions in said.items())
    assert all(len(picture) == len(caption) for picture, (caption,) in said.items())
    assert {caption for (caption,) in said.values()} == set(said)
    assert np.array_equal(shuffled.training.pixels, plain.training.pixels)
    assert shuffled.examples().image.ids.equal(plain.examples().image.ids)


def test_the_generator_alone_decides(scenes: Scenes):
    one, same, other = (scenes.batch(generator(seed)) for seed in (0, 0, 1))
    assert all(a.ids.equal(b.ids) for a, b in zip(one, same, strict=True))
    assert not one[0].ids.equal(other[0].ids)


def test_global_random_state_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    for module, name in ((torch, "manual_seed"), (np.random, "seed"), (random, "seed")):
        monkeypatch.setattr(module, name, never)
    before = torch.get_rng_state(), numpy_state()
    scenes = Scenes(World(n_pixels=4, n_labels=6), SMALL)
    scenes.batch(generator())
    scenes.examples()
    assert torch.get_rng_state().equal(before[0])
    assert numpy_state() == before[1]


def numpy_state() -> list[int]:
    return np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002


def never(*_: Any) -> None:
    raise AssertionError("global random state was seeded")


def test_equal_settings_make_equal_scenes(both: Scenes):
    again = Scenes(both.world, both.split)
    assert again == both
    assert again.examples().image.ids.equal(both.examples().image.ids)
    assert all(
        a.ids.equal(b.ids)
        for a, b in zip(again.batch(generator()), both.batch(generator()), strict=True)
    )


# Examples.


def test_pictures_are_what_their_labels_say(scenes: Scenes):
    examples = scenes.examples()
    for i, picture in enumerate(examples.image.ids.tolist()):
        labels = [label for label in examples.image_labels[i].tolist() if label >= 0]
        pixels = [pixel for pixel in examples.image_pixels[i].tolist() if pixel >= 0]
        assert seen(picture) == tuple(labels)
        assert [picture[pixel + 1] - 1 for pixel in pixels] == labels


def test_sets_keep_the_order_asked_for(both: Scenes):
    names = ("unseen_pair", "single")
    examples = both.examples(names)
    assert tuple(dict.fromkeys(examples.image_set)) == names
    assert len(examples) == len(both.examples().of("unseen_pair")) + 6 * 2


def test_captions_know_their_set(both: Scenes):
    examples = both.examples()
    count = Counter(examples.caption_set)
    assert count == {
        "single": 6,
        "seen_pair": 2 * 6,
        "unseen_pair": 2 * 2,
        "mixed_pair": 2 * (20 - 6 - 2),
        "none": 2 * (30 - 20),
    }


def test_every_tested_picture_of_held_out_labels_has_its_twin():
    """A picture is judged against the one with its objects exchanged, so both must be there."""
    examples = Scenes().examples(["unseen_pair", "mixed_pair"])
    twin = examples.image_twin
    assert (twin >= 0).all()
    assert (examples.image_pixels[twin] == examples.image_pixels).all()
    assert (examples.image_labels[twin] == examples.image_labels[:, ::-1]).all()


def test_a_set_without_pictures_gives_its_reason():
    split = Split(n_pair=3, n_val=0, positions_per_label=4, layouts_per_pair=6)
    examples = Scenes(World(n_pixels=4, n_labels=6), split).examples()
    assert len(examples) == 0
    assert dict(examples.empty) == {
        "single": "positions_per_label = 4 leaves no position",
        "seen_pair": "layouts_per_pair = 6 leaves no layout",
        "unseen_pair": "n_val = 0 is fewer labels than the 2 of a pair",
        "mixed_pair": "n_val = 0 leaves no label to mix in",
    }


def test_an_empty_set_beside_full_ones_changes_nothing_about_them(both: Scenes):
    split = Split(n_pair=3, n_val=2, positions_per_label=4, layouts_per_pair=3)
    examples = Scenes(both.world, split).examples()
    assert list(examples.empty) == ["single"]
    assert examples.image_labels.dtype == np.int64
    unseen = examples.of("unseen_pair")
    assert unseen.image.ids.equal(both.examples().of("unseen_pair").image.ids)


def test_full_sets_have_no_reason(both: Scenes):
    assert both.examples().empty == {}


def test_an_unknown_set_is_refused(both: Scenes):
    expected = "set: expected one of single, seen_pair, unseen_pair, mixed_pair, got 'all'"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        both.examples(["single", "all"])


# Roles and occurrences.


def counted(roles: Any) -> torch.Tensor:
    return torch.stack(list(roles.values())).sum(0)


def test_each_picture_position_has_one_role(scenes: Scenes):
    examples = scenes.examples()
    assert (counted(examples.roles["image"]) == 1).all()
    assert list(examples.roles["image"]) == ["CLS", "left", "right", "background"]


def test_each_caption_position_up_to_the_end_has_one_role(scenes: Scenes):
    examples = scenes.examples(["single"])
    ids, pool = examples.text.ids, examples.text.pool
    read = torch.arange(ids.shape[1]) <= pool[:, None]
    assert counted(examples.roles["text"]).equal(read.long())


def test_picture_roles_by_hand(both: Scenes):
    examples = both.examples(["unseen_pair"])
    i = examples.image.ids.tolist().index([7, 0, 5, 0, 4])
    roles = {
        name: mask[i].nonzero().flatten().tolist() for name, mask in examples.roles["image"].items()
    }
    assert roles == {"CLS": [0], "left": [2], "right": [4], "background": [1, 3]}


def test_a_single_object_is_the_left_one_and_has_no_right(both: Scenes):
    examples = both.examples(["single"])
    assert examples.roles["image"]["left"].sum(1).tolist() == [1] * 12
    assert not examples.roles["image"]["right"].any()


def test_caption_roles_by_hand(both: Scenes):
    examples = both.examples(["single"])
    roles = examples.roles["text"]

    def of(text: str) -> dict[str, list[int]]:
        i = examples.caption_text.index(text)
        return {name: mask[i].nonzero().flatten().tolist() for name, mask in roles.items()}

    # [SOT] bird is on the right of apple [EOT]
    assert of("bird is on the right of apple") == {
        "SOT": [0], "first": [1], "second": [7], "words": [2, 3, 4, 5, 6], "EOT": [8],
    }  # fmt: skip
    assert of("cat is in the image") == {
        "SOT": [0], "first": [1], "second": [], "words": [2, 3, 4, 5], "EOT": [6],
    }  # fmt: skip


def test_pictures_hold_any_pixel_token_anywhere_and_cls_in_front(both: Scenes):
    occurs = both.examples(["single"]).occurs["image"]
    expected = [[False] + [True] * 4] * 7 + [[True] + [False] * 4]
    assert occurs.tolist() == expected


def test_word_occurrences_by_hand():
    world = World(n_pixels=2, n_labels=2)
    split = Split(n_pair=2, n_val=0, positions_per_label=1, layouts_per_pair=1)
    scenes = Scenes(world, split)
    occurs = scenes.examples(["single"]).occurs["text"]
    where = {
        word: occurs[i].nonzero().flatten().tolist() for i, word in enumerate(scenes.captions.words)
    }
    # [SOT] apple is in the image [EOT] / [SOT] apple is on the left of bird [EOT]
    assert where == {
        "[PAD]": [], "[SOT]": [0], "[EOT]": [6, 8], "apple": [1, 7], "bird": [1, 7], "is": [2],
        "in": [3], "the": [4], "image": [5], "on": [3], "left": [5], "of": [6],
    }  # fmt: skip


def test_everything_shown_is_an_admissible_occurrence(scenes: Scenes):
    examples = scenes.examples()
    seen_pictures = torch.zeros_like(examples.occurs["image"])
    position = torch.arange(5).expand_as(examples.image.ids)
    seen_pictures[examples.image.ids, position] = True
    draw = generator()
    for _ in range(40):
        ids = scenes.batch(draw)[0].ids
        seen_pictures[ids, torch.arange(5).expand_as(ids)] = True
    assert seen_pictures.equal(examples.occurs["image"])


# Worlds of other sizes.


def test_three_objects_thirty_labels_four_pixels():
    world = World(n_pixels=4, n_labels=30, n_objects=3)
    split = Split(n_pair=4, n_val=3, positions_per_label=3, layouts_per_pair=2)
    scenes = Scenes(world, split)
    examples = scenes.examples(["single", "unseen_pair"])
    assert scenes.sizes["image"] == (32, 5)
    assert Counter(examples.image_set) == {"single": 30, "unseen_pair": 6 * 4}
    assert list(examples.roles["image"]) == ["CLS", "left", "middle 1", "right", "background"]
    assert (counted(examples.roles["image"]) == 1).all()
    assert list(examples.roles["text"]) == ["SOT", "first", "second", "third", "words", "EOT"]
    pictures, captions = scenes.batch(generator())
    assert len(pictures) == len(captions) == 30 + 4 * 3 * 2
    assert all(p == c for p, c in pairs(scenes, (pictures, captions)))


def test_sizes_are_what_the_tokens_need(scenes: Scenes):
    examples = scenes.examples()
    for name, tokens in {"image": examples.image, "text": examples.text}.items():
        vocabulary, context = scenes.sizes[name]
        assert tokens.ids.shape[1] == context
        assert tokens.ids.max() < vocabulary == len(examples.words[name])


# Plain data.


def test_scenes_from_plain_data(both: Scenes):
    plain = to_plain(both.world), to_plain(both.split)
    assert Scenes.from_plain(*plain) == both
    assert Scenes.from_plain({}, {}) == Scenes()


@pytest.mark.parametrize(
    ("world", "split", "message"),
    [
        (None, {}, "a.toml: has no world and split"),
        ({"n_pixel": 3}, {}, "a.toml: world: unknown field 'n_pixel'"),
        ({}, {"n_pair": "15"}, "a.toml: split.n_pair: expected int, got '15'"),
        ({"n_labels": 10}, {}, "a.toml: split.n_pair + n_val: expected at most n_labels=10"),
        ({"n_objects": 1}, {}, "a.toml: world.n_objects: expected 2 to 9, got 1"),
    ],
)
def test_plain_data_that_does_not_fit_is_named(
    world: dict[str, Any] | None, split: dict[str, Any], message: str
):
    with pytest.raises(InputError) as caught:
        Scenes.from_plain(world, split, "a.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_names_of_the_sets():
    assert SETS == ("single", "seen_pair", "unseen_pair", "mixed_pair")
    assert isinstance(Scenes(World(n_pixels=4, n_labels=6), SMALL).examples(), Examples)
