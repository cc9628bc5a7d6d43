"""The four numbers at the head of a report, and what is said about them."""

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest

from lrinterp import Scenes, Split, World, record
from lrinterp.analysis import analyze
from lrinterp.analysis.ablation.term_ablation import TermAblation
from lrinterp.analysis.accuracy import Accuracy
from lrinterp.analysis.answer import Answer, answer
from lrinterp.analysis.gradient.positional_gradient import PositionalGradient
from lrinterp.result import NotApplicable, Scalar

pytestmark = pytest.mark.usefixtures("one_thread")

KEYS = (
    "unseen_pair_order",
    "order_without_key_position",
    "label_set_closed_without_key_position",
    "right_object_attention_gain",
)


def answer_with(
    values: tuple[float | None, ...], span: float = 8.0, chance: float = 0.5, layers: int = 1
) -> Answer:
    """An answer with these four numbers, in the order of KEYS."""
    rows = [
        {"key": key, "value": value, "low": None, "high": None, "n": 900, "n_units": 10}
        for key, value in zip(KEYS, values, strict=True)
    ]
    return Answer(
        table=pd.DataFrame(rows),
        chance=chance,
        span=span,
        has_gradient=span > 0.1,
        head="L0H2",
        layers=layers,
    )


def test_it_gathers_the_numbers_of_the_other_analyses(left_right_results):
    own = left_right_results["answer"].summary
    assert tuple(own) == KEYS
    sources = ("accuracy", "term_ablation", "term_ablation", "positional_gradient")
    for key, source in zip(KEYS, sources, strict=True):
        assert own[key].plain() == left_right_results[source].summary[key].plain(), key


def test_the_shipped_models_answer(left_right_results, no_gradient_results):
    knows, not_at_all = (r["answer"] for r in (left_right_results, no_gradient_results))
    head = left_right_results["positional_gradient"].summary["headline_head"].value
    gain = knows.summary["right_object_attention_gain"].value
    assert knows.finding.startswith("This model knows left from right on pairs it has never seen;")
    assert f"{head} attends more to the {'right' if gain > 0 else 'left'}" in knows.finding
    assert knows.finding.endswith("the model is at chance.")
    assert not_at_all.finding == (
        "This model does not know left from right on pairs it has never seen; the attention has no "
        "gradient along the row."
    )


@pytest.mark.parametrize(
    ("values", "span", "expected"),
    [
        ((0.97, 0.5, 1.0, 0.4), 8.0, "L0H2 attends more to the right"),
        ((0.97, 0.5, 1.0, -0.4), 8.0, "L0H2 attends more to the left"),
        (
            (0.97, 0.8, 1.0, 0.4),
            8.0,
            ", but not by key-position alone: order survives its removal in part.",
        ),
        ((0.97, 0.41, 1.0, 0.4), 8.0, "; without key-position it falls below chance."),
        ((0.66, 0.5, 1.0, 0.4), 8.0, "knows left from right only in part"),
        ((0.52, 0.5, 1.0, 0.4), 8.0, "does not know left from right"),
        ((0.52, 0.5, 1.0, 0.4), 8.0, ", although the attention has a gradient along the row."),
        ((0.52, 0.5, 1.0, 0.0), 0.05, "; the attention has no gradient along the row."),
        ((0.3, 0.5, 1.0, 0.4), 8.0, "tends to take left for right"),
        ((None, None, None, 0.4), 8.0, "not tested on pairs of held-out labels"),
    ],
)
def test_the_sentence_follows_the_numbers(values, span: float, expected: str):
    assert expected in answer_with(values, span).finding


@pytest.mark.parametrize(
    ("values", "span", "words"),
    [
        (
            (0.97, 0.5, 1.0, 0.4),
            8.0,
            ("good: far above chance", "at chance", "still recognised", "prefers the right"),
        ),
        (
            (0.6, 0.3, 0.5, -0.4),
            8.0,
            (
                "weak: above chance",
                "worse than a guess: below chance",
                "recognition suffers",
                "prefers the left",
            ),
        ),
        (
            (None, None, None, 0.4),
            0.05,
            ("not measured", "not measured", "not measured", "no gradient: 0.05 logits"),
        ),
    ],
)
def test_tiles_say_good_or_bad_in_words(values, span: float, words: tuple[str, ...]):
    tiles = answer_with(values, span).tiles()
    assert len(tiles) == 4
    for tile, value, word in zip(tiles, values, words, strict=True):
        assert tile.scalar.value == value
        assert word in tile.words


