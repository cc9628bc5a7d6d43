"""The path of attention by hand, against hooks and autograd, and the direct parts of one layer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lrinterp import DualEncoder, Edit, preset, record
from lrinterp.analysis import similarity_attribution_path as path_module
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.similarity_attribution import similarity_attribution
from lrinterp.analysis.similarity_attribution_path import (
    AttentionPath,
    ScoreSpace,
    TakenApart,
    why_no_path,
)
from lrinterp.decomposition import TERMS
from lrinterp.run import under

TOWERS = ("image", "text")


def random_contrasts(small, seed: int = 0) -> dict[str, Contrast]:
    """An untrained model with every bias at work, in double precision, and random directions."""
    sizes = {"d_model": 16, "n_heads": 3, "d_head": 8, "d_embed": 12, "std_weights": 0.4}
    sizes |= {"std_W_E": 1.0, "std_W_pos": 0.7, "n_pixels": 5, "n_labels": 6}
    recording = small(seed=seed, noise=(seed + 100, 0.5), double=True, **sizes)
    generator = torch.Generator().manual_seed(seed + 100)
    found = {}
    for contrast in contrasts(recording, 12, 0):  # those of random models hardly differ
        direction = torch.randn(contrast.direction.shape, generator=generator, dtype=torch.float64)
        found[contrast.tower] = replace(contrast, direction=direction / 4)
    return found


def again(contrast: Contrast) -> Contrast:
    """The same after the model has changed: a run remembers what it computed."""
    run = record(contrast.recording.model, contrast.recording.examples)
    [same] = [found for found in contrasts(run, 12, 0) if found.tower == contrast.tower]
    return replace(same, direction=contrast.direction)


def space_of(contrast: Contrast) -> ScoreSpace:
    return ScoreSpace.of(contrast.clean.streams, contrast.direction)


def path_of(contrast: Contrast) -> AttentionPath:
    return AttentionPath.of(contrast.clean.streams, contrast.direction)


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("along", [0.0, 0.4, 1.0])
def test_the_gradient_is_that_of_the_tower(small, tower, along):
    """By autograd through a run whose pooled row of scores is replaced."""
    contrast = random_contrasts(small)[tower]
    model, tokens, parts = contrast.recording.model, contrast.inputs[0], space_of(contrast)
    rows = torch.arange(len(tokens))
    scores = (along * parts.terms.sum(0)).requires_grad_()

    def replaced(activation: Tensor, hook: object) -> Tensor:
        changed = activation.clone()
        hidden = activation[rows, :, tokens.pool] == -torch.inf
        changed[rows, :, tokens.pool] = scores.masked_fill(hidden, -torch.inf)
        return changed

    with model.towers[tower].hooks(fwd_hooks=[("blocks.0.attn.hook_attn_scores", replaced)]):
        margin = (model.embed(tower, tokens) * contrast.direction).sum(-1)
    expected = torch.autograd.grad(margin.sum(), scores)[0]
    torch.testing.assert_close(parts.margin(parts.attention(along)), margin.detach())
    torch.testing.assert_close(parts.gradient(along), expected)
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize("tower", TOWERS)
def test_integrated_gradients_against_a_fine_sum_and_complete(small, tower):
    contrast = random_contrasts(small)[tower]
    parts, found = space_of(contrast), path_of(contrast)
    places = (np.arange(1000) + 0.5) / 1000
    slope = torch.stack([parts.gradient(float(place)) for place in places]).mean(0)
    np.testing.assert_allclose(found.by_term, (parts.terms * slope).sum(-1), atol=1e-6)
    moved = found.margin - found.uniform
    np.testing.assert_allclose(found.by_term.sum((0, 2)), moved, atol=1e-6)
    assert found.completeness < 1e-5 < np.abs(moved).max()
    for idle in ("Eb", "Pb", "bb"):
        assert np.abs(found.by_term[TERMS.index(idle)]).max() < 1e-12


@pytest.mark.parametrize("tower", TOWERS)
def test_the_path_starts_at_uniform_attention_over_the_keys_that_are_seen(small, tower):
    contrast = random_contrasts(small)[tower]
    parts = space_of(contrast)
    start = parts.attention(0.0)
    seen = parts.seen.expand_as(start)
    expected = (1 / seen.sum(-1, keepdim=True)).expand_as(start)
    torch.testing.assert_close(start[seen], expected.to(start)[seen])
    assert (start[~seen] == 0).all()
    for n, uniform in enumerate(path_of(contrast).uniform):
        read = parts.values[n][:, parts.seen[n, 0]].mean(1).sum(0)
        v = parts.beside[n] + read
        assert float(v @ parts.direction[n] / v.norm()) == pytest.approx(uniform, abs=1e-12)


@pytest.mark.parametrize("tower", TOWERS)
def test_flattened_margins_are_those_of_an_edited_run(small, tower):
    contrast = random_contrasts(small)[tower]
    edited = under(contrast.clean, Edit(tower=tower))
    expected = contrast.margin_of(edited).numpy()
    found = path_of(contrast)
    np.testing.assert_allclose(found.flat_margin, expected, atol=1e-10)
    assert np.abs(found.flat_margin - found.margin).max() > 1e-3


def test_chunks_do_not_matter(small, monkeypatch):
    contrast = random_contrasts(small)["text"]
    whole = path_of(contrast)
    monkeypatch.setattr(path_module, "MOST_NUMBERS", 1)
    single = TakenApart.of(contrast).path
    for name in ("margin", "attention", "by_term", "flat_attention", "alone"):
        np.testing.assert_allclose(getattr(single, name), getattr(whole, name), atol=1e-9)


def test_sharp_attention_takes_more_points_of_the_path(small):
    contrast = random_contrasts(small)["image"]
    assert (path_of(contrast).nodes == 32).all()
    attn = contrast.recording.model.image.blocks[0].attn
    attn.W_K.data *= 10
    attn.b_K.data *= 10
    found = path_of(again(contrast))
    assert (found.nodes > 32).all()
    assert found.completeness < 1e-5


CHANGES = [
    ({"image_layers": 2}, "image", "it has 2 layers"),
    ({"mlp_ratio": 2}, "text", "it has an MLP"),
    ({"normalization": "LN"}, "image", "its normalization (LN)"),
]


@pytest.mark.parametrize(("changes", "tower", "reason"), CHANGES)
def test_other_towers_are_refused_with_a_reason(changes: dict, tower: str, reason: str):
    sizes = {"image": (8, 6), "text": (16, 9)}
    config = preset("minimal", d_model=8, n_heads=2, d_head=4)
    for tower_of_one_layer in DualEncoder.build(config, sizes, 0).towers.values():
        assert why_no_path(tower_of_one_layer) is None
    other = DualEncoder.build(replace(config, **changes), sizes, 0).towers[tower]
    assert reason in str(why_no_path(other))


def test_a_random_clip_is_taken_apart(photographs):
    """Both towers, whose parts are held against margins by plain products."""
    recording = record(*photographs)
    result, examples = similarity_attribution(recording), recording.examples
    assert set(result.table["encoder"]) == {"image", "text"}
    assert "through attention" not in set(result.table["kind"])
    v = {name: e.double().numpy() for name, e in recording.embeddings.items()}
    stated = list(zip(examples.caption_template, map(tuple, examples.caption_labels), strict=True))
    margins = []
    for picture, (a, b) in zip(v["image"], examples.image_labels.tolist(), strict=True):
        for template, other in (("left", "right"), ("right", "left")):
            true, swap = stated.index((template, (a, b))), stated.index((other, (b, a)))
            margins.append(picture @ (v["text"][true] - v["text"][swap]))
    for tower in ("image", "text"):
        for kind in ("margin", "direct", "direct by part", "direct by group"):
            total = sum(row["value"] for row in result.rows(encoder=tower, kind=kind))
            assert total == pytest.approx(np.mean(margins), abs=1e-6), kind
    assert {row["part"] for row in result.rows(kind="direct by part")} >= {"ln_pre.b", "L1 mlp"}
    read = [row for row in result.rows(encoder="image", kind="direct") if row["head"][0] == "L"]
    assert {row["part"] for row in read} == {"E", "P", "b"}
    heads = sum(row["value"] for row in read)
    patches = result.rows(kind="direct by patch", head="all", role="-")
    assert len(patches) == examples.grid[0] * examples.grid[1]
    from_cls = sum(row["value"] for row in read if row["role"] == "CLS")
    assert sum(row["value"] for row in patches) == pytest.approx(heads - from_cls, abs=1e-9)
    assert float(result.errors["relative_error"].max()) < 1e-4
