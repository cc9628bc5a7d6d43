"""What clean and corrupted inputs share, and when their margins lie far enough apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp import record
from lrinterp.analysis import contrast
from lrinterp.analysis.contrast import caption_of, clearest_template, contrasts, over_templates
from lrinterp.axes import Tokens
from lrinterp.result import NotApplicable
from lrinterp.run import TowerRun

BOTH = {"n_pixels": 3, "n_labels": 4, "template": "both", "n_val": 2, "layouts_per_pair": 1}


def test_margins_of_the_micro_model_by_hand(micro_recording):
    """The right object weighs e^2 a pixel more than the left one, the label named second e^4; a
    picture of both, weighed so, lies along the difference of the captions.
    """
    image, text = contrasts(micro_recording, 64, 0)
    pixels = micro_recording.examples.image_pixels[image.pictures]
    weight, named = np.exp(2 * (pixels[:, 1] - pixels[:, 0])), np.exp(4)
    along = (weight - 1) * (named - 1)
    expected = along / np.sqrt((1 + weight**2) * (1 + named**2))
    np.testing.assert_allclose(image.margins().numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(text.margins().numpy(), expected, atol=1e-6)


def test_ten_standard_errors_decide(micro_recording, monkeypatch: pytest.MonkeyPatch):
    """Margins of the micro-model lie 21 standard errors apart; scenes are independent."""
    image, text = contrasts(micro_recording, 64, 0)
    gap = 2 * image.margins().numpy()
    scenes = micro_recording.examples.image_scene[image.pictures]
    sums = [(gap - gap.mean())[scenes == scene].sum() for scene in np.unique(scenes)]
    assert len(sums) == 3
    errors = gap.mean() / (np.sqrt(3 / 2 * np.square(sums).sum()) / 6)
    assert 20 < errors < 23
    monkeypatch.setattr(contrast, "ENOUGH_ERRORS", 0.99 * errors)
    assert image.too_weak() is None
    monkeypatch.setattr(contrast, "ENOUGH_ERRORS", 1.01 * errors)
    assert "The text tower does not tell a caption" in str(text.too_weak())


def test_clean_and_corrupted_differ_in_order_alone(left_right):
    image, text = contrasts(left_right, 16, 0)
    words, vocabulary = left_right.examples.words["text"], left_right.examples.words["image"]
    for clean, corrupted in zip(*(tokens.ids.tolist() for tokens in image.inputs), strict=True):
        places = [i for i, (a, b) in enumerate(zip(clean, corrupted, strict=True)) if a != b]
        left, right = places
        assert (clean[left], clean[right]) == (corrupted[right], corrupted[left])
        assert "background" not in (vocabulary[clean[left]], vocabulary[clean[right]])
    for row, (clean, corrupted) in enumerate(
        zip(*(tokens.ids.tolist() for tokens in text.inputs), strict=True)
    ):
        picture = [vocabulary[token] for token in image.inputs[0].ids[row].tolist()]
        first, second = [word for word in picture[1:] if word != "background"]
        sentence = " ".join(words[token] for token in clean)
        assert sentence == f"[SOT] {first} is on the left of {second} [EOT]"
        swapped = " ".join(words[token] for token in corrupted)
        assert swapped == f"[SOT] {second} is on the left of {first} [EOT]"
    margins = [image.margin_of(run) for run in (image.clean, image.corrupted)]
    assert torch.equal(image.margins(), margins[0])
    assert torch.equal(text.at(slice(2, 5)).direction, text.direction[2:5])
    assert text.at(np.array([3, 1])).pictures.tolist() == text.pictures[[3, 1]].tolist()
    assert margins[0].mean() > margins[1].mean()


def test_a_template_changes_captions_and_nothing_else(small):
    recording = small(**BOTH)
    left, right = (contrasts(recording, 4, 1, template=t) for t in ("left", "right"))
    assert torch.equal(left[0].inputs[0].ids, right[0].inputs[0].ids)
    assert torch.equal(left[1].direction, right[1].direction)
    assert (left[1].template, right[1].template) == ("left", "right")
    examples = recording.examples
    for name in ("left", "right"):
        for picture, i in enumerate(caption_of(examples, np.arange(len(examples)), name)):
            one, other = (examples.label_words[k] for k in examples.image_labels[picture])
            named = (one, other) if name == "left" else (other, one)
            assert examples.caption_text[i] == f"{named[0]} is on the {name} of {named[1]}"


@pytest.mark.parametrize(
    ("wrong", "expected"), [("left", "right"), ("right", "left"), ("", "left")]
)
def test_the_template_in_which_order_is_best_is_taken(small, wrong, expected):
    """Captions of one template are embedded as their opposites are; of equals the first counts."""
    recording = small(**BOTH, sets=None)
    examples = recording.examples
    width = len(examples.label_words) ** 2
    meaning = {
        "image": examples.image_labels @ [len(examples.label_words), 1],
        "text": examples.caption_labels @ [len(examples.label_words), 1],
    }
    turned = np.array([template == wrong for template in examples.caption_template])
    meaning["text"][turned] = examples.caption_labels[turned] @ [1, len(examples.label_words)]
    embeddings = {
        name: torch.nn.functional.one_hot(torch.from_numpy(rows % width), width).float()
        for name, rows in meaning.items()
    }
    for name, rows in embeddings.items():
        recording.towers[name].kept["embedding"] = rows
    planted = recording
    assert clearest_template(planted) == expected
    assert contrasts(planted, 4, 1)[1].template == expected
    every = over_templates(planted, 4, 1)
    assert every[1].units.n == 2
    assert len(every[1].units) == len(every[1].pictures) == 8


def test_pictures_without_their_swaps_are_refused(micro, micro_examples):
    part = micro_examples.of("unseen_pair")
    first = np.flatnonzero(part.image_labels[:, 0] == 2)
    with pytest.raises(NotApplicable, match="too few pictures whose swap is among the recorded"):
        contrasts(record(micro, part.at(first)), 64, 0)


def test_captions_of_unequal_length_cannot_be_patched(micro_recording):
    _, text = contrasts(micro_recording, 64, 0)
    assert text.unequal() is text.why_not() is None
    shorter = Tokens(text.inputs[1].values, text.inputs[1].pool - 1)
    longer = replace(text, corrupted=TowerRun(text.clean.model, "text", shorter))
    assert "differ in length (9 and 8 tokens" in str(longer.why_not())


def test_both_runs_are_those_of_their_inputs_and_share_their_roles(left_right):
    for one in contrasts(left_right, 8, 0):
        for run in (one.clean, one.corrupted):
            again = left_right.model.embed_all(one.tower, run.inputs)
            torch.testing.assert_close(run.embeddings, again, atol=1e-6, rtol=0)
            assert list(run.places.roles) == list(left_right.examples.roles[one.tower])
        for role, mask in one.roles.items():
            assert torch.equal(mask, one.corrupted.places.roles[role])
