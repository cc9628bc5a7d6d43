"""Parts of streams and margins at any depth: their sum, each by a loop, by hand, by autograd."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrinterp import DualEncoder, FitConfig, Scenes, Split, World, fit, preset, record
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.decomposition import along, gauge_of, key_parts, part_names, through_norm
from lrinterp.decomposition.margin_parts import VALUE_PARTS, MarginParts

TOWERS = ("image", "text")
SIZES: dict[str, Any] = {"d_model": 12, "n_heads": 2, "d_head": 6, "d_embed": 8}
SCALES: dict[str, Any] = {"std_W_E": 0.7, "std_W_pos": 0.7, "std_weights": 0.4}


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_the_parts_are_the_stream_and_its_scores(deep, tower, name):
    """A gauge moves mass between embed and pos only."""
    run = deep(3, name)[tower]
    generator, rows = torch.Generator().manual_seed(0), torch.arange(len(run))
    u = torch.randn(len(run), 2, run.tower.cfg.d_model, generator=generator)
    _, cached = run.tower.run_with_cache(run.inputs.values)
    for layer in range(4):
        raw, canonical = (along(run.streams, layer, u, g) for g in ("raw", "canonical"))
        assert len(raw) == len(part_names(run.tower, layer))
        whole = torch.einsum("bpm,bwm->bwp", run.streams.residual(layer), u)
        torch.testing.assert_close(raw.sum(0), whole, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(raw[:2].sum(0), canonical[:2].sum(0), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(raw[0], canonical[0])
        assert torch.equal(raw[2:], canonical[2:])
    for layer in range(3):
        scores = cached["attn_scores", layer][rows, :, run.inputs.pool]
        summed, seen = key_parts(run.streams, layer).sum(0), torch.isfinite(scores)
        assert (summed - scores)[seen].abs().max() < 1e-4 * scores[seen].abs().max()


def test_each_part_is_what_its_name_says(deep):
    """A head's part is z W_O along u, built in full and one position at a time."""
    run = deep(2)["image"]
    streams, tower, names = run.streams, run.tower, part_names(run.tower, 2)
    u = torch.linspace(-1, 1, tower.cfg.d_model).expand(len(run), 1, -1)
    parts = dict(zip(names, along(streams, 2, u)[:, :, 0], strict=True))
    z = streams.cache["blocks.1.attn.hook_z"]
    for pos in range(z.shape[1]):
        written = z[:, pos, 1] @ tower.blocks[1].attn.W_O[1]
        torch.testing.assert_close(parts["L1H1"][:, pos], written @ u[0, 0], atol=1e-5, rtol=1e-4)
    mlp = streams.cache["blocks.0.hook_mlp_out"] @ u[0, 0]
    torch.testing.assert_close(parts["L0 mlp"], mlp)
    torch.testing.assert_close(parts["pos"][0], tower.pos_embed.W_pos.detach() @ u[0, 0])
    assert names[-2:] == ["L1 b_O", "L1 mlp"]


def test_a_vector_through_a_norm():
    """norm(x) . u = x . through_norm(u) / scale + bias . u."""
    norm = torch.nn.LayerNorm(5)
    for weight in norm.parameters():
        torch.nn.init.normal_(weight)
    norm.w = norm.weight  # the name that TransformerLens gives it
    x, u = torch.randn(1, 1, 5), torch.randn(1, 1, 5)
    scale = (x.var(-1, unbiased=False) + norm.eps).sqrt()
    expected = (norm(x) * u).sum(-1) - (norm.bias * u).sum(-1)
    torch.testing.assert_close((x * through_norm(norm, u)).sum(-1) / scale, expected)
    assert through_norm(None, u) is u


@pytest.fixture(scope="module")
def deep_contrasts(noisy) -> Callable[..., Mapping[str, Contrast]]:
    """Both towers of a model, trained for some steps, with every bias and norm weight at work."""

    @cache
    def make(layers: int, name: str = "full", steps: int = 0) -> dict[str, Contrast]:
        split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
        scenes = Scenes(World(n_pixels=4, n_labels=5), split)
        config = preset(name, **SIZES, **SCALES, image_layers=layers, text_layers=layers)
        model = DualEncoder.build(config, scenes.sizes, 0)
        if steps:
            fit(model, scenes, FitConfig(steps=steps), progress=False)
        found = contrasts(record(noisy(model), scenes.examples(["unseen_pair"])), 12, 0)
        return {contrast.tower: contrast for contrast in found}

    return make


