"""The analysis on a small CLIP and on both shipped checkpoints."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

import lrinterp.store as store
from lrinterp.analysis.geometry.caption_grid import RELATIONS, TEMPLATES
from lrinterp.analysis.geometry.relation_geometry import (
    KEYS,
    RelationGeometry,
    caption_geometry,
    relation_geometry,
)
from lrinterp.analysis.geometry.rows import FIRST_SEED
from lrinterp.encoders import DualEncoder
from lrinterp.encoders.clip import ClipSpec, TowerSpec, build_clip
from lrinterp.encoders.processor import Preprocessing, Processor
from lrinterp.result import NotApplicable
from lrinterp.run import Run

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


def test_a_reloaded_result_is_the_same(found: RelationGeometry, tmp_path: Path):
    store.save(found, tmp_path / "it")
    again = store.load(RelationGeometry, tmp_path / "it")
    assert (again.metrics, again.finding) == (found.metrics, found.finding)
    assert [f.draw() for f in again.figures()] == [f.draw() for f in found.figures()]


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
