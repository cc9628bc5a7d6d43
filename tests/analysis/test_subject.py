"""What the analyses look at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Scenes, Split, World, preset, record
from lrinterp.analysis import subject
from lrinterp.analysis.subject import (
    FEW_TWINS,
    MANY_TWINS,
    decomposable,
    focus,
    label_groups,
    random_twins,
    sides_of,
    typical,
)
from lrinterp.result import NotApplicable


def test_the_focus_is_the_first_set_with_pictures(micro_examples):
    parts = {name: micro_examples.of(name) for name in ("single", "seen_pair", "mixed_pair")}
    assert focus(micro_examples) == "unseen_pair"
    assert focus(micro_examples.at(np.flatnonzero(held_out_free(micro_examples)))) == "seen_pair"
    assert focus(parts["mixed_pair"]) == "mixed_pair"
    with pytest.raises(NotApplicable, match="no pictures of several objects were recorded"):
        focus(parts["single"])


def held_out_free(examples) -> np.ndarray:
    return np.array([name != "unseen_pair" for name in examples.image_set])


def test_a_tower_that_cannot_be_split_is_named(micro, micro_examples):
    recording = record(micro, micro_examples)
    assert decomposable(recording, "image") is micro.image
    micro.text.cfg.normalization_type = "RMS"
    with pytest.raises(NotApplicable, match="the text tower cannot be decomposed: normalization"):
        decomposable(recording, "text")


def test_random_twins_are_fresh_where_there_is_a_recipe_and_else_scrambled(micro, monkeypatch):
    config = preset("minimal", d_model=4, n_heads=2, d_head=2, d_embed=4)
    model = DualEncoder.build(config, {"image": (4, 6), "text": (9, 14)}, 0)
    fresh, scrambled = list(random_twins(model, "text", 7)), list(random_twins(micro, "text", 7))
    assert len(fresh) == len(scrambled) == MANY_TWINS
    for k in (0, 19):
        own = DualEncoder.build(config, model.sizes, 7 + k)
        assert torch.equal(fresh[k].text.W_E, own.text.W_E)
        assert torch.equal(scrambled[k].text.W_E, micro.scrambled("text", 7 + k).text.W_E)
    monkeypatch.setattr(subject, "SMALL", 1)
    assert len(list(random_twins(model, "text", 7))) == FEW_TWINS


def test_objects_halves_or_neither(photographs):
    _, examples = photographs
    halves = {"left": "left half", "right": "right half"}
    assert sides_of(examples) == "object"
    assert sides_of(renamed(examples, halves)) == "half"
    with pytest.raises(NotApplicable, match="do not say which positions are left"):
        sides_of(renamed(examples, {"left": "some"}))


def renamed(examples, names: dict[str, str]):
    """The pictures' roles under other names."""
    roles = {names.get(name, name): mask for name, mask in examples.roles["image"].items()}
    return replace(examples, roles={**examples.roles, "image": roles})


def test_groups_of_labels_come_from_the_captions():
    def groups(n_objects: int = 2, n_val: int = 2) -> tuple[str, ...]:
        split = Split(n_pair=4, n_val=n_val, positions_per_label=2, layouts_per_pair=1)
        world = World(n_pixels=4, n_labels=7, n_objects=n_objects)
        return label_groups(Scenes(world, split).examples())

    assert groups() == ("trained",) * 4 + ("held out",) * 2 + ("neither",)
    # no pair of held-out labels, but mixed ones
    assert groups(n_val=1) == ("trained",) * 4 + ("held out",) + ("neither",) * 2
    assert groups(n_objects=3, n_val=3) == ("trained",) * 4 + ("held out",) * 3


def test_the_picture_is_chosen_by_its_layout_alone():
    pixels = np.array([[0, 1], [0, 9], [2, 7], [1, 7], [2, 7]])
    assert typical(pixels, 10) == 2
    thirds = np.array([[0, 1, 2], [1, 4, 7], [7, 8, 9]])
    assert typical(thirds, 9) == 1
    assert typical(np.array([[0, 2], [0, 1], [1, 2]]), 3) == 0
