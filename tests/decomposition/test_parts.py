"""Parts of a stream along a direction: their sum, each one by hand, and the scores they make."""

import pytest
import torch

from lrinterp.decomposition import along, key_parts, part_names, through_norm

pytestmark = pytest.mark.usefixtures("one_thread")

TOWERS = ("image", "text")


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_the_parts_are_the_stream(deep, streams_of, tower, name):
    model, scenes = deep(3, name)
    streams = streams_of(model, scenes, tower)
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(len(streams.pool), 2, model.towers[tower].cfg.d_model, generator=generator)
    for layer in range(4):
        parts = along(streams, layer, u)
        assert len(parts) == len(part_names(model.towers[tower], layer))
        whole = torch.einsum("bpm,bwm->bwp", streams.residual(layer), u)
        torch.testing.assert_close(parts.sum(0), whole, atol=1e-4, rtol=1e-4)


def test_each_part_is_what_its_name_says(deep, streams_of):
    """A head's part is z W_O along u, built in full and one position at a time."""
    model, scenes = deep(2)
    streams = streams_of(model, scenes, "image")
    tower, names = model.image, part_names(model.image, 2)
    u = torch.linspace(-1, 1, tower.cfg.d_model).expand(len(streams.pool), 1, -1)
    parts = dict(zip(names, along(streams, 2, u)[:, :, 0], strict=True))
    z = streams.cache["blocks.1.attn.hook_z"]
    for pos in range(z.shape[1]):
        written = z[:, pos, 1] @ tower.blocks[1].attn.W_O[1]
        torch.testing.assert_close(parts["L1H1"][:, pos], written @ u[0, 0], atol=1e-5, rtol=1e-4)
    mlp = streams.cache["blocks.0.hook_mlp_out"] @ u[0, 0]
    torch.testing.assert_close(parts["L0 mlp"], mlp)
    torch.testing.assert_close(parts["pos"][0], tower.pos_embed.W_pos @ u[0, 0])
    assert names[-2:] == ["L1 b_O", "L1 mlp"]


def test_a_gauge_moves_mass_between_embed_and_pos_only(deep, streams_of):
    model, scenes = deep(2)
    streams = streams_of(model, scenes, "image")
    u = torch.ones(len(streams.pool), 1, model.image.cfg.d_model)
    raw, canonical = (along(streams, 1, u, gauge) for gauge in ("raw", "canonical"))
    torch.testing.assert_close(raw[:2].sum(0), canonical[:2].sum(0), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(raw[0], canonical[0])
    assert torch.equal(raw[2:], canonical[2:])


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_key_parts_add_up_to_the_pooled_scores(deep, streams_of, tower, name):
    model, scenes = deep(3, name)
    streams = streams_of(model, scenes, tower)
    inputs = model.prepare(scenes.examples())[tower]
    _, cache = model.towers[tower].run_with_cache(inputs.values)
    rows = torch.arange(len(inputs))
    for layer in range(3):
        scores = cache["attn_scores", layer][rows, :, inputs.pool]
        summed, seen = key_parts(streams, layer).sum(0), torch.isfinite(scores)
        error = (summed - scores)[seen].abs().max() / scores[seen].abs().max()
        assert error < 1e-4


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