def apart(contrast: Contrast) -> MarginParts:
    return MarginParts.of(contrast.clean.streams, contrast.direction)


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize(("name", "layers"), [("full", 1), ("full", 3), ("minimal", 2)])
def test_parts_add_up_to_the_margin_of_a_trained_model(deep_contrasts, tower, name, layers):
    contrast = deep_contrasts(layers, name, 5)[tower]
    found, margins = apart(contrast), contrast.margins().numpy()
    for whole in (found.whole, found.margin):
        assert np.abs(whole - margins).max() < 1e-4 * np.abs(margins).max()
    constants = 2 if name == "full" else 1
    mlps = layers if name == "full" else 0
    assert len(found.names) == len(found.parts) == 2 + 3 * layers + mlps + constants
    assert found.heads == tuple(f"L{k}H{h}" for k in range(layers) for h in (0, 1))
    for head, keys in zip(found.heads, found.by_key.swapaxes(0, 1), strict=True):
        np.testing.assert_allclose(
            keys.sum((0, -1)), found.parts[found.names.index(head)], atol=1e-12
        )
    assert (found.by_key[:, :, ~found.seen] == 0).all()


@pytest.mark.parametrize("tower", TOWERS)
def test_parts_are_those_of_the_decomposition(deep_contrasts, tower):
    """u here is the derivative of v . w / |v|, |v| and the scale of the norm held, by autograd."""
    contrast = deep_contrasts(2)[tower]
    model, inputs = contrast.recording.model.towers[tower], contrast.inputs[0]
    streams = contrast.clean.streams
    rows = torch.arange(len(inputs))
    last = streams.residual(2)[rows, inputs.pool]
    u = last_direction(model, contrast, last)
    expected = along(streams, 2, u[:, None], "canonical")[:, rows, 0, inputs.pool]
    found = apart(contrast)
    np.testing.assert_allclose(found.parts[:-2], expected, atol=1e-5)
    rest = contrast.margins().float() - (last * u).sum(-1)
    np.testing.assert_allclose(found.parts[-2:].sum(0), rest, atol=1e-5)
    assert np.abs(found.parts[2:]).max(1).min() > 1e-4


