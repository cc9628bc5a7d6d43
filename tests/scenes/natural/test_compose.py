"""Examples from pictures: what is true of a photograph and of its mirror image."""

from itertools import islice

import numpy as np
import pytest
import torch

from lrinterp.scenes import Examples
from lrinterp.scenes.natural import PICTURES, compose, read_relations


@pytest.fixture(scope="module")
def model(clip_folder):
    from lrinterp.checkpoint import load_checkpoint

    return load_checkpoint(clip_folder).model


@pytest.fixture(scope="module")
def examples(model, data_root) -> Examples:
    rows = islice(read_relations("nlvr", data_root / "nlvr"), 200)
    return compose(rows, model.processor, model.image.grid, pictures=24, seed=1)


pytestmark = pytest.mark.realdata


def test_each_photograph_is_followed_by_its_exact_mirror_image(examples):
    values = examples.image.values
    assert torch.equal(values[0::2].flip(-1), values[1::2])
    assert not torch.equal(values[0], values[1])
    assert examples.image_twin.tolist() == [i + 1 - 2 * (i % 2) for i in range(24)]
    assert np.array_equal(examples.image_labels[0::2], examples.image_labels[1::2, ::-1])
    assert set(examples.image_set) == {PICTURES}


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


def test_the_boxes_lie_on_the_objects(examples):
    """Colour: patches under an object differ more from the corner's grey than the background."""
    columns, values = examples.grid[1], examples.image.values
    side = values.shape[-1] // columns
    patches = values.unfold(2, side, side).unfold(3, side, side).flatten(4).std(-1).mean(1)
    flat = patches.reshape(len(patches), -1)
    roles = examples.roles["image"]
    mean = {k: float(flat[roles[k][:, 1:]].mean()) for k in ("left", "right", "background")}
    assert min(mean["left"], mean["right"]) > 1.5 * mean["background"]


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


def test_only_what_occurs_shares_a_component(examples, model):
    occurs = examples.occurs["image"]
    assert occurs.sum().item() == 1 + examples.grid[0] * examples.grid[1]
    text = examples.occurs["text"]
    assert text.shape == (len(model.processor.vocabulary), examples.text.ids.shape[1])
    assert text[examples.text.ids[0, 0], 0]


def test_seed_and_number_choose_the_pictures(model, data_root):
    def labels(seed: int) -> list[list[int]]:
        rows = islice(read_relations("nlvr", data_root / "nlvr"), 100)
        made = compose(rows, model.processor, model.image.grid, pictures=8, seed=seed)
        assert len(made) == 8
        return [[len(made.label_words), *row] for row in made.image_labels.tolist()]

    assert labels(0) == labels(0)
    assert labels(0) != labels(1)
