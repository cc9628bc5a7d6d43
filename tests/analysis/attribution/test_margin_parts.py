"""The parts of a margin by hand, against hooks and autograd, and where there is no such sum."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lrinterp import DualEncoder, Scenes, Split, World, preset, record
from lrinterp.analysis.attribution import margin_parts
from lrinterp.analysis.attribution.margin_parts import (
    VALUE_PARTS,
    Attributed,
    MarginParts,
    attribute,
    why_not_a_sum,
)
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.decomposition import KEY_POSITION, TERMS, Ablation, edited, embedding_in, groups_of
from lrinterp.decomposition import score_delta as delta_of
from lrinterp.decomposition import score_terms as terms_of

pytestmark = pytest.mark.usefixtures("one_thread")

TOWERS = ("image", "text")
ROLES = {"image": ("background", "left"), "text": ("words", "second")}


def random_contrasts(seed: int = 0, **changes) -> dict[str, Contrast]:
    """An untrained model with every bias at work, in double precision, and random directions."""
    split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=5, n_labels=6), split)
    sizes = {"d_model": 16, "n_heads": 3, "d_head": 8, "d_embed": 12, "std_weights": 0.4}
    config = preset("minimal", **sizes, std_W_E=1.0, std_W_pos=0.7, **changes)
    model = DualEncoder.build(config, scenes.sizes, seed).double()
    generator = torch.Generator().manual_seed(seed + 100)
    for name, weight in model.trainable().items():
        if ".b_" in name:
            noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
            weight.data += 0.5 * noise
    recording = record(model, scenes.examples(["unseen_pair"]))
    found = {}
    for contrast in contrasts(recording, 12, 0):  # those of random models hardly differ
        direction = torch.randn(contrast.direction.shape, generator=generator, dtype=torch.float64)
        found[contrast.tower] = replace(contrast, direction=direction / 4)
    return found


def parts_of(contrast: Contrast) -> MarginParts:
    tower = contrast.recording.model.towers[contrast.tower]
    occurs = contrast.recording.examples.occurs[contrast.tower]
    return MarginParts.of(tower, contrast.inputs[0], occurs, contrast.direction)


def attributed(contrast: Contrast) -> Attributed:
    tower = contrast.recording.model.towers[contrast.tower]
    occurs = contrast.recording.examples.occurs[contrast.tower]
    return attribute(tower, contrast.inputs[0], occurs, contrast.direction)


def before_norm(contrast: Contrast) -> Tensor:
    """The embedding before it is divided by its length, by the tower itself."""
    tower, tokens = contrast.recording.model.towers[contrast.tower], contrast.inputs[0]
    residual = tower(tokens.ids, stop_at_layer=1)
    return tower.unembed(residual[torch.arange(len(tokens)), tokens.pool])


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_parts_add_up_to_the_margin_of_a_random_model(tower: str, seed: int):
    contrast = random_contrasts(seed)[tower]
    found, margins = attributed(contrast), contrast.margins().numpy()
    assert np.abs(margins).max() > 0.1
    whole = found.direct.sum(0) + found.by_key.sum((0, 2, 3))
    np.testing.assert_allclose(whole, margins, atol=1e-12)
    np.testing.assert_allclose(found.margin, margins, atol=1e-12)
    idle = tower == "image"  # CLS stands at one place only, which folds into its token
    assert (found.direct[1] == 0).all() == idle
    for part in (*np.delete(found.direct, 1, 0), *found.by_key):
        assert np.abs(part).max() > 1e-3


@pytest.mark.parametrize("tower", TOWERS)
def test_attention_is_that_of_the_tower(tower: str):
    contrast = random_contrasts()[tower]
    tokens = contrast.inputs[0]
    _, cache = contrast.recording.model.towers[tower].run_with_cache(tokens.ids)
    pattern = cache["pattern", 0][torch.arange(len(tokens)), :, tokens.pool]
    torch.testing.assert_close(parts_of(contrast).attention(), pattern)


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("part", VALUE_PARTS)
def test_a_part_is_what_is_lost_without_it(tower: str, part: str):
    """Zeroing part of a value by a hook moves v . w / |v|, |v| as it was, by its contribution."""
    contrast = random_contrasts()[tower]
    model, tokens = contrast.recording.model.towers[tower], contrast.inputs[0]
    space = embedding_in(model, contrast.recording.examples.occurs[tower], "canonical")
    attn = model.blocks[0].attn
    E = space.W_E[tokens.ids]
    P = space.W_pos[: tokens.ids.shape[1]].expand_as(E)
    value = {
        "E": torch.einsum("nkm,hmd->nkhd", E, attn.W_V),
        "P": torch.einsum("nkm,hmd->nkhd", P, attn.W_V),
        "b": attn.b_V.expand(*tokens.ids.shape, *attn.b_V.shape),
    }[part]
    by_key = attributed(contrast).by_key[VALUE_PARTS.index(part)]
    with torch.no_grad():
        whole = before_norm(contrast)
        for head, role in ((0, ROLES[tower][0]), (2, ROLES[tower][1])):
            removed = torch.zeros_like(value)
            where = contrast.roles[role]
            removed[:, :, head] = -value[:, :, head] * where[..., None]
            with edited(model, values=removed, pool=tokens.pool):
                without = before_norm(contrast)
            lost = ((whole - without) * contrast.direction).sum(-1) / whole.norm(dim=-1)
            expected = (by_key[:, head] * where.numpy()).sum(-1)
            np.testing.assert_allclose(lost.numpy(), expected, atol=1e-12)
            assert np.abs(expected).max() > 1e-4


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("along", [0.0, 0.4, 1.0])
def test_the_gradient_is_that_of_the_tower(tower: str, along: float):
    """By autograd through a run whose pooled row of scores is replaced."""
    contrast = random_contrasts()[tower]
    model, tokens, parts = contrast.recording.model, contrast.inputs[0], parts_of(contrast)
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
def test_integrated_gradients_against_a_fine_sum_and_complete(tower: str):
    contrast = random_contrasts()[tower]
    parts, found = parts_of(contrast), attributed(contrast)
    places = (np.arange(4000) + 0.5) / 4000
    slope = torch.stack([parts.gradient(float(place)) for place in places]).mean(0)
    np.testing.assert_allclose(found.by_term, (parts.terms * slope).sum(-1), atol=1e-6)
    moved = found.margin - found.uniform
    np.testing.assert_allclose(found.by_term.sum((0, 2)), moved, atol=1e-6)
    assert found.completeness < 1e-5 < np.abs(moved).max()
    for idle in ("Eb", "Pb", "bb"):
        assert np.abs(found.by_term[TERMS.index(idle)]).max() < 1e-12


@pytest.mark.parametrize("tower", TOWERS)
def test_the_path_starts_at_uniform_attention_over_the_keys_that_are_seen(tower: str):
    contrast = random_contrasts()[tower]
    parts = parts_of(contrast)
    start = parts.attention(0.0)
    seen = parts.seen[:, None].expand_as(start)
    expected = (1 / seen.sum(-1, keepdim=True)).expand_as(start)
    torch.testing.assert_close(start[seen], expected.to(start)[seen])
    assert (start[~seen] == 0).all()
    for n, uniform in enumerate(attributed(contrast).uniform):
        read = parts.values[n][:, parts.seen[n]].mean(1).sum(0)
        v = parts.direct[:, n].sum(0) + read
        assert float(v @ parts.direction[n] / v.norm()) == pytest.approx(uniform, abs=1e-12)


@pytest.mark.parametrize("tower", TOWERS)
def test_flattened_margins_are_those_of_an_edited_run(tower: str):
    contrast = random_contrasts()[tower]
    model, tokens = contrast.recording.model.towers[tower], contrast.inputs[0]
    occurs = contrast.recording.examples.occurs[tower]
    terms = terms_of(model, tokens, embedding_in(model, occurs, "raw"))
    delta = delta_of(terms, Ablation(terms=KEY_POSITION), groups_of(model, tokens, occurs))
    with edited(model, scores=delta, pool=tokens.pool):
        expected = contrast.margins().numpy()
    found = attributed(contrast)
    np.testing.assert_allclose(found.flat_margin, expected, atol=1e-10)
    assert np.abs(found.flat_margin - found.margin).max() > 1e-3


@pytest.mark.parametrize("tower", TOWERS)
def test_a_gauge_move_changes_nothing(tower: str, regauge):
    contrast = random_contrasts()[tower]
    before = attributed(contrast)
    regauge(contrast.recording.model, contrast.recording.examples)
    after = attributed(contrast)
    for name in ("margin", "direct", "by_key", "by_term", "flat_margin"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-9)


def test_the_micro_model_by_hand(micro_recording):
    """Only what head 0 reads from the two objects counts: with weights l and r of the objects,
    v = -(l, 0) - (0, r), and w lies along (1, -1), as captions weigh their objects 1 to e^4.
    """
    contrast = contrasts(micro_recording, 6, 0)[0]
    found = attributed(contrast)
    pixels = micro_recording.examples.image_pixels[contrast.pictures]
    rows, left, right = np.arange(6), pixels[:, 0] + 1, pixels[:, 1] + 1
    e = np.exp(4)
    scale = (e - 1) / np.sqrt(1 + e**2)
    weight = np.exp(2 * (right - left))
    shares = {name: x / np.sqrt(1 + weight**2) for name, x in {"l": 1, "r": weight}.items()}
    expected = np.zeros_like(found.by_key)
    expected[0, rows, 0, left] = -scale * shares["l"]
    expected[0, rows, 0, right] = scale * shares["r"]
    np.testing.assert_allclose(found.by_key, expected, atol=1e-6)
    np.testing.assert_allclose(found.direct, 0, atol=1e-12)
    assert (found.by_key[:, :, 1] == 0).all()
    assert (found.by_term[:, :, 1] == 0).all()
    assert found.by_term[[1, 4, 7], :, 0].sum(0).min() > 0.3  # key-position makes it


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch):
    contrast = random_contrasts()["text"]
    whole = attributed(contrast)
    monkeypatch.setattr(margin_parts, "MOST_NUMBERS", 1)
    single = attributed(contrast)
    for name in ("margin", "attention", "direct", "by_key", "by_term", "flat_attention"):
        np.testing.assert_allclose(getattr(single, name), getattr(whole, name), atol=1e-9)


def test_sharp_attention_takes_more_points_of_the_path():
    contrast = random_contrasts()["image"]
    assert attributed(contrast).nodes == 32
    attn = contrast.recording.model.image.blocks[0].attn
    attn.W_K.data *= 10
    attn.b_K.data *= 10
    found = attributed(contrast)
    assert found.nodes > 32
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
        assert why_not_a_sum(tower_of_one_layer) is None
    other = DualEncoder.build(replace(config, **changes), sizes, 0).towers[tower]
    assert reason in str(why_not_a_sum(other))
