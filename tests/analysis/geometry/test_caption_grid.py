"""The grid of captions: what differs along each of its axes, and which pairs are in it."""

from itertools import product

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from lrinterp.analysis.relation_geometry_grid import (
    MOST_PAIRS,
    RELATIONS,
    TEMPLATES,
    free_grid,
    pairs_of,
    recorded_grid,
    some_pairs,
    with_article,
)
from lrinterp.encoders import DualEncoder
from lrinterp.encoders.clip import ClipSpec, TowerSpec
from lrinterp.encoders.processor import Preprocessing, Processor
from lrinterp.result import NotApplicable
from lrinterp.scenes import Scenes, Split, World
from lrinterp.store import InputError

PAIRS = (("cat", "owl"), ("hat", "jar"), ("cat", "jar"))


def processor(context: int = 20) -> Processor:
    words = {*" ".join([*TEMPLATES, *sum(RELATIONS.values(), ())]).split(), "an", "a"}
    vocabulary = ["[UNK]", "[SOT]", "[EOT]", *sorted(words | {"cat", "owl", "hat", "jar"})]
    ids = {word: i for i, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordLevel(ids, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    marks = [("[SOT]", 1), ("[EOT]", 2)]
    tokenizer.post_processor = TemplateProcessing(  # type: ignore[assignment]
        single="[SOT] $A [EOT]", special_tokens=marks
    )
    tower = TowerSpec(layers=1, width=8, heads=1, mlp=8, activation="gelu", eps=1e-5)
    sizes = {"picture": (3, 4, 4), "patch": (2, 2), "vocabulary": len(ids), "end": 2}
    spec = ClipSpec(image=tower, text=tower, embed=4, context=context, **sizes)
    shown = Preprocessing(shortest=4, height=4, width=4, mean=(0.0,) * 3, std=(1.0,) * 3)
    return Processor(tokenizer=tokenizer, preprocessing=shown, spec=spec)


@pytest.fixture
def reader(micro: DualEncoder) -> DualEncoder:
    """A model that reads free text; only its processor matters here."""
    micro.processor = processor()
    return micro


def test_every_axis_changes_one_thing(reader: DualEncoder):
    grid = free_grid(reader, PAIRS, 0)
    assert grid.axes == tuple(RELATIONS)
    texts = grid.texts.ravel()
    assert len(texts) == len(set(texts)) == 3 * 2 * 3 * 2 * 3
    numbers = np.arange(len(texts), dtype=float)[:, None]
    for axis, place in grid.by_axis(numbers).items():
        for p, o, w, t in product(range(3), range(2), range(2), range(3)):
            subject, thing = PAIRS[p][:: 1 - 2 * o]
            a_subject, a_thing = (
                f"an {noun}" if noun == "owl" else f"a {noun}" for noun in (subject, thing)
            )
            expected = TEMPLATES[t].format(
                subject=subject,
                object=thing,
                a_subject=a_subject,
                a_object=a_thing,
                relation=RELATIONS[axis][w],
            )
            assert texts[int(place[p, o, w, t, 0])] == expected


def test_tokens_are_those_of_the_captions(reader: DualEncoder):
    grid = free_grid(reader, PAIRS, 0)
    caption = grid.texts.ravel()[0]
    assert caption == "a photo of a cat to the left of an owl"
    first = grid.tokens.at(slice(0, 1))
    assert reader.processor is not None
    ids = first.ids[0, : first.pool[0] + 1].tolist()
    words = [reader.processor.tokenizer.id_to_token(i) for i in ids]
    assert words == ["[SOT]", *caption.split(), "[EOT]"]


def test_one_example_for_each_kind(reader: DualEncoder):
    shown = free_grid(reader, PAIRS, 0).examples()
    first = "a photo of a cat to the left of an owl"
    assert shown == {
        "relation": (first, "a photo of a cat to the right of an owl"),
        "order": (first, "a photo of an owl to the left of a cat"),
        "mirror": (first, "a photo of an owl to the right of a cat"),
        "paraphrase": (first, "the cat is to the left of the owl"),
        "other_objects": (first, "a photo of a hat to the left of a jar"),
    }


def test_articles():
    nouns = "apple hat hourglass umbrella uniform user egg eucalyptus orange oven".split()
    an = [with_article(noun).startswith("an ") for noun in nouns]
    assert an == [True, False, True, True, False, False, True, False, True, True]


def test_many_pairs_are_drawn_with_the_seed():
    many = [(f"a{i}", f"b{i}") for i in range(3 * MOST_PAIRS)]
    drawn = some_pairs(many, 1)
    assert len(set(drawn)) == MOST_PAIRS
    assert drawn == some_pairs(many, 1) != some_pairs(many, 2)
    assert set(drawn) <= set(many)


def test_a_pair_counts_once_whatever_its_order():
    assert some_pairs([("a", "b"), ("b", "a"), ("c", "d"), ("a", "b")], 0) == (
        ("a", "b"),
        ("c", "d"),
    )


@pytest.mark.parametrize("pair", [("cat", "cat"), ("cat", " "), ("", "dog")])
def test_no_two_objects_are_refused(pair: tuple[str, str]):
    with pytest.raises(InputError, match="expected the names of two objects"):
        some_pairs([("a", "b"), pair], 0)


def test_one_pair_is_too_few():
    with pytest.raises(NotApplicable, match="needs 2 pairs of objects, got 1"):
        some_pairs([("a", "b"), ("b", "a")], 0)


def test_a_model_of_a_world_reads_no_free_text(micro: DualEncoder):
    with pytest.raises(NotApplicable, match="captions of its world"):
        free_grid(micro, PAIRS, 0)


def test_a_caption_longer_than_the_context_is_refused(micro: DualEncoder):
    micro.processor = processor(context=8)
    with pytest.raises(InputError, match="a photo of a cat to the left"):
        free_grid(micro, PAIRS, 0)


def test_pairs_are_different_labels_of_a_row():
    labels = np.array([[0, 1], [2, -1], [1, 1], [2, 0]])
    assert pairs_of(labels, ("cat", "dog", "egg")) == [("cat", "dog"), ("egg", "cat")]


def test_the_captions_of_a_world_with_both_templates():
    split = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=1)
    world = World(n_pixels=3, n_labels=6, template="both")
    examples = Scenes(world, split).examples()
    grid, index = recorded_grid(examples, 0)
    texts = grid.texts.ravel().tolist()
    assert texts == [examples.caption_text[i] for i in index.tolist()]
    assert len(grid.pairs) == 15
    assert torch.equal(grid.tokens.ids[:, 0], torch.full((60,), 1))
    assert texts[:4] == [
        "apple is on the left of bird",
        "apple is on the right of bird",
        "bird is on the left of apple",
        "bird is on the right of apple",
    ]
    assert set(grid.examples()) == {"relation", "order", "mirror", "other_objects"}
    words = examples.words["text"]
    ends = zip(grid.tokens.ids, grid.tokens.pool, strict=True)
    assert [" ".join(words[i] for i in row[1:end].tolist()) for row, end in ends] == texts


def test_a_world_with_one_template_has_no_swap_of_a_word(micro_examples):
    with pytest.raises(NotApplicable, match="no caption says 'right'"):
        recorded_grid(micro_examples, 0)


def test_a_world_with_three_objects_has_no_pairs():
    split = Split(n_pair=3, n_val=3, positions_per_label=2, layouts_per_pair=1)
    world = World(n_pixels=4, n_labels=6, n_objects=3, template="both")
    with pytest.raises(NotApplicable, match="needs 2 pairs of objects, got 0"):
        recorded_grid(Scenes(world, split).examples(), 0)


def test_the_fingerprint_is_that_of_the_captions(reader: DualEncoder):
    one, same, other = (free_grid(reader, pairs, 0) for pairs in (PAIRS, PAIRS, PAIRS[::-1]))
    assert one.fingerprint == same.fingerprint != other.fingerprint
