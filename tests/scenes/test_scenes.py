"""Scenes: batches, examples, roles and occurrences, in worlds small enough to list."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp.axes import Tokens
from lrinterp.scenes import Scenes, Split, World
from lrinterp.scenes.world import nouns_of
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
    nouns = nouns_of(scenes.world)
    labels = tuple(nouns.index(word) for word in words if word in nouns)
    return labels[::-1] if "right" in words else labels


def pairs(scenes: Scenes, batch: tuple[Tokens, Tokens]) -> list[tuple[tuple[int, ...], ...]]:
    pictures, captions = (tokens.ids.tolist() for tokens in batch)
    return [(seen(p), said(scenes, c)) for p, c in zip(pictures, captions, strict=True)]


def test_a_batch_states_each_thing_once_and_truly(scenes: Scenes):
    found = pairs(scenes, scenes.batch(generator()))
    assert all(picture == caption for picture, caption in found)
    assert len({picture for picture, _ in found}) == len(found) == 6 + 3 * 2


def test_a_batch_of_some_size(scenes: Scenes):
    batches = [pairs(scenes, scenes.batch(generator(seed), 5)) for seed in range(40)]
    assert all(len(batch) == 5 for batch in batches)
    assert all(len({picture for picture, _ in batch}) == 5 for batch in batches)
    assert len({picture for batch in batches for picture, _ in batch}) == 12
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


def test_settings_and_generator_alone_decide(both: Scenes):
    again = Scenes(both.world, both.split)
    assert again == both
    assert again.examples().image.ids.equal(both.examples().image.ids)
    one, same = again.batch(generator()), both.batch(generator())
    assert all(a.ids.equal(b.ids) for a, b in zip(one, same, strict=True))
    assert not one[0].ids.equal(both.batch(generator(1))[0].ids)


def test_sets_keep_the_order_asked_for(both: Scenes):
    names = ("unseen_pair", "single")
    examples = both.examples(names)
    assert tuple(dict.fromkeys(examples.image_set)) == names
    assert len(examples) == len(both.examples().of("unseen_pair")) + 6 * 2
    assert examples.empty == {}
    expected = "set: expected one of single, seen_pair, unseen_pair, mixed_pair, got 'all'"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        both.examples(["single", "all"])


def test_captions_know_their_set(both: Scenes):
    assert Counter(both.examples().caption_set) == {
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


def test_a_set_without_pictures_gives_its_reason(both: Scenes):
    split = Split(n_pair=3, n_val=0, positions_per_label=4, layouts_per_pair=6)
    examples = Scenes(World(n_pixels=4, n_labels=6), split).examples()
    assert len(examples) == 0
    assert dict(examples.empty) == {
        "single": "positions_per_label = 4 leaves no position",
        "seen_pair": "layouts_per_pair = 6 leaves no layout",
        "unseen_pair": "n_val = 0 is fewer labels than the 2 of a pair",
        "mixed_pair": "n_val = 0 leaves no label to mix in",
    }
    split = Split(n_pair=3, n_val=2, positions_per_label=4, layouts_per_pair=3)
    examples = Scenes(both.world, split).examples()
    assert list(examples.empty) == ["single"]
    others = both.examples().of("unseen_pair")
    assert examples.of("unseen_pair").image.ids.equal(others.image.ids)


def counted(roles: Any) -> torch.Tensor:
    return torch.stack(list(roles.values())).sum(0)


def test_each_position_has_one_role_captions_up_to_their_end(scenes: Scenes):
    examples = scenes.examples()
    assert (counted(examples.roles["image"]) == 1).all()
    read = torch.arange(examples.text.ids.shape[1]) <= examples.text.pool[:, None]
    assert counted(examples.roles["text"]).equal(read.long())


def test_picture_roles_by_hand(both: Scenes):
    examples = both.examples(["unseen_pair"])
    i = examples.image.ids.tolist().index([7, 0, 5, 0, 4])
    roles = {
        name: mask[i].nonzero().flatten().tolist() for name, mask in examples.roles["image"].items()
    }
    assert roles == {"CLS": [0], "left": [2], "right": [4], "background": [1, 3]}
    alone = both.examples(["single"]).roles["image"]
    assert (alone["left"].sum(1) == 1).all()
    assert not alone["right"].any()


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
    occurs, ids = both.examples(["single"]).occurs["image"], both.batch(generator())[0].ids
    assert occurs.tolist() == [[False] + [True] * 4] * 7 + [[True] + [False] * 4]
    assert occurs[ids, torch.arange(5).expand_as(ids)].all()


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


def test_three_objects_thirty_labels_four_pixels():
    world = World(n_pixels=4, n_labels=30, n_objects=3)
    split = Split(n_pair=4, n_val=3, positions_per_label=3, layouts_per_pair=2)
    scenes = Scenes(world, split)
    examples = scenes.examples(["single", "unseen_pair"])
    assert scenes.sizes["image"] == (32, 5)
    assert Counter(examples.image_set) == {"single": 30, "unseen_pair": 6 * 4}
    assert list(examples.roles["image"]) == ["CLS", "left", "middle 1", "right", "background"]
    assert list(examples.roles["text"]) == ["SOT", "first", "second", "third", "words", "EOT"]
    pictures, captions = scenes.batch(generator())
    assert len(pictures) == len(captions) == 30 + 4 * 3 * 2
    assert all(p == c for p, c in pairs(scenes, (pictures, captions)))


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
def test_plain_data_that_does_not_fit_is_named(world, split, message):
    with pytest.raises(InputError) as caught:
        Scenes.from_plain(world, split, "a.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
