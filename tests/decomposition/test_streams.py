"""Components and gauges by hand; splits add up at every layer, and means are those of a loop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lrinterp import Scenes, Split, World, load_checkpoint
from lrinterp.axes import Tokens
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
from lrinterp.encoders import DualEncoder, preset

TOWERS = ("image", "text")
LEFT_RIGHT = Path(__file__).parents[2] / "checkpoints" / "left-right"


def parts(examples, tower: str) -> set[tuple[frozenset[str], frozenset[int]]]:
    """The components of a tower as words and positions."""
    of_token, of_position = components(examples.occurs[tower])
    words = examples.words[tower]
    return {
        (
            frozenset(w for w, c in zip(words, of_token.tolist(), strict=True) if c == component),
            frozenset(i for i, c in enumerate(of_position.tolist()) if c == component),
        )
        for component in {*of_token.tolist(), *of_position.tolist()}
    }


def test_components_of_a_picture_and_of_the_captions(micro_examples):
    """[SOT] X is on the left of Y [EOT] and [SOT] X is in the image [EOT]."""
    objects = frozenset({"background", "apple", "bird", "cat", "dog"})
    assert parts(micro_examples, "image") == {
        (frozenset({"CLS"}), frozenset({0})),
        (objects, frozenset({1, 2, 3})),
    }
    by_hand = [
        ({"[PAD]"}, set()), ({"[SOT]"}, {0}), ({"apple", "bird", "cat", "dog"}, {1, 7}),
        ({"is"}, {2}), ({"on", "in"}, {3}), ({"the"}, {4}), ({"left", "image"}, {5}),
        ({"of", "[EOT]"}, {6, 8}),
    ]  # fmt: skip
    expected = {(frozenset(words), frozenset(positions)) for words, positions in by_hand}
    assert parts(micro_examples, "text") == expected


def test_components_of_three_objects_and_both_templates():
    world = World(n_pixels=4, n_labels=5, n_objects=3, template="both")
    split = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=2)
    examples = Scenes(world, split).examples()
    by_word = {word: positions for words, positions in parts(examples, "text") for word in words}
    # X is on the left of Y which is on the left of Z [EOT]: slots 1, 7, 14.
    assert by_word["apple"] == {1, 7, 14}
    assert by_word["left"] == by_word["right"] >= {5, 12}


def test_canonical_gauge_of_a_picture_by_hand(micro, micro_examples):
    """P is 1, 2, 3 on axis p: the mean 2 moves to the labels, P_0 to CLS."""
    space = embedding_in(micro.image, micro_examples.occurs["image"], "canonical")
    rows = [[0, 0, 2, 0], [1, 0, 3, 0], [0, 1, 3, 0], [-1, 0, 3, 0], [0, -1, 3, 0], [0, 0, 1, 2]]
    assert space.W_E.tolist() == rows
    assert space.W_pos.tolist() == [[0] * 4, [0, 0, -1, 0], [0] * 4, [0, 0, 1, 0]]


def test_canonical_gauge_of_the_captions_by_hand(micro, micro_examples):
    """P_7 = 2 on axis p moves by half to the labels, P_8 = 1 on the last axis to of and [EOT]."""
    space = embedding_in(micro.text, micro_examples.occurs["text"], "canonical")
    word = dict(zip(micro_examples.words["text"], space.W_E.tolist(), strict=True))
    assert word["apple"] == [1, 0, 2, 0]
    assert word["[EOT]"] == [0, 0, 1, 1.5]
    assert word["of"] == [0, 0, 0, 0.5]
    assert word["left"] == word["is"] == word["[PAD]"] == [0] * 4
    moved = {1: [0, 0, -1, 0], 7: [0, 0, 1, 0], 6: [0, 0, 0, -0.5], 8: [0, 0, 0, 0.5]}
    assert space.W_pos.tolist() == [moved.get(i, [0] * 4) for i in range(9)]


@pytest.mark.parametrize("tower", TOWERS)
def test_the_gauge_keeps_what_occurs_and_centres_each_component(micro_examples, tower: str):
    """Weights, and positions that no input reaches, stay as they are."""
    occurs = micro_examples.occurs[tower]
    n_tokens, n_positions = occurs.shape
    config = preset("minimal", d_model=6, n_heads=1, d_head=6, d_embed=4, std_W_pos=1.0)
    size = n_tokens, n_positions + 2
    own = DualEncoder.build(config, {"image": size, "text": size}, 0).towers[tower]
    raw, canonical = (embedding_in(own, occurs, gauge) for gauge in ("raw", "canonical"))
    assert torch.equal(raw.W_pos, own.pos_embed.W_pos)
    assert torch.equal(raw.W_E, own.embed.W_E)
    assert torch.equal(canonical.W_pos[n_positions:], raw.W_pos[n_positions:])
    sums = [space.W_E[:, None] + space.W_pos[None, :n_positions] for space in (canonical, raw)]
    torch.testing.assert_close(sums[0][occurs], sums[1][occurs])
    assert (sums[0][~occurs] - sums[1][~occurs]).abs().max() > 0.1
    _, of_position = components(occurs)
    for component in of_position.unique():
        mean = canonical.W_pos[:n_positions][of_position == component].mean(0)
        torch.testing.assert_close(mean, torch.zeros(6), atol=1e-6, rtol=0)


@pytest.mark.parametrize("tower", TOWERS)
def test_a_vector_moved_inside_each_component_changes_raw_terms_alone(tower: str, regauge):
    """Outputs, canonical terms and canonical positional rows of a trained model stay."""
    loaded = load_checkpoint(LEFT_RIGHT)
    model, examples = loaded.model, loaded.scenes().examples(["unseen_pair"])
    tokens = getattr(examples, tower)
    some = Tokens(tokens.ids[::29], tokens.pool[::29])
    read = torch.ones_like(some.ids, dtype=torch.bool)
    if tower == "text":
        read = torch.arange(some.ids.shape[1]) <= some.pool[:, None]

    def measure():
        output = model.embed_all(tower, some)
        spaces = [embedding_in(model.towers[tower], examples.occurs[tower], g) for g in GAUGES]
        terms = [score_terms(model.towers[tower], some, space) for space in spaces]
        terms = [term * read[:, None, None] for term in terms]
        return output, *terms, spaces[0].W_pos

    output, canonical, raw, rows = measure()
    regauge(model, examples)
    output_after, canonical_after, raw_after, rows_after = measure()
    assert (output_after - output).abs().max() < 1e-5
    scale = canonical.abs().max()
    assert (canonical_after - canonical).abs().max() < 1e-5 * scale
    assert (rows_after - rows).abs().max() < 1e-5 * scale
    assert (raw_after - raw).abs().max() > 0.1 * scale


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_every_split_is_the_stream(deep, tower, name):
    streams = deep(3, name)[tower].streams
    assert (gauges_at(0), gauges_at(2)) == (GAUGES, (MEANS,))
    for layer in range(3):
        for gauge in (*gauges_at(layer), MEANS):
            residual = streams.split(layer, gauge).residual
            torch.testing.assert_close(residual, streams.residual(layer), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="expected one of means in layer 1, got 'raw'"):
        streams.split(1, "raw")


@pytest.mark.parametrize("tower", TOWERS)
def test_the_first_layer_has_the_gauges_of_the_weights(deep, tower):
    run = deep(1)[tower]
    for gauge in GAUGES:
        space = embedding_in(run.tower, run.places.occurs, gauge)
        expected = score_terms(run.tower, run.inputs, space)
        got = split_terms(run.tower, 0, run.streams.split(0, gauge), run.inputs.pool)
        seen = run.streams.seen[:, None, None].expand_as(got[0])
        torch.testing.assert_close(got[:, seen], expected[:, seen], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["minimal", "full"])
@pytest.mark.parametrize("layers", [1, 3])
def test_terms_of_trained_models_add_up_at_every_layer(deep, layers, name):
    """To 1e-4 of the largest score, over all rows, in both towers; a term less is far from it."""
    for run in deep(layers, name, 20).values():
        _, cache = run.tower.run_with_cache(run.inputs.values)
        for layer in range(layers):
            scores = cache["attn_scores", layer]
            seen = torch.isfinite(scores)
            for gauge in gauges_at(layer):
                split = run.streams.split(layer, gauge)
                terms = split_terms(run.tower, layer, split, run.inputs.pool, pooled=False)
                for whole in (terms.sum(0), term_scores(run.tower, layer, split, TERMS)):
                    error = (whole - scores)[seen].abs().max()
                    assert error < 1e-4 * scores[seen].abs().max()
                less = term_scores(run.tower, layer, split, TERMS[1:])
                assert (less - scores)[seen].abs().max() > 0.01


SETS = [("EP",), ("EP", "PP", "bP"), ("EE", "bE"), ("Eb", "Pb", "bb"), ("EE", "PP", "bb"), TERMS]


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("name", ["minimal", "full"])
def test_a_sum_of_terms_is_that_of_the_nine(deep, name, tower):
    """Any terms, of any layer and gauge, of all rows and of the pooled ones."""
    run = deep(2, name)[tower]
    for layer, gauge in ((0, "canonical"), (0, "raw"), (0, MEANS), (1, MEANS)):
        split = run.streams.split(layer, gauge)
        for pool in (None, run.inputs.pool):
            nine = split_terms(run.tower, layer, split, run.inputs.pool, pooled=pool is not None)
            for terms in SETS:
                found = term_scores(run.tower, layer, split, terms, pool)
                assert (found - total(nine, terms)).abs().max() < 1e-5 * float(nine.abs().max())


@pytest.mark.parametrize("n_clusters", [1, 3])
@pytest.mark.parametrize("tower", TOWERS)
def test_position_is_a_mean_over_the_other_clusters(deep, tower, n_clusters):
    """By a loop; where no other reads a position, the mean over all who read it stands in."""
    streams = deep(2)[tower].streams
    residual, seen, n = streams.residual(1).numpy(), streams.seen.numpy(), len(streams.pool)
    clusters = np.arange(n) % n_clusters
    if tower == "text" and n_clusters > 1:
        clusters[seen[:, -1]] = 7  # the last position is read by one cluster alone
    found = replace(streams, clusters=torch.from_numpy(clusters), vectors={})
    split = found.split(1, MEANS)
    torch.testing.assert_close(split.residual, streams.residual(1), atol=1e-5, rtol=1e-5)
    position, component = split.position.expand_as(split.content), streams.of_position.numpy()
    for own in np.unique(clusters):
        mean = np.zeros(residual.shape[1:])
        for i in range(residual.shape[1]):
            others = [m for m in range(n) if seen[m, i] and clusters[m] != own]
            everyone = [m for m in range(n) if seen[m, i]]
            mean[i] = residual[others or everyone, i].mean(0)
        for c in np.unique(component):
            mean[component == c] -= mean[component == c].mean(0)
        for m in np.flatnonzero(clusters == own):
            np.testing.assert_allclose(position[m].numpy(), mean, atol=1e-5)


def test_some_inputs_share_the_positions_of_all(deep):
    """Each is still told by the other clusters of the whole; clusters are worked out once."""
    whole, index = deep(2)["image"].streams, torch.tensor([5, 2, 9])
    clusters = torch.arange(len(whole.pool)) % 4
    whole = replace(whole, clusters=clusters, vectors={})
    own = {"pool": whole.pool[index], "seen": whole.seen[index], "clusters": clusters[index]}
    some = replace(whole, among=(whole, index), vectors={}, **own)
    torch.testing.assert_close(some.of_each(1), whole.of_each(1)[index])
    assert some.by_cluster(1)[0] is whole.by_cluster(1)[0]


def test_accidents_of_few_inputs_are_no_positions(deep):
    """Streams without positions: means over all inputs find some, means over others none."""
    streams, generator = deep(2)["image"].streams, torch.Generator().manual_seed(0)
    noise = torch.randn(streams.residual(1).shape, generator=generator)
    few = replace(streams, cache={"blocks.1.hook_resid_pre": noise}, vectors={})
    apart = replace(few, clusters=torch.arange(len(noise)), vectors={})
    patches = slice(1, None)
    centred = noise[:, patches] - noise[:, patches].mean(1, keepdim=True)
    along = []
    for split in (few.split(1, MEANS), apart.split(1, MEANS)):
        position = split.position.expand_as(noise)[:, patches]
        along.append(float((position * centred).sum() / centred.pow(2).sum()))
    assert along[0] > 0.5 / len(noise)
    assert abs(along[1]) < 0.5 / len(noise)
