"""Which rows place two objects, a seeded draw, and what is true of pictures and their mirrors."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from lrinterp import InputError
from lrinterp.scenes import Examples
from lrinterp.scenes.natural import PICTURES, Relation, compose, read_relations
from lrinterp.scenes.natural.compose import ObjectPair, draw_pairs

BOXES = {"subject": (0.6, 0.0, 0.9, 0.5), "object": (0.1, 0.0, 0.4, 0.5)}


def row(number: int = 0, **changes) -> Relation:
    fields = {
        "suite": "jsonl", "where": f"rows.jsonl, row {number + 1}",
        "picture": Path(f"{number}.png"),
        "captions": ("a cat to the right of a dog", "a cat to the left of a dog"), "right": 0,
        "relation": "right of", "axis": "horizontal", "subject": "Cat", "object": "dog",
        "group": "cat, dog", "foil": "word swap",
    }  # fmt: skip
    return Relation(**{**fields, **changes})


def test_the_subject_of_right_of_stands_on_the_right():
    right, left = ObjectPair.of(row(boxes=BOXES)), ObjectPair.of(row(relation="left of"))
    assert right is not None
    assert (right.names, right.boxes) == (("dog", "cat"), (BOXES["object"], BOXES["subject"]))
    assert left is not None
    assert (left.names, left.boxes) == (("cat", "dog"), None)


@pytest.mark.parametrize(
    "changes",
    [
        {"axis": "vertical", "relation": "above"},
        {"picture": None},
        {"object": ""},
        {"object": "cat"},
        {"relation": "beside"},
        {"relation": "left of the right one"},
    ],
)
def test_other_rows_are_none(changes):
    assert ObjectPair.of(row()) is not None
    assert ObjectPair.of(row(**changes)) is None


def test_a_draw_is_seeded_in_order_and_without_repeats():
    rows = [row(i) for i in range(40) for _ in range(2)]
    drawn = draw_pairs(rows, 10, 3)
    names = [int(p.row.picture.stem) for p in drawn if p.row.picture]
    assert len(set(names)) == 10
    assert names == sorted(names)
    assert drawn == draw_pairs(rows, 10, 3)
    assert drawn != draw_pairs(rows, 10, 4)
    assert len(draw_pairs(rows, 100, 0)) == 40


def test_every_picture_is_drawn_alike():
    """Each of 8 should come in half of 400 draws of 4: within five standard errors."""
    rows = [row(i) for i in range(8)]
    counts = [0] * 8
    for seed in range(400):
        for p in draw_pairs(rows, 4, seed):
            counts[rows.index(p.row)] += 1
    assert sum(counts) == 1600
    assert all(abs(count - 200) < 50 for count in counts)


def test_too_few_are_refused():
    with pytest.raises(InputError, match="the suite has 1 pictures with one object left or right"):
        draw_pairs([row(), row(1, axis="other")], 5, 0)


@pytest.fixture(scope="module")
def model(clip_folder):
    from lrinterp.checkpoint import load_checkpoint

    return load_checkpoint(clip_folder).model


@pytest.fixture(scope="module")
def examples(model, data_root) -> Examples:
    rows = islice(read_relations("nlvr", data_root / "nlvr"), 200)
    return compose(rows, model.processor, model.image.grid, pictures=24, seed=1)


@pytest.mark.realdata
def test_each_picture_is_followed_by_its_exact_mirror_image(examples):
    values = examples.image.values
    assert torch.equal(values[0::2].flip(-1), values[1::2])
    assert not torch.equal(values[0], values[1])
    assert examples.image_twin.tolist() == [i + 1 - 2 * (i % 2) for i in range(24)]
    assert np.array_equal(examples.image_labels[0::2], examples.image_labels[1::2, ::-1])
    assert set(examples.image_set) == {PICTURES}
    assert examples.occurs["image"].sum().item() == 1 + examples.grid[0] * examples.grid[1]
    assert examples.occurs["text"][examples.text.ids[0, 0], 0]


@pytest.mark.realdata
def test_roles_are_mirrored_too(examples):
    """The left object's patches are the right object's, from the other side."""
    rows, columns = examples.grid
    roles = {k: m[:, 1:].reshape(-1, rows, columns) for k, m in examples.roles["image"].items()}
    assert torch.equal(roles["left"][0::2], roles["right"][1::2].flip(-1))
    assert torch.equal(roles["background"][0::2], roles["background"][1::2].flip(-1))
    for side in (0, 1):
        flat = roles[("left", "right")[side]].reshape(24, -1)
        assert flat[torch.arange(24), torch.from_numpy(examples.image_pixels[:, side])].all()
    across = examples.image_pixels % columns
    assert (across[:, 0] < across[:, 1]).all()


@pytest.mark.realdata
def test_the_boxes_lie_on_the_objects(examples):
    """Colour: patches under an object differ more from the corner's grey than the background."""
    columns, values = examples.grid[1], examples.image.values
    side = values.shape[-1] // columns
    patches = values.unfold(2, side, side).unfold(3, side, side).flatten(4).std(-1).mean(1)
    flat = patches.reshape(len(patches), -1)
    roles = examples.roles["image"]
    mean = {k: float(flat[roles[k][:, 1:]].mean()) for k in ("left", "right", "background")}
    assert min(mean["left"], mean["right"]) > 1.5 * mean["background"]


@pytest.mark.realdata
def test_captions_that_differ_in_one_token_are_true_of_twins(examples):
    meaning = examples.caption_meaning
    texts, ids = examples.caption_text, examples.text.ids
    for i, text in enumerate(texts):
        other = texts.index(
            text.replace("left", "right") if "left" in text else text.replace("right", "left")
        )
        assert int((ids[i] != ids[other]).sum()) == 1
        assert meaning[i] != meaning[other]
        assert examples.caption_label_set[i] == examples.caption_label_set[other]
    for row, labels in enumerate(examples.image_labels):
        left, right = (examples.label_words[k] for k in labels)
        [said] = [t for t, m, k in zip(texts, meaning, examples.caption_template, strict=True)
                  if m == examples.image_meaning[row] and k == "left"]  # fmt: skip
        assert said == f"a {left} to the left of a {right}"
    assert examples.templates == ("left", "right")
