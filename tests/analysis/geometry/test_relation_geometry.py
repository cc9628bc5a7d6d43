"""A grid through the text tower by layer, on a small CLIP and on both shipped checkpoints."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch.nn import functional

from lrinterp.analysis.geometry.caption_grid import (
    RELATIONS,
    TEMPLATES,
    CaptionGrid,
    recorded_grid,
)
from lrinterp.analysis.geometry.relation_geometry import (
    EMBEDDING,
    FIRST_SEED,
    KEYS,
    RESIDUAL,
    RelationGeometry,
    caption_geometry,
    embedded,
    geometry,
    null_of,
    relation_geometry,
)
from lrinterp.encoders import DualEncoder, preset
from lrinterp.encoders.clip import ClipSpec, TowerSpec, build_clip
from lrinterp.encoders.processor import Preprocessing, Processor
from lrinterp.result import NotApplicable
from lrinterp.run import Run, TowerRun
from lrinterp.scenes import Scenes, Split, World

NOUNS = "apple bird cat dog egg fish hat jar".split()
PAIRS = [("apple", "bird"), ("cat", "dog"), ("egg", "fish"), ("hat", "jar"), ("cat", "jar")]
MARKS = ["[UNK]", "[SOT]", "[EOT]"]


def vocabulary() -> dict[str, int]:
    text = " ".join([*TEMPLATES, *sum(RELATIONS.values(), ()), "an a", *NOUNS])
    words = dict.fromkeys(word for word in text.split() if "{" not in word)
    return {word: i for i, word in enumerate([*MARKS, *words])}


def small_clip(seed: int = 0) -> DualEncoder:
    """Two text layers of random weights that read words."""
    ids = vocabulary()
    tower = TowerSpec(layers=2, width=16, heads=2, mlp=32, activation="quick_gelu", eps=1e-5)
    sizes = {"picture": (3, 4, 4), "patch": (2, 2), "vocabulary": len(ids), "end": 2}
    spec = ClipSpec(image=tower, text=tower, embed=12, context=16, **sizes)
    model = build_clip(spec)
    generator = torch.Generator().manual_seed(seed)
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
def test_summary_equals_captions_embedded_one_by_one(
    found: RelationGeometry, embed: Callable[[str], np.ndarray], axis: str
):
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


def test_the_direction_equals_that_of_captions_one_by_one(
    found: RelationGeometry, embed: Callable[[str], np.ndarray]
):
    """Held out by loops: no pair with one of the objects is in the mean."""
    differences = [
        np.stack([
            embed(left) - embed(right)
            for a, b in (pair, pair[::-1])
            for left, right in zip(
                statements(a, b, "left_right", 0), statements(a, b, "left_right", 1), strict=True
            )
        ])
        for pair in PAIRS
    ]  # fmt: skip
    cosines = []
    for own, d in zip(PAIRS, differences, strict=True):
        apart = [not {*own} & {*other} for other in PAIRS]
        mean = np.mean([x for x, far in zip(differences, apart, strict=True) if far], axis=(0, 1))
        cosines += [x @ mean / np.linalg.norm(x) / np.linalg.norm(mean) for x in d]
    value = found.metrics["left_right_consistency"].value
    assert value == pytest.approx(np.mean(cosines), abs=1e-5)


def test_sums_by_pair_give_the_summary_again(found: RelationGeometry):
    """What a paired comparison of two checkpoints needs."""
    for name, sample in found.samples.items():
        axis, _, measure = name.partition("/")
        assert sample.units.n == len(NOUNS)
        assert len(sample.bottom) == len(PAIRS)
        (key,) = (key for key, one in KEYS.items() if one == measure)
        assert sample.value == pytest.approx(found.metrics[f"{axis}_{key}"].value)
    assert len(found.samples) == len(RELATIONS) * len(KEYS)


def test_a_word_that_the_tower_does_not_see_changes_nothing():
    """With one embedding for both words, opposites are one caption."""
    model, ids = small_clip(), vocabulary()
    table = model.text.embed.W_E.data
    table[ids["right"]] = table[ids["left"]]
    result = caption_geometry(model, PAIRS, progress=False)
    assert result.metrics["left_right_cosine"].value == pytest.approx(1.0)
    assert result.metrics["left_right_consistency"].value is None
    assert result.metrics["left_right_relative_norm"].value == pytest.approx(0.0, abs=1e-6)
    assert "No direction of left minus right can be measured" in result.finding
    assert result.metrics["above_below_consistency"].value is not None
    assert len(result.figures()) == 4


def test_words_of_the_result(found: RelationGeometry):
    assert found.question.endswith("?")
    assert found.finding.endswith(".")
    assert "paraphrases of one statement" in found.finding
    assert "30 comparisons, 8 objects" in found.finding
    assert any("bag of words" in caveat for caveat in found.caveats)
    assert [figure.key for figure in found.figures()] == [
        "cosines",
        "cosines-by-layer",
        "direction",
        "direction-by-layer",
    ]
    lines = found.figures()[1].table
    assert set(lines["mean cosine"]) <= set(found.embedded["value"])  # not of the bare stream
    short = found.overview()
    assert short["for example"][0] == (
        "a photo of an apple to the left of a bird — a photo of an apple to the right of a bird"
    )
    assert short["left / right"][0] == found.metrics["left_right_cosine"].phrase


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


def test_the_shipped_model_without_order_holds_a_word_and_no_meaning(no_gradient: Run):
    result = relation_geometry(no_gradient)
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
    assert "random weights make one as clear" in result.finding
    assert "beyond what random weights make" in replace(result, random=(0.1,)).finding
    with pytest.raises(NotApplicable, match="its world alone"):
        relation_geometry(no_gradient, pairs=PAIRS)


def test_the_shipped_model_with_one_template_has_no_such_captions(left_right: Run):
    with pytest.raises(NotApplicable, match="no caption says 'right'"):
        relation_geometry(left_right)


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


def test_each_embedding_is_read_from_what_the_layer_leaves(model: DualEncoder, grid: CaptionGrid):
    run = text_run(model, grid)
    _, cache = model.text.run_with_cache(grid.tokens.ids)
    rows = torch.arange(len(grid.tokens))
    for layer in range(2):
        there = cache[f"blocks.{layer}.hook_resid_post"][rows, grid.tokens.pool]
        lens = functional.normalize(model.text.unembed(model.text.ln_final(there)), dim=-1)
        found = embedded(model, run.pooled(layer + 1))
        np.testing.assert_allclose(found, lens.detach(), atol=1e-12)


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


def test_rows_by_layer_site_and_relation(model: DualEncoder, grid: CaptionGrid):
    table, samples = geometry(text_run(model, grid), grid, 0)
    assert set(zip(table["layer"], table["site"], strict=True)) == {
        (layer, site) for layer in (0, 1) for site in (EMBEDDING, RESIDUAL)
    }
    last = table[(table["layer"] == 1) & (table["site"] == EMBEDDING)].set_index("measure")
    made = {name.removeprefix("left_right/"): one.value for name, one in samples.items()}
    assert made == pytest.approx(last["value"].dropna().to_dict())
    assert {len(one.bottom) for one in samples.values()} == {len(grid.pairs)}
    assert last["p"].notna().sum() == last["null_95"].notna().sum() == 3
    again, _ = geometry(text_run(model, grid), grid, 0)
    assert again.equals(table)


def test_p_counts_how_often_shuffled_words_do_as_well():
    null = np.linspace(0.0, 1.0, 101)
    found = null_of(null, 0.95)
    assert found["p"] == pytest.approx(7 / 102)  # 0.95 ... 1.00, and the data
    assert found["null_95"] == pytest.approx(0.95)
    assert found["null_mean"] == pytest.approx(0.5)
    assert np.isnan(list(null_of(None, 0.5).values())).all()


def test_draws_that_are_the_value_itself_count_whatever_the_last_digit():
    """Exchanging all pairs or none gives the value back, up to rounding."""
    value = 0.7
    null = np.array([value - 1e-16, value + 1e-16, 0.1, -0.2])
    assert null_of(null, value)["p"] == 3 / 5
    assert null_of(null - 0.1, value)["p"] == 1 / 5
