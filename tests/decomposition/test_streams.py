"""Splits add up at every layer and in every gauge, and means are what a loop over inputs gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp.decomposition import (
    GAUGES,
    MEANS,
    TERMS,
    components,
    embedding_in,
    gauges_at,
    score_terms,
    split_terms,
    term_scores,
    total,
)

pytestmark = pytest.mark.usefixtures("one_thread")

TOWERS = ("image", "text")


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_every_split_is_the_stream(deep, streams_of, tower, name):
    model, scenes = deep(3, name)
    streams = streams_of(model, scenes, tower)
    for layer in range(3):
        for gauge in (*gauges_at(layer), MEANS):
            residual = streams.split(layer, gauge).residual
            torch.testing.assert_close(residual, streams.residual(layer), atol=1e-5, rtol=1e-5)
    assert gauges_at(0) == GAUGES
    assert gauges_at(2) == (MEANS,)


def test_positions_are_means_over_the_inputs_that_read_them(deep, streams_of):
    """By a loop, in numpy: a caption that has ended no longer counts."""
    model, scenes = deep(2)
    examples = scenes.examples()
    streams = streams_of(model, scenes, "text")
    residual, pool = streams.residual(1).numpy(), examples.text.pool.numpy()
    component = components(examples.occurs["text"])[1].numpy()
    mean = np.zeros(residual.shape[1:])
    for i in range(residual.shape[1]):
        rows = [residual[n, i] for n in range(len(residual)) if i <= pool[n]]
        mean[i] = np.mean(rows, axis=0)
    for c in np.unique(component):
        mean[component == c] -= mean[component == c].mean(0)
    np.testing.assert_allclose(streams.positions(1).numpy(), mean, atol=1e-6)
    assert len(set(pool.tolist())) > 1


@pytest.mark.parametrize("tower", TOWERS)
def test_the_first_layer_has_the_gauges_of_the_weights(deep, streams_of, tower):
    model, scenes = deep(1)
    examples, streams = scenes.examples(), streams_of(model, scenes, tower)
    inputs = model.prepare(examples)[tower]
    for gauge in GAUGES:
        space = embedding_in(model.towers[tower], examples.occurs[tower], gauge)
        expected = score_terms(model.towers[tower], inputs, space)
        got = split_terms(model.towers[tower], 0, streams.split(0, gauge), inputs.pool)
        seen = streams.seen[:, None, None].expand_as(got[0])
        torch.testing.assert_close(got[:, seen], expected[:, seen], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["minimal", "full"])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_terms_of_trained_models_add_up_at_every_layer(deep, streams_of, layers, name):
    """To 1e-4 of the largest score, over all rows, in both towers."""
    model, scenes = deep(layers, name, steps=20)
    for tower in TOWERS:
        streams = streams_of(model, scenes, tower)
        inputs = model.prepare(scenes.examples())[tower]
        _, cache = model.towers[tower].run_with_cache(inputs.values)
        for layer in range(layers):
            scores = cache["attn_scores", layer]
            for gauge in gauges_at(layer):
                split = streams.split(layer, gauge)
                terms = split_terms(model.towers[tower], layer, split, inputs.pool, pooled=False)
                seen = torch.isfinite(scores)
                error = (terms.sum(0) - scores)[seen].abs().max() / scores[seen].abs().max()
                assert error < 1e-4


def test_the_two_sides_are_totals_of_the_nine(deep, streams_of):
    model, scenes = deep(2)
    streams = streams_of(model, scenes, "image")
    split = streams.split(1, MEANS)
    terms = split_terms(model.image, 1, split, streams.pool)
    for names in (("EE", "PE", "bE"), ("EP", "PP", "bP")):
        side = term_scores(model.image, 1, split, names, streams.pool)
        torch.testing.assert_close(side, total(terms, names), atol=1e-5, rtol=1e-4)
    assert len(terms) == len(TERMS)


SETS = [("EP",), ("EP", "PP", "bP"), ("EE", "bE"), ("Eb", "Pb", "bb"), ("EE", "PP", "bb"), TERMS]


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_a_sum_of_terms_is_that_of_the_nine(deep, streams_of, name, tower):
    """Any terms, of any layer and gauge, of all rows and of the pooled ones."""
    model, scenes = deep(2, name)
    streams, cut = streams_of(model, scenes, tower), model.towers[tower]
    for layer, gauge in ((0, "canonical"), (0, "raw"), (0, MEANS), (1, MEANS)):
        split = streams.split(layer, gauge)
        for pool in (None, streams.pool):
            nine = split_terms(cut, layer, split, streams.pool, pooled=pool is not None)
            for terms in SETS:
                found = term_scores(cut, layer, split, terms, pool)
                size = float(nine.abs().max())
                assert (found - total(nine, terms)).abs().max() < 1e-5 * size


@pytest.mark.parametrize("tower", TOWERS)
def test_all_terms_together_are_the_scores_of_the_model(deep, streams_of, tower):
    """Where a key is seen; a term less is far from them."""
    model, scenes = deep(2)
    streams = streams_of(model, scenes, tower)
    for layer in range(2):
        scores = streams.cache[f"blocks.{layer}.attn.hook_attn_scores"]
        seen = scores > -1e4
        split = streams.split(layer, MEANS)
        error = (term_scores(model.towers[tower], layer, split, TERMS) - scores)[seen].abs().max()
        assert error < 1e-4 * scores[seen].abs().max()
        less = term_scores(model.towers[tower], layer, split, TERMS[1:])
        assert (less - scores)[seen].abs().max() > 0.01


def test_a_gauge_of_another_layer_is_refused(deep, streams_of):
    model, scenes = deep(2)
    streams = streams_of(model, scenes, "image")
    with pytest.raises(ValueError, match="expected one of means in layer 1, got 'raw'"):
        streams.split(1, "raw")


@pytest.mark.parametrize("tower", TOWERS)
def test_position_is_a_mean_over_the_other_clusters(deep, streams_of, tower):
    """By a loop over clusters; where no other reads a position, the mean over all stands in."""
    model, scenes = deep(2)
    streams = streams_of(model, scenes, tower)
    residual, seen, n = streams.residual(1).numpy(), streams.seen.numpy(), len(streams.pool)
    clusters = np.arange(n) % 3
    if tower == "text":
        clusters[seen[:, -1]] = 7  # the last position is read by one cluster alone
    found = replace(streams, clusters=torch.from_numpy(clusters), vectors={})
    split = found.split(1, MEANS)
    torch.testing.assert_close(split.residual, streams.residual(1), atol=1e-5, rtol=1e-5)
    component = streams.of_position.numpy()
    for own in np.unique(clusters):
        mean = np.zeros(residual.shape[1:])
        for i in range(residual.shape[1]):
            others = [m for m in range(n) if seen[m, i] and clusters[m] != own]
            everyone = [m for m in range(n) if seen[m, i]]
            mean[i] = residual[others or everyone, i].mean(0)
        for c in np.unique(component):
            mean[component == c] -= mean[component == c].mean(0)
        for m in np.flatnonzero(clusters == own):
            np.testing.assert_allclose(split.position[m].numpy(), mean, atol=1e-5)


def test_one_cluster_takes_the_mean_over_all(deep, streams_of):
    model, scenes = deep(2)
    streams = streams_of(model, scenes, "image")
    alone = replace(streams, clusters=torch.zeros(len(streams.pool), dtype=torch.long), vectors={})
    for one in (streams, alone):
        torch.testing.assert_close(one.of_each(1)[0], streams.positions(1))
        assert one.by_cluster(1)[1] is None


def test_some_inputs_share_the_positions_of_all(deep, streams_of):
    """Each is still told by the other clusters of the whole; clusters are worked out once."""
    model, scenes = deep(2)
    whole = streams_of(model, scenes, "image")
    clusters = torch.arange(len(whole.pool)) % 4
    whole = replace(whole, clusters=clusters, vectors={})
    index = torch.tensor([5, 2, 9])
    own = {"pool": whole.pool[index], "seen": whole.seen[index], "clusters": clusters[index]}
    some = replace(whole, among=(whole, index), vectors={}, **own)
    torch.testing.assert_close(some.of_each(1), whole.of_each(1)[index])
    assert some.by_cluster(1)[0] is whole.by_cluster(1)[0]


def test_accidents_of_few_inputs_are_no_positions(deep, streams_of):
    """Streams without positions: means over all inputs find some, means over others none."""
    model, scenes = deep(2)
    streams = streams_of(model, scenes, "image")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(streams.residual(1).shape, generator=generator)
    cache = {name: streams.cache[name] for name in ("hook_embed", "hook_pos_embed")}
    few = replace(streams, cache={**cache, "blocks.1.hook_resid_pre": noise}, vectors={})
    apart = replace(few, clusters=torch.arange(len(noise)), vectors={})
    patches = slice(1, None)
    centred = noise[:, patches] - noise[:, patches].mean(1, keepdim=True)
    along = []
    for split in (few.split(1, MEANS), apart.split(1, MEANS)):
        position = split.position.expand_as(noise)[:, patches]
        along.append(float((position * centred).sum() / centred.pow(2).sum()))
    assert along[0] > 0.5 / len(noise)
    assert abs(along[1]) < 0.5 / len(noise)
