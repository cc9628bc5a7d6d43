"""Components by hand, and what a gauge may and may not change."""

from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

from lrinterp import Scenes, Split, World, load_checkpoint
from lrinterp.axes import Tokens
from lrinterp.decomposition import (
    GAUGES,
    Embedding,
    components,
    embedding_in,
    in_gauge,
    score_terms,
)

pytestmark = pytest.mark.usefixtures("one_thread")

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


def random_embedding(examples, tower: str, seed: int = 0) -> Embedding:
    generator = torch.Generator().manual_seed(seed)
    n_tokens, n_positions = examples.occurs[tower].shape
    return Embedding(
        torch.randn(n_tokens, 5, generator=generator),
        torch.randn(n_positions, 5, generator=generator),
    )


def sums(embedding: Embedding) -> torch.Tensor:
    """[token, pos]: what the residual stream would hold."""
    return embedding.W_E[:, None] + embedding.W_pos[None]


def test_components_of_a_picture(micro_examples):
    objects = frozenset({"background", "apple", "bird", "cat", "dog"})
    assert parts(micro_examples, "image") == {
        (frozenset({"CLS"}), frozenset({0})),
        (objects, frozenset({1, 2, 3})),
    }


def test_components_of_the_captions(micro_examples):
    """[SOT] X is on the left of Y [EOT] and [SOT] X is in the image [EOT]."""
    by_hand = [
        ({"[PAD]"}, set()),
        ({"[SOT]"}, {0}),
        ({"apple", "bird", "cat", "dog"}, {1, 7}),
        ({"is"}, {2}),
        ({"on", "in"}, {3}),
        ({"the"}, {4}),
        ({"left", "image"}, {5}),
        ({"of", "[EOT]"}, {6, 8}),
    ]
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


@pytest.mark.parametrize("tower", ["image", "text"])
def test_the_gauge_keeps_what_occurs_and_centres_each_component(micro_examples, tower: str):
    occurs = micro_examples.occurs[tower]
    raw = random_embedding(micro_examples, tower)
    canonical = in_gauge(raw, occurs, "canonical")
    torch.testing.assert_close(sums(canonical)[occurs], sums(raw)[occurs])
    assert (sums(canonical)[~occurs] - sums(raw)[~occurs]).abs().max() > 0.1
    _, of_position = components(occurs)
    for component in of_position.unique():
        mean = canonical.W_pos[of_position == component].mean(0)
        torch.testing.assert_close(mean, torch.zeros(5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_the_canonical_gauge_is_the_same_from_everywhere(micro_examples, tower: str):
    """Once more changes nothing; the input is left as it was; raw is the input."""
    occurs = micro_examples.occurs[tower]
    raw, untouched = (random_embedding(micro_examples, tower) for _ in range(2))
    canonical = in_gauge(raw, occurs, "canonical")
    again = in_gauge(canonical, occurs, "canonical")
    torch.testing.assert_close((again.W_E, again.W_pos), (canonical.W_E, canonical.W_pos))
    assert torch.equal(raw.W_E, untouched.W_E)
    assert torch.equal(raw.W_pos, untouched.W_pos)
    assert in_gauge(raw, occurs, "raw") is raw


def test_positions_behind_the_longest_input_stay(micro_examples):
    """A user's own tower may have a longer context than the examples need."""
    short = random_embedding(micro_examples, "image")
    longer = Embedding(short.W_E, torch.cat([short.W_pos, torch.full((2, 5), 7.0)]))
    moved = in_gauge(longer, micro_examples.occurs["image"], "canonical")
    assert (moved.W_pos[4:] == 7).all()
    expected = in_gauge(short, micro_examples.occurs["image"], "canonical")
    assert torch.equal(moved.W_pos[:4], expected.W_pos)


def test_an_unknown_gauge_is_named(micro_examples):
    raw = random_embedding(micro_examples, "image")
    with pytest.raises((ValueError, TypeCheckError), match="'cooked'"):
        in_gauge(raw, micro_examples.occurs["image"], "cooked")  # type: ignore[arg-type]


def test_embeddings_are_detached_copies(micro, micro_examples):
    occurs = micro_examples.occurs["image"]
    before = micro.image.pos_embed.W_pos.detach().clone()
    for gauge in GAUGES:
        space = embedding_in(micro.image, occurs, gauge)
        assert not space.W_E.requires_grad
        assert not space.W_pos.requires_grad
    assert torch.equal(micro.image.pos_embed.W_pos, before)


@pytest.mark.parametrize("tower", ["image", "text"])
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