@pytest.mark.parametrize("tower", TOWERS)
def test_a_part_is_what_the_margin_loses_without_it(deep_contrasts, tower):
    """For one example, in plain numpy: what a component wrote is taken from the last stream."""
    contrast, n = deep_contrasts(3)[tower], 4
    model, inputs = contrast.recording.model.towers[tower], contrast.inputs[0]
    _, cache = model.run_with_cache(inputs.values)
    kept = {k: x[n].double().numpy() for k, x in cache.items() if len(x) == len(inputs)}
    W = {k: x.detach().double().numpy() for k, x in model.state_dict().items()}
    pool, w = int(inputs.pool[n]), contrast.direction[n].double().numpy()
    last = kept["blocks.2.hook_resid_post"][pool]
    scale = np.sqrt(last.var() + model.cfg.eps)

    def before_length(stream: np.ndarray) -> np.ndarray:
        normed = (stream - stream.mean()) / scale * W["ln_final.w"] + W["ln_final.b"]
        return normed @ W["unembed.W_U"] + W["unembed.b_U"]

    v = before_length(last)
    found = apart(contrast)
    assert found.margin[n] == pytest.approx(v @ w / np.linalg.norm(v), abs=1e-7)
    wrote = {"embed and pos": kept["hook_embed"][pool] + kept["hook_pos_embed"][pool]}
    for layer in range(3):
        place = f"blocks.{layer}"
        wrote[f"L{layer} b_O"] = W[f"{place}.attn.b_O"]
        wrote[f"L{layer} mlp"] = kept[f"{place}.hook_mlp_out"][pool]
        for head in range(2):
            z = kept[f"{place}.attn.hook_z"][pool, head]
            wrote[f"L{layer}H{head}"] = z @ W[f"{place}.attn.W_O"][head]
    got = dict(zip(found.names, found.parts[:, n], strict=True))
    got["embed and pos"] = got["embed"] + got["pos"]
    for name, component in wrote.items():
        lost = (v - before_length(last - component)) @ w / np.linalg.norm(v)
        assert got[name] == pytest.approx(lost, abs=1e-6), name
    keys = found.by_key[:, found.heads.index("L1H1"), n].sum(0)
    for key in range(pool + 1):
        value = kept["blocks.1.attn.hook_v"][key, 1] @ W["blocks.1.attn.W_O"][1]
        component = kept["blocks.1.attn.hook_pattern"][1, pool, key] * value
        lost = (v - before_length(last - component)) @ w / np.linalg.norm(v)
        assert keys[key] == pytest.approx(lost, abs=1e-6)


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["full", "minimal"])
def test_values_are_divided_in_the_split_of_their_layer(deep_contrasts, tower, name):
    """Content, position and bias of a value by plain products, the attention that of a run."""
    contrast = deep_contrasts(2, name)[tower]
    model, found = contrast.recording.model.towers[tower], apart(contrast)
    streams = contrast.clean.streams
    _, cache = model.run_with_cache(contrast.inputs[0].values)
    rows, n = torch.arange(len(found.margin)), 3
    for layer, gauge in ((0, "canonical"), (1, "means")):
        assert gauge_of(model, layer) == gauge
        split, attn = streams.split(layer, gauge), model.blocks[layer].attn
        u = last_direction(model, contrast, cache["resid_post", 1][rows, streams.pool])[n]
        norm: Any = model.blocks[layer].ln1
        scale = (streams.residual(layer)[n].var(-1, unbiased=False) + model.cfg.eps).sqrt()[:, None]
        for head in (0, 1):
            weights = cache["pattern", layer][n, head, streams.pool[n]]
            out = attn.W_V[head] @ attn.W_O[head] @ u
            got = found.by_key[:, found.heads.index(f"L{layer}H{head}"), n]
            for part, x in zip(
                VALUE_PARTS,
                (split.content[n], split.position.expand_as(split.content)[n]),
                strict=False,
            ):
                if name == "full":
                    x = (x - x.mean(-1, keepdim=True)) / scale * norm.w
                expected = (weights * (x @ out)).detach()
                np.testing.assert_allclose(got[VALUE_PARTS.index(part)], expected, atol=1e-6)
            bias = attn.b_V[head] @ attn.W_O[head] @ u
            bias = bias + norm.b @ out if name == "full" else bias
            np.testing.assert_allclose(got[2], (weights * bias).detach(), atol=1e-6)
    assert np.abs(found.by_key).max((1, 2, 3)).min() > 1e-3


def last_direction(model: Any, contrast: Contrast, last: Tensor) -> Tensor:
    """The derivative of v . w / |v| by the last stream, |v| and the scale of the norm held."""
    last = last.detach().requires_grad_()
    read = last
    if model.cfg.normalization_type:
        scale = (last.var(-1, unbiased=False, keepdim=True) + model.cfg.eps).sqrt().detach()
        read = (last - last.mean(-1, keepdim=True)) / scale * model.ln_final.w + model.ln_final.b
    v = read @ model.unembed.W_U + model.unembed.b_U
    margin = (v * contrast.direction).sum(-1) / v.norm(dim=-1).detach()
    return torch.autograd.grad(margin.sum(), last)[0]


@pytest.mark.parametrize("tower", TOWERS)
def test_chunks_do_not_matter(deep_contrasts, tower):
    """Position stays a mean over the inputs of the whole run."""
    contrast = deep_contrasts(2)[tower]
    whole = apart(contrast)
    chunks = [contrast.at(slice(k, k + 5)) for k in range(0, len(whole.margin), 5)]
    single = [apart(chunk) for chunk in chunks]
    for name, axis in (("margin", 0), ("parts", 1), ("by_key", 2), ("seen", 0)):
        joined = np.concatenate([getattr(one, name) for one in single], axis)
        np.testing.assert_allclose(joined, getattr(whole, name), atol=1e-6)
    for one in single:
        assert (one.names, one.heads) == (whole.names, whole.heads)
