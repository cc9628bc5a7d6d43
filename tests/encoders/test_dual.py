"""The dual encoder against TransformerLens's own forward pass and a computation by hand."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from lrinterp.axes import Pixels, Tokens
from lrinterp.encoders import DualEncoder, EncoderConfig, batch_that_fits, positions, preset
from lrinterp.scenes import Examples, Scenes, Split, World

SMALL: dict[str, Any] = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
KINDS = {
    "minimal": preset("minimal", **SMALL),
    "full": preset("full", **SMALL),
    "deep": preset("full", image_layers=3, text_layers=2, **SMALL),
}


@pytest.fixture(scope="module")
def examples() -> Examples:
    return scenes().examples()


def scenes() -> Scenes:
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=3)
    return Scenes(World(n_pixels=4, n_labels=4), split)


def build(config: EncoderConfig, seed: int = 0) -> DualEncoder:
    return DualEncoder.build(config, scenes().sizes, seed)


@torch.no_grad()
def shaken(model: DualEncoder) -> DualEncoder:
    """Biases and norms away from 0 and 1, as after training; b_U stays 0."""
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if weight.requires_grad and name != "log_scale":
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
    return model


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


def test_the_initial_weights_are_those_of_the_preset():
    scales = {"std_W_E": 0.3, "std_W_pos": 0.02, "std_weights": 0.1}
    model = build(preset("full", d_head=16, temperature=0.05, **scales))
    assert model.sizes == scenes().sizes
    assert model.log_scale.exp().item() == pytest.approx(20)
    for name, weight in model.towers["image"].named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        assert weight.requires_grad == (leaf != "b_U"), name
        if not leaf.startswith("W_"):
            assert (weight == (leaf == "w")).all(), name
            continue
        expected = {"W_E": 0.3, "W_pos": 0.02}.get(leaf, 0.1)
        error = 5 / math.sqrt(2 * weight.numel())
        assert weight.std().item() == pytest.approx(expected, rel=error), name
        assert abs(weight.mean().item()) < 5 * expected / math.sqrt(weight.numel()), name


def test_the_seed_decides_and_the_towers_differ():
    one, same, other = (build(KINDS["full"], seed).state_dict() for seed in (0, 0, 1))
    assert all(one[name].equal(same[name]) for name in one)
    drawn = [name for name in one if ".W_" in name]
    assert not any(one[name].equal(other[name]) for name in drawn)
    assert not one["image.unembed.W_U"].equal(one["text.unembed.W_U"])


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_the_full_forward_pooled_and_normalised(kind: str, examples: Examples):
    model = shaken(build(KINDS[kind]))
    for name, tokens in model.prepare(examples).items():
        logits = model.towers[name](tokens.ids)
        pooled = torch.stack([row[p] for row, p in zip(logits, tokens.pool, strict=True)])
        expected = pooled / pooled.norm(dim=1, keepdim=True)
        assert difference(model.embed(name, tokens), expected) < 1e-6


def by_hand(weights: Mapping[str, np.ndarray], ids: list[int], pool: int) -> np.ndarray:
    """One attention layer of two heads, written out for one example in float64."""
    x = weights["embed.W_E"][ids] + weights["pos_embed.W_pos"][: len(ids)]
    out = x[pool] + weights["blocks.0.attn.b_O"]
    for head in range(2):
        q, k, v = (
            x @ weights[f"blocks.0.attn.W_{m}"][head] + weights[f"blocks.0.attn.b_{m}"][head]
            for m in "QKV"
        )
        scores = k @ q[pool] / math.sqrt(4)
        pattern = np.exp(scores) / np.exp(scores).sum()
        out = out + pattern @ v @ weights["blocks.0.attn.W_O"][head]
    y = out @ weights["unembed.W_U"]
    return y / np.linalg.norm(y)


def test_a_minimal_tower_by_hand(examples: Examples):
    model = shaken(build(KINDS["minimal"]))
    for name, tokens in model.prepare(examples).items():
        state = model.towers[name].state_dict()
        weights = {key: value.double().numpy() for key, value in state.items()}
        got = model.embed(name, tokens).detach().numpy()
        for i in (0, len(tokens) - 1):
            pool = int(tokens.pool[i])
            # The text tower is causal: what follows the pooled token is not read.
            read = tokens.ids[i].tolist()[: pool + 1] if name == "text" else tokens.ids[i].tolist()
            np.testing.assert_allclose(got[i], by_hand(weights, read, pool), atol=1e-6)


def test_padding_changes_no_caption(examples: Examples):
    model = shaken(build(KINDS["deep"]))
    text = examples.text
    after = torch.arange(text.ids.shape[1]) > text.pool[:, None]
    assert after.any()
    other = Tokens(torch.where(after, 5, text.ids), text.pool)
    assert difference(model.embed("text", text), model.embed("text", other)) < 1e-6


def test_scores_are_cosines(examples: Examples):
    model = shaken(build(KINDS["full"]))
    batch = model.prepare(examples)
    scores = model.score(batch)
    images, captions = (model.embed(name, batch[name]) for name in ("image", "text"))
    lengths = torch.cat([images, captions]).norm(dim=1)
    assert difference(lengths, torch.ones_like(lengths)) < 1e-6
    assert difference(scores, torch.cosine_similarity(images[:, None], captions[None], -1)) < 1e-6
    assert scores.shape == (len(examples.image), len(examples.text))
    assert not scores.requires_grad


def test_batches_give_the_same_as_one(examples: Examples):
    model = shaken(build(KINDS["full"]))
    whole = model.embed_all("image", examples.image)
    assert difference(model.embed_all("image", examples.image, batch_size=7), whole) < 1e-6
    assert not whole.requires_grad
    nothing = model.embed_all("image", examples.image.at(slice(0, 0)))
    assert nothing.shape == (0, 6)


def test_gradients_reach_every_weight_but_the_bias_of_the_projection(examples: Examples):
    model = shaken(build(KINDS["full"]))
    batch = model.prepare(examples)
    images, captions = (model.embed(name, batch[name]) for name in ("image", "text"))
    (model.log_scale.exp() * images[:5] @ captions[:5].T).square().sum().backward()
    without = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert without == {"image.unembed.b_U", "text.unembed.b_U"}


def test_the_scale_is_bounded_as_in_clip():
    model = build(KINDS["minimal"])
    for start, end in ((7.0, math.log(100)), (2.0, 2.0)):
        model.log_scale.data.fill_(start)
        model.clamp_scale()
        assert model.log_scale.item() == pytest.approx(end)


def test_a_batch_stays_small():
    """ViT-B/32 reads 54 pictures at once; whatever is wide is read one by one."""
    tower = build(KINDS["minimal"]).text
    tokens = Tokens(torch.zeros(3, 50, dtype=torch.long), torch.zeros(3, dtype=torch.long))
    assert (positions(tower, tokens), batch_that_fits(tower, tokens)) == (50, 1024)
    tower.cfg.d_model, tower.cfg.d_mlp, tower.cfg.n_heads = 768, 3072, 12
    assert batch_that_fits(tower, tokens) == 54
    tower.cfg.d_mlp = 2**23
    assert batch_that_fits(tower, tokens) == 1
    tower.cfg.n_ctx = 7
    assert positions(tower, Pixels(torch.zeros(1, 3, 4, 4), torch.zeros(1, dtype=torch.long))) == 7


def test_the_notice_is_silenced_here_alone():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        build(KINDS["minimal"])
        assert not seen
        warnings.warn("another", DeprecationWarning, stacklevel=1)
    assert [str(w.message) for w in seen] == ["another"]


@pytest.mark.gpu
def test_another_device_gives_the_same_scores(examples: Examples):
    model = shaken(build(KINDS["deep"]))
    here = model.score(model.prepare(examples))
    there = model.to("cuda").score(model.prepare(examples))
    assert there.is_cuda
    assert difference(here, there.cpu()) < 1e-4


def test_a_scrambled_tower_keeps_its_weights_and_no_place_of_theirs(examples: Examples):
    model = shaken(build(KINDS["full"]))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    twin, again, other = (model.scrambled("text", seed) for seed in (0, 0, 1))
    for (name, old), new in zip(model.text.named_parameters(), twin.text.parameters(), strict=True):
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values), name
    assert not torch.equal(model.text.W_E, twin.text.W_E)
    assert torch.equal(twin.text.W_E, again.text.W_E)
    assert not torch.equal(twin.text.W_E, other.text.W_E)
    assert twin.image is model.image
    assert twin.towers["text"] is twin.text
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    scores, own = twin.score(model.prepare(examples)), model.score(model.prepare(examples))
    assert difference(scores, own) > 0.1


def test_from_hooked_takes_any_pair(examples: Examples):
    image, text = build(KINDS["minimal"]).image, shaken(build(KINDS["deep"])).text
    model = DualEncoder.from_hooked(image, text, temperature=0.5)
    assert (model.image, model.text, model.config) == (image, text, None)
    assert model.log_scale.item() == pytest.approx(math.log(2))
    batch = model.prepare(examples)
    logits = {name: model.towers[name](own.ids) for name, own in batch.items()}
    rows = {n: logits[n][torch.arange(len(own)), own.pool] for n, own in batch.items()}
    pooled = {name: normalize(row, dim=-1) for name, row in rows.items()}
    assert difference(model.score(batch), pooled["image"] @ pooled["text"].T) < 1e-6


def test_from_hooked_needs_one_common_space():
    wider = build(preset("minimal", **{**SMALL, "d_embed": 7}))
    expected = "d_vocab_out: expected equal widths of image and text, got 6 and 7"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        DualEncoder.from_hooked(build(KINDS["minimal"]).image, wider.text)
