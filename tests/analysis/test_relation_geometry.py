"""A grid through the text tower by layer, on a small CLIP and on both shipped checkpoints."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch.nn import functional

from lrinterp.analysis.relation_geometry import (
    EMBEDDING,
    FIRST_SEED,
    RESIDUAL,
    RelationGeometry,
    caption_geometry,
    embedded,
    geometry,
    null_of,
    relation_geometry,
)
from lrinterp.analysis.relation_geometry_grid import (
    MOST_PAIRS,
    RELATIONS,
    TEMPLATES,
    CaptionGrid,
    free_grid,
    recorded_grid,
    some_pairs,
)
from lrinterp.encoders import DualEncoder, preset
from lrinterp.encoders.clip import ClipSpec, TowerSpec, build_clip
from lrinterp.encoders.processor import Preprocessing, Processor
from lrinterp.result import NotApplicable
from lrinterp.run import Run, TowerRun
from lrinterp.scenes import Scenes, Split, World
from lrinterp.store import InputError

NOUNS = "apple bird cat dog egg fish hat jar".split()
PAIRS = [("apple", "bird"), ("cat", "dog"), ("egg", "fish"), ("hat", "jar"), ("cat", "jar")]
MARKS = ["[UNK]", "[SOT]", "[EOT]"]


def vocabulary() -> dict[str, int]:
    text = " ".join([*TEMPLATES, *sum(RELATIONS.values(), ()), "an a", *NOUNS])
    words = dict.fromkeys(word for word in text.split() if "{" not in word)
    return {word: i for i, word in enumerate([*MARKS, *words])}


def small_clip(context: int = 16) -> DualEncoder:
    """Two text layers of random weights that read words."""
    ids = vocabulary()
    tower = TowerSpec(layers=2, width=16, heads=2, mlp=32, activation="quick_gelu", eps=1e-5)
    sizes = {"picture": (3, 4, 4), "patch": (2, 2), "vocabulary": len(ids), "end": 2}
    spec = ClipSpec(image=tower, text=tower, embed=12, context=context, **sizes)
    model = build_clip(spec)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(0.0, 0.3, generator=generator)
    tokenizer = Tokenizer(WordLevel(ids, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    marks = [("[SOT]", 1), ("[EOT]", 2)]
    tokenizer.post_processor = TemplateProcessing(  # type: ignore[assignment]
        single="[SOT] $A [EOT]", special_tokens=marks
    )
    shown = Preprocessing(shortest=4, height=4, width=4, mean=(0.0,) * 3, std=(1.0,) * 3)
    model.processor = Processor(tokenizer=tokenizer, preprocessing=shown, spec=spec)
    return model


@pytest.fixture(scope="module")
def clip() -> DualEncoder:
    return small_clip()


@pytest.fixture(scope="module")
def found(clip: DualEncoder) -> RelationGeometry:
    return caption_geometry(clip, PAIRS, progress=False)


@pytest.fixture(scope="module")
def embed(clip: DualEncoder) -> Callable[[str], np.ndarray]:
    """One caption at a time, through the whole tower."""

    def unit(caption: str) -> np.ndarray:
        assert clip.processor is not None
        tokens = clip.processor.tokens([caption])
        return clip.embed("text", tokens)[0].detach().double().numpy()

    return unit


def statements(one: str, other: str, axis: str, word: int) -> list[str]:
    """A statement in all templates, written here once more."""
    a, b = (f"an {noun}" if noun[0] in "ae" else f"a {noun}" for noun in (one, other))
    said = RELATIONS[axis][word]
    return [
        f"a photo of {a} {said} {b}",
        f"the {one} is {said} the {other}",
        f"there is {a} {said} {b}",
    ]


@pytest.mark.parametrize("axis", RELATIONS)
def test_summary_equals_captions_embedded_one_by_one(found, embed, axis):
    swapped, mirrored, same = [], [], []
    for one, other in [*PAIRS, *(pair[::-1] for pair in PAIRS)]:
        first, second = ([embed(x) for x in statements(one, other, axis, word)] for word in (0, 1))
        turned = [embed(text) for text in statements(other, one, axis, 1)]
        swapped += [x @ y for x, y in zip(first, second, strict=True)]
        mirrored += [x @ y for x, y in zip(first, turned, strict=True)]
        for said in (first, second):
            same += [said[i] @ said[j] for i in range(3) for j in range(i)]
    summary = found.metrics
    assert summary[f"{axis}_cosine"].value == pytest.approx(np.mean(swapped), abs=1e-6)
    assert summary[f"{axis}_mirror_cosine"].value == pytest.approx(np.mean(mirrored), abs=1e-6)
    assert summary[f"{axis}_paraphrase_cosine"].value == pytest.approx(np.mean(same), abs=1e-6)
    assert (summary[f"{axis}_cosine"].n, summary[f"{axis}_cosine"].n_units) == (30, len(NOUNS))


def test_a_word_that_the_tower_does_not_see_changes_nothing():
    """With one embedding for both words, opposites are one caption."""
    model, ids = small_clip(), vocabulary()
    table = model.text.embed.W_E.data
    table[ids["right"]] = table[ids["left"]]
    result = caption_geometry(model, PAIRS, progress=False)
    assert result.metrics["left_right_cosine"].value == pytest.approx(1.0)
    assert result.metrics["left_right_consistency"].value is None
    assert result.metrics["left_right_relative_norm"].value == pytest.approx(0.0, abs=1e-6)
    assert result.metrics["above_below_consistency"].value is not None
    assert len(result.figures()) == 4


def test_the_null_of_random_weights(clip: DualEncoder, found: RelationGeometry):
    """Without a recipe: this tower with its weights in random order, by loops over captions."""
    assert len(found.random) == 20
    assert len(set(found.random)) == 20
    assert all(-1 <= one <= 1 for one in found.random)
    random = found.metrics["left_right_consistency_random"]
    assert (random.value, random.n) == (max(found.random), 20)
    twin = clip.scrambled("text", FIRST_SEED)
    alone = caption_geometry(twin, PAIRS, progress=False).metrics["left_right_consistency"]
    assert found.random[0] == pytest.approx(alone.value, abs=1e-5)
    assert found.primary in found.metrics


def test_embeddings_of_no_length_have_no_geometry():
    model = small_clip()
    model.text.unembed.W_U.data.zero_()
    model.text.unembed.b_U.data.zero_()
    with pytest.raises(NotApplicable, match="the embeddings of all captions have no length"):
        caption_geometry(model, PAIRS, progress=False)


def test_one_pair_and_a_model_of_a_world(clip: DualEncoder, micro: DualEncoder):
    with pytest.raises(NotApplicable, match="needs 2 pairs"):
        caption_geometry(clip, PAIRS[:1])
    with pytest.raises(NotApplicable, match="captions of its world"):
        caption_geometry(micro, PAIRS)


def test_pairs_come_from_what_stands_together_in_a_picture(micro_recording: Run, clip: DualEncoder):
    """Pictures of other nouns than the text of the world: only the labels matter."""
    recording = Run(clip, micro_recording.examples, micro_recording.towers)
    result = relation_geometry(recording)
    assert result.free_text
    labels = micro_recording.examples.image_labels
    known = {label for row in labels.tolist() if -1 not in row for label in row}
    assert result.metrics["left_right_cosine"].n_units == len(known)
    given = relation_geometry(recording, pairs=PAIRS)
    assert given.metrics["left_right_cosine"].n_units == len(NOUNS)


def test_the_shipped_model_without_order_holds_a_word(no_gradient, no_gradient_results):
    result = no_gradient_results["relation_geometry"]
    summary = result.metrics
    assert result.axes == ["left_right"]
    assert not result.free_text
    assert float(summary["left_right_order_cosine"].value or 0) > 0.999
    consistency, random = (
        float(summary[f"left_right_consistency{end}"].value or 0) for end in ("", "_random")
    )
    assert 0.8 < consistency <= random
    assert float(summary["left_right_mirror_gain"].value or 0) < 0  # not bound to the objects
    assert summary["left_right_paraphrase_cosine"].value is None
    assert result.number("left_right_cosine") == summary["left_right_cosine"]
    with pytest.raises(NotApplicable, match="its world alone"):
        relation_geometry(no_gradient, pairs=PAIRS)


@pytest.fixture(scope="module")
def grid() -> CaptionGrid:
    split = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=1)
    world = World(n_pixels=3, n_labels=6, template="both")
    return recorded_grid(Scenes(world, split).examples(), 0)[0]


@pytest.fixture(scope="module")
def model() -> DualEncoder:
    """Two layers with norms and MLPs, as they are drawn."""
    return DualEncoder.build(
        preset("full", text_layers=2), {"image": (8, 4), "text": (18, 9)}, 0
    ).double()


def text_run(model: DualEncoder, grid: CaptionGrid) -> TowerRun:
    return TowerRun(model, "text", grid.tokens, progress=False)


def test_the_last_embedding_is_the_models_own(model: DualEncoder, grid: CaptionGrid):
    last = embedded(model, text_run(model, grid).pooled(2))
    np.testing.assert_allclose(last, model.embed_all("text", grid.tokens).numpy(), atol=1e-12)


def test_a_cosine_of_each_site_from_the_stream(model: DualEncoder, grid: CaptionGrid):
    table, _ = geometry(text_run(model, grid), grid, 0)
    _, cache = model.text.run_with_cache(grid.tokens.ids)
    rows = torch.arange(len(grid.tokens))
    for layer in range(2):
        there = cache[f"blocks.{layer}.hook_resid_post"][rows, grid.tokens.pool].detach()
        lens = model.text.unembed(model.text.ln_final(there)).detach()
        for site, vectors in {RESIDUAL: there, EMBEDDING: lens}.items():
            own = table[(table["layer"] == layer) & (table["site"] == site)]
            expected = functional.cosine_similarity(vectors[::2], vectors[1::2]).mean()
            value = own.set_index("measure")["value"]["relation"]
            assert value == pytest.approx(float(expected))


def test_draws_that_are_the_value_itself_count_whatever_the_last_digit():
    """Exchanging all pairs or none gives the value back, up to rounding."""
    value = 0.7
    null = np.array([value - 1e-16, value + 1e-16, 0.1, -0.2])
    assert null_of(null, value)["p"] == 3 / 5
    assert null_of(null - 0.1, value)["p"] == 1 / 5


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


def test_a_caption_longer_than_the_context_is_refused():
    with pytest.raises(InputError, match="a photo of an apple to the left"):
        free_grid(small_clip(context=8), PAIRS, 0)


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
