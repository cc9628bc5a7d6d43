"""Runs: both towers, sets, margins and accuracies; and what cannot be recorded."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp.axes import Pixels
from lrinterp.encoders import ClipSpec, DualEncoder, TowerSpec, batch_that_fits, build_clip
from lrinterp.run import Edit, Run, record
from lrinterp.scenes import Examples, Scenes, Split, World
from lrinterp.scoring import order_credit
from lrinterp.stats import SHARE
from lrinterp.store import InputError

ALL_SETS = ("single", "seen_pair", "unseen_pair")


def test_scores_are_those_of_the_model(made):
    run = made(2, "full", sets=ALL_SETS)
    expected = run.model.score(run.model.prepare(run.examples))
    torch.testing.assert_close(run.scores, expected, atol=1e-6, rtol=1e-5)
    assert run.inputs["text"].ids.equal(run.examples.text.ids)
    assert torch.equal(
        run.cache["image"]["pattern", 0], run.site("image", "blocks.0.attn.hook_pattern")
    )
    assert torch.equal(run.pooled("text", 1), run.towers["text"].pooled(1))
    assert set(run.streams) == set(run.embeddings) == {"image", "text"}


def test_the_margin_is_the_true_caption_minus_its_swap(made):
    """By a loop over captions, in double precision."""
    run = made(2)
    labels = run.examples.caption_labels.tolist()
    for i, own in enumerate(run.examples.image_labels.tolist()):
        true, swap = labels.index(own), labels.index(own[::-1])
        expected = run.scores[i, true] - run.scores[i, swap]
        assert float(run.margin[i]) == pytest.approx(float(expected), abs=1e-6)
    assert run.margin.dtype == torch.float64


def test_sets_share_what_was_computed(made, passes):
    run = made(2, sets=ALL_SETS)
    part = run.of("unseen_pair")
    assert part is run.of("unseen_pair")
    index = run.examples.where("unseen_pair")
    assert torch.equal(part.scores, run.scores[index])
    assert len(part.examples) == len(index)
    assert passes == [len(run.examples), len(run.examples.text)]
    some = part.at(np.array([3, 0]))
    assert torch.equal(some.embeddings["image"], run.embeddings["image"][index[[3, 0]]])
    assert some.examples.image_labels.tolist() == part.examples.image_labels[[3, 0]].tolist()


def test_edits_go_to_their_own_towers(made):
    run = made(2)
    image, text = Edit(), Edit(tower="text")
    both = run.under(image, text)
    for name, edit in (("image", image), ("text", text)):
        alone = run.under(edit)
        assert torch.equal(both.embeddings[name], alone.embeddings[name])
        assert (alone.embeddings[name] - run.embeddings[name]).abs().max() > 1e-3
    assert both.towers["text"].edits == (text,)
    with pytest.raises(ValueError, match="tower: expected image or text, got 'audio'"):
        run.under(Edit(tower="audio"))


def test_accuracy_and_means_carry_their_sample(made):
    run = made(2).of("unseen_pair")
    credit = order_credit(run.scores, run.examples)
    order = run.accuracy()
    assert (order.value, order.n, order.n_units) == (pytest.approx(credit.mean()), 36, 3)
    assert order.chance == 0.5
    assert run.accuracy("retrieval", "closed").chance is None
    margin = run.mean(run.margin)
    assert margin.value == pytest.approx(float(run.margin.mean()))
    less = run.under(Edit())
    gap = margin - less.mean(less.margin)
    assert gap.paired
    assert gap.value == pytest.approx(float((run.margin - less.margin).mean()))
    assert run.mean(torch.from_numpy(credit), SHARE).value == order.value


def test_what_fits_no_run_is_named(made):
    run = made(2, sets=ALL_SETS)
    with pytest.raises(ValueError, match=r"set: expected one of single, seen_pair, .*got 'unseen'"):
        run.of("unseen")
    assert len(run.of("mixed_pair").examples) == 0  # known, and nothing was recorded of it
    push = {"what": "z", "how": "add", "role": "CLS", "layers": (0,)}
    width = run.model.image.cfg.d_head
    with pytest.raises(ValueError, match=f"vector: expected {width} numbers, got 3"):
        run.under(Edit(vector=(1.0, 2.0, 3.0), **push))


def test_towers_made_for_another_world_are_named(micro: DualEncoder):
    larger = Scenes(
        World(n_pixels=5, n_labels=4),
        Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=1),
    )
    with pytest.raises(InputError, match="the image tower reads 6 words and 4 positions"):
        record(micro, larger.examples(), progress=False)


TOWER = TowerSpec(layers=2, width=8, heads=2, mlp=12, activation="quick_gelu", eps=1e-5)
SPEC = ClipSpec(
    image=TOWER, text=TOWER, embed=7, picture=(3, 8, 12), patch=(4, 4), context=12, vocabulary=40,
    end=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def clip() -> DualEncoder:
    model, generator = build_clip(SPEC), torch.Generator().manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = 0.4 * torch.randn(weight.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def pictures() -> Examples:
    """The captions of a small world beside random pictures."""
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=1)
    scenes = Scenes(World(n_pixels=3, n_labels=4), split).examples()
    occurs = torch.tensor([[True] + [False] * 6, [False] + [True] * 6])
    return replace(
        scenes,
        image=pixels(len(scenes)),
        occurs={**scenes.occurs, "image": occurs},
        roles={**scenes.roles, "image": {"CLS": occurs[:1].expand(len(scenes), -1)}},
        grid=(2, 3),
    )


def pixels(n: int) -> Pixels:
    values = torch.randn(n, 3, 8, 12, generator=torch.Generator().manual_seed(1))
    return Pixels(values, torch.zeros(n, dtype=torch.long))


def seen(clip: DualEncoder, pictures: Examples) -> Run:
    return record(clip, pictures, progress=False)


def test_pictures_are_read_as_the_tower_reads_them(clip, pictures, monkeypatch):
    """In batches as large as the tower allows."""
    _, cache = clip.image.run_with_cache(pictures.image.values)
    expected = clip.score(clip.prepare(pictures))
    monkeypatch.setattr("lrinterp.encoders.dual.WIDEST_ACTIVATION", 7 * 14 * 3)
    assert batch_that_fits(clip.image, pictures.image) == 3
    run = seen(clip, pictures)
    for name in ("hook_pre_norm", "blocks.0.attn.hook_pattern", "blocks.1.hook_mlp_out"):
        torch.testing.assert_close(run.site("image", name), cache[name], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(run.scores, expected, atol=1e-6, rtol=1e-5)


def test_behind_a_pre_norm_the_first_layers_own_position_is_a_mean(clip, pictures):
    """Its scale differs by input; edits of both layers then use means."""
    run = seen(clip, pictures)
    assert Edit().split_name(clip.image) == "means"
    assert Edit().split_name(clip.text) == "canonical, means"
    own, means = (run.towers["image"].streams.split(0, g).position for g in ("canonical", "means"))
    assert (own - means).abs().max() > 0.01
    edited, asked = (run.under(Edit(layers=(0,), gauge=g)) for g in ("own", "means"))
    assert torch.equal(edited.scores, asked.scores)


def test_what_a_tower_cannot_read_is_named(clip, pictures, micro, micro_examples):
    n = len(pictures)
    large = Pixels(torch.zeros(n, 3, 16, 24), torch.zeros(n, dtype=torch.long))
    with pytest.raises(InputError, match=r"pixels: expected \[batch, 3, 8, 12\], got"):
        seen(clip, replace(pictures, image=large))
    with pytest.raises(InputError, match="the image tower reads tokens; the examples hold pixels"):
        seen(micro, pictures)
    with pytest.raises(InputError, match="the image tower reads pixels; the examples hold tokens"):
        seen(clip, micro_examples)
    words = {**pictures.words, "text": ("word",) * 41}
    with pytest.raises(InputError, match="the text tower reads 40 words and 12 positions"):
        seen(clip, replace(pictures, words=words))


@pytest.mark.gpu
def test_pictures_are_read_on_another_device(clip, pictures):
    expected = clip.score(clip.prepare(pictures))
    moved = build_clip(SPEC).to("cuda")
    moved.load_state_dict(clip.state_dict())
    run = record(moved, pictures, progress=False)
    assert run.scores.device.type == "cuda"
    assert (run.scores.cpu() - expected).abs().max() < 1e-5
    assert run.under(Edit()).scores.isfinite().all()


def test_pictures_chosen_stay_those_that_were_asked_for(made):
    run, index = made(1), np.array([3, 0, 2])
    some = run.at(index)
    index[:] = 1  # the caller's own
    torch.testing.assert_close(some.embeddings["image"], run.embeddings["image"][[3, 0, 2]])
    n = len(run.examples)
    with pytest.raises(IndexError):
        run.at(np.array([n - 1, n]))