def test_chance_depends_on_the_number_of_objects():
    """Among the six orders of three objects 0.6 is good and 0.17 is a guess."""
    three = answer_with((0.6, 0.17, 1.0, 0.4), chance=1 / 6)
    assert "knows left from right on pairs" in three.finding
    assert three.finding.endswith("the model is at chance.")
    words = [tile.words for tile in three.tiles()]
    assert words[:2] == ["good: far above chance (0.17)", "at chance (0.17)"]


def test_of_a_deep_tower_all_layers_are_meant_and_one_head_is_named():
    deep = answer_with((0.97, 0.5, 1.0, 0.4), layers=2)
    assert "without key-position in any layer" in deep.finding
    assert "Above the first layer" in deep.glossary["Key-position"]
    partly = answer_with((0.97, 0.8, 1.0, 0.4), layers=2)
    assert "order survives its removal from all layers in part" in partly.finding
    flat = answer_with((0.5, 0.5, 1.0, 0.4), span=0.0, layers=2)
    assert flat.finding.endswith(
        "; head L0H2, the headline of its 2 layers, has no gradient along the row."
    )
    steep = answer_with((0.5, 0.5, 1.0, 0.4), layers=2)
    assert ", although head L0H2, the headline of its 2 layers, has a gradient" in steep.finding


def natural(order: float | None, without: float | None, span: float = 8.0) -> Answer:
    """An answer about the pictures of a suite."""
    toy = answer_with((order, without, None, 0.4), span, layers=2)
    keys = ["pictures_order", *KEYS[1:]]
    return replace(toy, focus="pictures", table=toy.table.assign(key=keys))


def test_the_words_for_the_pictures_of_a_suite():
    knows = natural(0.9, 0.5)
    assert knows.finding.startswith("This model knows left from right on the suite's pictures;")
    assert "where a patch lies" in knows.finding
    assert "not measured" in natural(0.9, None).finding
    assert natural(0.5, 0.5, span=0.0).finding.endswith("has no gradient from left to right.")
    assert "was not tested on the order" in natural(None, None).finding
    assert [tile.words for tile in natural(0.9, None).tiles()][1:3] == ["not measured"] * 2
    assert "Held-out pairs" not in knows.glossary
    told = " ".join((knows.finding, *(tile.label + tile.words for tile in knows.tiles())))
    assert "held" not in told
    assert "pixel" not in told


def results_of(accuracy: dict[str, Scalar], focus: str) -> dict[str, Any]:
    """What `answer` needs, as its sources would say it."""
    gradient = {"right_object_attention_gain": Scalar(value=0.1), "headline_span": Scalar(value=1)}
    return {
        "accuracy": Mock(spec=Accuracy, summary=accuracy, chance=0.5),
        "term_ablation": Mock(spec=TermAblation, summary={}),
        "positional_gradient": Mock(
            spec=PositionalGradient,
            summary=gradient,
            focus=focus,
            has_gradient=True,
            headline_name="L1H1",
            layers=2,
        ),
    }


def test_natural_pictures_are_answered_from_their_own_order(photographs):
    recording = record(*photographs)
    results = results_of({"pictures_order": Scalar(value=0.75)}, "pictures")
    found = answer(recording, **results)
    assert found.summary["pictures_order"].value == 0.75
    assert found.summary["order_without_key_position"].value is None
    assert (found.head, found.focus) == ("L1H1", "pictures")
    none = results_of({"unseen_pair_order": Scalar(value=None)}, "pictures")
    with pytest.raises(NotApplicable, match="has no pictures_order"):
        answer(recording, **none)


def test_a_split_without_held_out_pairs_still_answers(micro):
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    recording = record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples())
    result = analyze(recording, ["answer"])["answer"]
    values = [scalar.value for scalar in result.summary.values()]
    assert values[:3] == [None, None, None]
    assert values[3] == pytest.approx(0.6, abs=0.2)
    assert "its split has none" in result.finding
    assert len(result.tiles()) == 4
