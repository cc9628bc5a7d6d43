"""A tower under edits of any layers, against a transformer written out here by hand."""

import math

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Scenes, Split, World, preset
from lrinterp.analysis.ablation import depth as ablation_depth
from lrinterp.analysis.ablation.bench import Bench
from lrinterp.analysis.ablation.depth import Depth, of_batch
from lrinterp.analysis.ablation.rows import KEEP_OBJECTS, Row
from lrinterp.decomposition import KEY_POSITION, edited_layers, groups_of

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = ("flatten", "keep", "placebo", "permute", "zero")


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Two layers with norms and MLPs, every bias at work, on pictures of four pixels."""
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=4), split)
    sizes = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    config = preset("full", **sizes, **scales, image_layers=2, text_layers=2)
    model = DualEncoder.build(config, scenes.sizes, 0)
    generator = torch.Generator().manual_seed(4)
    for name, weight in model.trainable().items():
        if name.rsplit(".", 1)[-1][:2] in ("b_", "w", "b"):
            weight.data += 0.2 * torch.randn(weight.shape, generator=generator)
    return Bench(model, scenes.examples(["unseen_pair"]))


def whole(kind: str = "flatten", encoder: str = "image", **fields) -> Row:
    """Key-position in all layers and rows, unless told otherwise."""
    fields = {"layers": None, "queries": "all"} | fields
    return Row(terms=KEY_POSITION, kind=kind, encoder=encoder, **fields)


def normed(x: np.ndarray, norm, eps: float, *, scale: np.ndarray | None = None) -> np.ndarray:
    """LayerNorm; with a scale given, the linear part alone that it makes of one summand."""
    weight, bias = norm.w.detach().double().numpy(), norm.b.detach().double().numpy()
    centred = x - x.mean(-1, keepdims=True)
    if scale is not None:
        return centred / scale * weight
    return centred / np.sqrt(x.var(-1, keepdims=True) + eps) * weight + bias


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def by_hand(bench: Bench, position: list[np.ndarray] | None) -> tuple[np.ndarray, list[np.ndarray]]:
    """Embeddings of the image tower in numpy, and the stream that each layer reads.

    With `position`, key-position of every layer is replaced by its mean over the patches, in
    every query row; CLS keeps its own, which is 0.
    """
    tower = bench.model.image
    w = {k: v.detach().double().numpy() for k, v in tower.state_dict().items()}
    x = w["embed.W_E"][bench.inputs["image"].ids.numpy()] + w["pos_embed.W_pos"]
    streams = []
    for layer, block in enumerate(tower.blocks):
        streams.append(x)
        W = {k.rsplit(".", 1)[-1]: v for k, v in w.items() if k.startswith(f"blocks.{layer}.attn")}
        read = normed(x, block.ln1, tower.cfg.eps)
        q, k, v = (
            np.einsum("bpm,hmd->bhpd", read, W[f"W_{s}"]) + W[f"b_{s}"][:, None] for s in "QKV"
        )
        scores = q @ k.swapaxes(-1, -2) / 2  # sqrt(d_head)
        if position is not None:
            scale = np.sqrt(x.var(-1, keepdims=True) + tower.cfg.eps)
            part = normed(np.broadcast_to(position[layer], x.shape), block.ln1, 0.0, scale=scale)
            key = np.einsum("bpm,hmd->bhpd", part, W["W_K"])
            own = (q @ key.swapaxes(-1, -2) / 2)[..., 1:]
            scores[..., 1:] += own.mean(-1, keepdims=True) - own
        z = softmax(scores) @ v
        x = x + np.einsum("bhpd,hdm->bpm", z, W["W_O"]) + W["b_O"]
        hidden = normed(x, block.ln2, tower.cfg.eps) @ w[f"blocks.{layer}.mlp.W_in"]
        hidden = gelu(hidden + w[f"blocks.{layer}.mlp.b_in"])
        x = x + hidden @ w[f"blocks.{layer}.mlp.W_out"] + w[f"blocks.{layer}.mlp.b_out"]
    ended = normed(x[:, 0], tower.ln_final, tower.cfg.eps) @ w["unembed.W_U"] + w["unembed.b_U"]
    return ended / np.linalg.norm(ended, axis=-1, keepdims=True), streams


def centred(rows: np.ndarray) -> np.ndarray:
    """Position over the patches around their mean; none at CLS, which stands alone."""
    return np.concatenate([np.zeros_like(rows[:1]), rows[1:] - rows[1:].mean(0)])


def test_flattening_all_layers_is_what_numpy_makes_of_it(bench: Bench):
    intact, streams = by_hand(bench, None)
    np.testing.assert_allclose(bench.embeddings["image"].detach(), intact, atol=1e-5)
    W_pos = bench.model.image.W_pos.detach().double().numpy()
    expected, _ = by_hand(bench, [centred(W_pos), centred(streams[1].mean(0))])
    got = bench.embed(whole(), 0)
    np.testing.assert_allclose(got.detach(), expected, atol=1e-5)
    assert np.abs(expected - intact).max() > 1e-2
    wrong, _ = by_hand(bench, [centred(W_pos), -centred(streams[1].mean(0))])
    assert np.abs(expected - wrong).max() > 1e-3  # the second layer matters to this test


@pytest.mark.parametrize("encoder", ["image", "text"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [None, (1,)])
def test_the_cached_start_gives_what_a_whole_run_gives(bench: Bench, encoder, kind, layers):
    """All kinds, both towers, padding behind captions included."""
    row, tower, inputs = (
        whole(kind, encoder, layers=layers),
        bench.model.towers[encoder],
        bench.inputs[encoder],
    )
    groups = groups_of(tower, inputs, bench.examples.occurs[encoder], pooled=False)
    vectors = bench.depths[encoder].vectors
    with edited_layers(tower, row.edits(5, 2), vectors, groups, inputs.pool):
        expected = bench.model.embed(encoder, inputs)
    got = bench.embed(row, 5)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert (got - bench.embeddings[encoder]).abs().max() > 1e-3


def test_rows_of_the_pooled_position_alone_and_all_rows_differ(bench: Bench):
    """Below the last layer other rows carry information; in the last only the pooled one does."""
    pooled, every = (
        bench.embed(whole(queries=queries, layers=(0,)), 0) for queries in ("pooled", "all")
    )
    assert (pooled - every).abs().max() > 1e-3
    pooled, every = (
        bench.embed(whole(queries=queries, layers=(1,)), 0) for queries in ("pooled", "all")
    )
    torch.testing.assert_close(pooled, every, atol=1e-6, rtol=1e-5)


def test_the_first_layer_of_a_deep_tower_is_edited_alike_by_either_way(bench: Bench):
    """Nine terms of the pooled row, and the edit made while the tower runs."""
    for kind in KINDS:
        first = bench.embed(Row(terms=KEY_POSITION, kind=kind), 3)
        again = bench.depths["image"].embed(
            Row(terms=KEY_POSITION, kind=kind).edits(3, 2), bench.groups("image")
        )
        torch.testing.assert_close(first, again, atol=1e-5, rtol=1e-4)


def test_heads_and_layers_are_edited_one_by_one(bench: Bench):
    both = bench.embed(whole(), 0)
    for layer in range(2):
        alone = bench.embed(whole(layers=(layer,)), 0)
        assert (alone - both).abs().max() > 1e-3
        for head in range(2):
            assert (bench.embed(whole(layers=(layer,), heads=(head,)), 0) - alone).abs().max() > 0
        together = bench.embed(whole(layers=(layer,), heads=(0, 1)), 0)
        torch.testing.assert_close(together, alone)


def test_a_placebo_is_no_removal_and_each_seed_another(bench: Bench):
    removed = bench.embed(whole(), 0)
    placebos = [bench.embed(whole("placebo"), seed) for seed in (0, 1)]
    assert (placebos[0] - removed).abs().max() > 1e-2
    assert (placebos[0] - placebos[1]).abs().max() > 1e-2
    assert torch.equal(placebos[0], bench.embed(whole("placebo"), 0))


def test_objects_told_from_empty_pixels_keep_more_than_position_alone(bench: Bench):
    alone, objects = (bench.embed(whole(kind), 0) for kind in ("keep", KEEP_OBJECTS))
    assert (alone - objects).abs().max() > 1e-3


def test_small_chunks_give_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    rows = [whole(kind, encoder) for kind in ("flatten", KEEP_OBJECTS) for encoder in bench.inputs]
    before = [bench.embed(row, 0) for row in rows]
    monkeypatch.setattr(ablation_depth, "batch_that_fits", lambda *_: 5)
    for row, expected in zip(rows, before, strict=True):
        torch.testing.assert_close(bench.embed(row, 0), expected)


def test_the_groups_of_a_batch_are_its_own(bench: Bench):
    groups = bench.groups_for(whole(KEEP_OBJECTS))
    some = of_batch(groups, slice(2, 5))
    assert torch.equal(some.of_key, groups.of_key[2:5])
    assert torch.equal(some.seen, groups.seen[2:5])
    assert of_batch(bench.groups("image"), slice(2, 5)).of_key.shape[0] == 1


def test_the_intact_run_gives_the_embeddings(bench: Bench):
    for name, depth in bench.depths.items():
        expected = bench.model.embed_all(name, bench.inputs[name])
        torch.testing.assert_close(depth.intact(), expected, atol=1e-6, rtol=1e-5)


def test_the_tower_is_left_as_it_was_also_after_an_error(bench: Bench, monkeypatch):
    intact = bench.model.score(bench.inputs)
    bench.measure(whole())
    assert torch.equal(bench.model.score(bench.inputs), intact)
    monkeypatch.setattr(DualEncoder, "project", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.embed(whole(), 0)
    monkeypatch.undo()
    assert torch.equal(bench.model.score(bench.inputs), intact)


def test_a_tower_of_one_layer_gives_the_same_asked_in_either_way(micro, micro_examples):
    bench = Bench(micro, micro_examples.of("unseen_pair"))
    for kind in (*KINDS, KEEP_OBJECTS):
        for encoder in ("image", "text"):
            first = bench.scores(Row(terms=KEY_POSITION, kind=kind, encoder=encoder))
            torch.testing.assert_close(bench.scores(whole(kind, encoder)), first)


def test_a_depth_runs_its_tower_once(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    depth = Depth(bench.model, "image", bench.inputs["image"], bench.examples.occurs["image"])
    runs = []
    of = ablation_depth.Streams.of
    monkeypatch.setattr(ablation_depth.Streams, "of", lambda *a: runs.append(1) or of(*a))
    for kind in ("flatten", "keep"):
        depth.embed(whole(kind).edits(0, 2), bench.groups("image"))
    depth.intact()
    assert len(runs) == 1
