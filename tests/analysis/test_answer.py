"""The four numbers at the head of a report, and what is said about them."""

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from lrinterp import Scenes, Split, World, record
from lrinterp.analysis import analyze
from lrinterp.analysis.answer import BOTH, KNOWS, ONE, Answer, answer, sentence, side_of
from lrinterp.analysis.read import TEXT
from lrinterp.grades import Grade
from lrinterp.result import Metric, NotApplicable, Result

pytestmark = pytest.mark.usefixtures("one_thread")

KEYS = (
    "unseen_pair_order",
    "order_without_key_position",
    "order_without_text_key_position",
    "label_set_closed_without_key_position",
    "right_object_attention_gain",
)
HALF = 0.02


def says(grade: Grade, what: str = ONE.format(word="left")) -> str:
    """What the headline says of a grade."""
    return KNOWS[grade].format(what=what, units="labels")


def scalar(value: float | None, half: float = HALF) -> Metric:
    """A number with an interval as wide on either side."""
    if value is None:
        return Metric(value=None, n=0, n_units=0)
    return Metric(value=value, low=value - half, high=value + half, n=1080, n_units=10)


def answer_with(
    values: tuple[float | None, ...],
    span: float = 8.0,
    *,
    half: float = HALF,
    templates: dict[str, float] | None = None,
    **fields: Any,
) -> Answer:
    """An answer with order, order without key-position, labels without it, and a gain."""
    order, without, labels, gain = (scalar(value, half) for value in values)
    text = scalar(None if without.value is None else 0.6)
    numbers = zip(KEYS, (order, without, text, labels, gain), strict=True)
    known = {word: scalar(value, half) for word, value in (templates or {}).items()}
    known = known or {"left": order}
    return Answer(
        numbers=dict(numbers),
        span=span,
        widest=span,
        has_gradient=span > 0.1,
        head="L0H2",
        templates=known,
        **{"chance": 0.5, "layers": 1, **fields},
    )


def test_it_gathers_the_numbers_of_the_other_analyses(no_gradient_results):
    own = no_gradient_results["answer"].metrics
    assert tuple(own) == KEYS
    sources = ("accuracy", *["term_ablation"] * 3, "positional_gradient")
    for key, source in zip(KEYS, sources, strict=True):
        assert own[key].plain() == no_gradient_results[source].metrics[key].plain(), key
    accuracy = no_gradient_results["accuracy"].metrics
    assert no_gradient_results["answer"].templates == {
        word: accuracy[f"unseen_pair_order_{word}"] for word in ("left", "right")
    }


def test_the_shipped_models_answer(left_right_results, no_gradient_results):
    knows, not_at_all = (r["answer"] for r in (left_right_results, no_gradient_results))
    head = left_right_results["positional_gradient"].metrics["headline_head"].value
    side = "right" if knows.metrics["right_object_attention_gain"].value > 0 else "left"
    assert says("knows") in knows.finding
    assert f"{head} attends more to the {side}" in knows.finding
    assert knows.templates == {"left": knows.metrics["unseen_pair_order"]}
    assert says("at chance", BOTH) in not_at_all.finding
    assert "No image head has a gradient along the row" in not_at_all.finding


@pytest.mark.parametrize(
    ("values", "span", "half", "expected"),
    [
        ((0.97, 0.5, 1.0, 0.4), 8.0, HALF, says("knows")),
        ((0.97, 0.5, 1.0, 0.4), 8.0, HALF, "L0H2 attends more to the right"),
        ((0.97, 0.5, 1.0, -0.4), 8.0, HALF, "L0H2 attends more to the left"),
        ((0.97, 0.5, 1.0, 0.01), 8.0, HALF, "L0H2 attends to neither side more for sure"),
        ((0.97, 0.8, 1.0, 0.4), 8.0, HALF, "order is 0.800 [0.780, 0.820], above chance"),
        ((0.97, 0.41, 1.0, 0.4), 8.0, HALF, "below chance"),
        ((0.97, 0.5, 1.0, 0.4), 8.0, 0.1, "undecided"),
        ((0.66, 0.5, 1.0, 0.4), 8.0, HALF, says("in part")),
        ((0.52, 0.5, 1.0, 0.4), 8.0, HALF, says("at chance")),
        ((0.52, 0.5, 1.0, 0.4), 8.0, HALF, "has a gradient along the row."),
        ((0.52, 0.5, 1.0, 0.0), 0.05, HALF, "No image head has a gradient along the row"),
        ((0.6, 0.5, 1.0, 0.4), 8.0, 0.12, says("undecided")),
        ((0.6, 0.5, 1.0, 0.4), 8.0, 0.2, says("too few")),
        ((0.3, 0.5, 1.0, 0.4), 8.0, HALF, says("below chance")),
        ((None, None, None, 0.4), 8.0, HALF, "was not tested on pairs of held-out labels"),
        ((0.97, None, None, 0.4), 8.0, HALF, "was not measured"),
    ],
)
def test_the_sentence_follows_the_intervals(values, span: float, half: float, expected: str):
    found = answer_with(values, span, half=half).finding
    assert expected in found
    said = [f"this model {says(grade)}" in found for grade in KNOWS]
    assert sum(said) == (values[0] is not None)


def test_each_template_has_its_own_say():
    apart = answer_with((0.7, 0.5, 1.0, 0.4), templates={"left": 0.97, "right": 0.5}).finding
    assert apart.index("“left”") < apart.index(says("knows", BOTH)) < apart.index("“right”")
    assert apart.index("“right”") < apart.index(says("at chance", BOTH))
    assert "attends more to the right" in apart  # one template that is known has a mechanism
    alike = answer_with((0.97, 0.5, 1.0, 0.4), templates={"left": 0.97, "right": 0.96}).finding
    assert alike.count(says("knows", BOTH)) == 1


@pytest.mark.parametrize(
    ("values", "span", "words"),
    [
        (
            (0.97, 0.5, 1.0, 0.4),
            8.0,
            ("whole interval above 0.75", "at chance", "still recognised", "prefers the right"),
        ),
        (
            (0.6, 0.3, 0.5, -0.4),
            8.0,
            ("above chance", "below chance", "recognition suffers", "prefers the left"),
        ),
        (
            (0.6, 0.5, 0.95, 0.01),
            8.0,
            ("above chance", "at chance", "undecided", "prefers neither side"),
        ),
        (
            (None, None, None, 0.4),
            0.05,
            (
                "not measured",
                "not measured",
                "not measured",
                "no head has a gradient: at most 0.05 logits",
            ),
        ),
    ],
)
def test_tiles_say_good_or_bad_in_words(values, span: float, words: tuple[str, ...]):
    result = answer_with(values, span)
    tiles = result.tiles()
    assert len(tiles) == 4
    for tile, value, word in zip(tiles, values, words, strict=True):
        assert tile.scalar.value == value
        assert word in tile.words
    assert result.numbers[TEXT].phrase in tiles[1].words


def test_chance_depends_on_the_number_of_objects():
    """Among the six orders of three objects 0.7 is good and 0.17 is a guess."""
    three = answer_with((0.7, 0.17, 1.0, 0.4), chance=1 / 6)
    assert says("knows") in three.finding
    words = [tile.words for tile in three.tiles()]
    assert "whole interval above 0.583 (chance is 0.167)" in words[0]
    assert words[1].startswith("at chance (0.167)")


def test_of_a_deep_tower_all_layers_are_meant_and_one_head_is_named():
    for without in (0.5, 0.8):
        deep = answer_with((0.97, without, 1.0, 0.4), layers=2)
        assert "Without key-position in any layer" in deep.finding
    assert "Above the first layer" in deep.glossary["Key-position"]
    assert "in any layer" not in answer_with((0.97, 0.5, 1.0, 0.4)).finding
    for span, has in ((0.0, "No image head has a gradient"), (8.0, "L0H2 has a gradient")):
        found = answer_with((0.5, 0.5, 1.0, 0.4), span, layers=2).finding
        assert f"{has} along the row" in found


def natural(order: float | None, without: float | None, span: float = 8.0) -> Answer:
    """An answer about the pictures of a suite."""
    toy = answer_with((order, without, None, 0.4), span, layers=2)
    keys = ["pictures_order", *KEYS[1:]]
    numbers = dict(zip(keys, toy.numbers.values(), strict=True))
    return replace(toy, focus="pictures", numbers=numbers)


def test_the_words_for_the_pictures_of_a_suite():
    knows = natural(0.9, 0.5)
    assert says("knows") in knows.finding
    assert "on the suite's pictures" in knows.finding
    assert "not measured" in natural(0.9, None).finding
    assert natural(0.5, 0.5, span=0.0).finding.count(
        "No image head has a gradient from left to right"
    )
    assert "was not tested on the order" in natural(None, None).finding
    assert natural(0.9, None).tiles()[2].words == "not measured"
    assert "Held-out pairs" not in knows.glossary
    told = " ".join((knows.finding, *(tile.label + tile.words for tile in knows.tiles())))
    assert "held" not in told
    assert "pixel" not in told


def results_of(accuracy: dict[str, Metric]) -> dict[str, Any]:
    """What `answer` needs, as its sources would say it: metrics by key and nothing else."""
    values = {"right_object_attention_gain": 0.1, "headline_span": 1.0, "null_span": 0.2}
    values |= {"widest_span": 1.0, "headline_head": "L1H1"}
    gradient = {key: Metric(value=value) for key, value in values.items()}
    sources = {"accuracy": accuracy, "term_ablation": {}, "positional_gradient": gradient}
    return {name: Mock(spec=Result, metrics=metrics) for name, metrics in sources.items()}


def test_natural_pictures_are_answered_from_their_own_order(photographs):
    recording = record(*photographs)
    results = results_of({"pictures_order": Metric(value=0.75)})
    found = answer(recording, **results)
    assert found.metrics["pictures_order"].value == 0.75
    assert found.metrics["order_without_key_position"].value is None
    assert (found.head, found.focus) == ("L1H1", "pictures")
    none = results_of({"unseen_pair_order": Metric(value=None)})
    with pytest.raises(NotApplicable, match="has no pictures_order"):
        answer(recording, **none)


def test_a_split_without_held_out_pairs_still_answers(micro):
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    recording = record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples())
    result = analyze(recording, ["answer"])["answer"]
    values = [scalar.value for scalar in result.metrics.values()]
    assert values[:4] == [None] * 4
    assert values[4] == pytest.approx(0.6, abs=0.2)
    assert "was not tested on pairs of held-out labels" in result.finding
    assert len(result.tiles()) == 4


@pytest.fixture
def told(left_right_results) -> Any:
    return left_right_results["answer"]


def with_order(told: Any, low: float, high: float, words: tuple[str, ...] = ("left",)) -> Any:
    one = Metric(value=(low + high) / 2, low=low, high=high, n=90, n_units=10)
    return replace(told, templates=dict.fromkeys(words, one))


def test_it_names_the_captions_the_head_and_the_text_tower(told):
    said = sentence(told)
    assert "“left”" in said
    assert "“right”" not in said
    assert told.head in said
    assert "text tower" in said


@pytest.mark.parametrize(
    ("low", "high", "knows"),
    [(0.8, 0.95, True), (0.7, 0.95, False), (0.47, 0.52, False), (0.3, 0.9, False)],
)
def test_it_knows_only_where_the_interval_does(told, low, high, knows):
    assert ("this model knows" in sentence(with_order(told, low, high))) is knows


def test_the_mechanism_is_told_of_a_model_that_is_above_chance_alone(told):
    assert "Without key-position" in sentence(with_order(told, 0.6, 0.7))
    assert "Without key-position" not in sentence(with_order(told, 0.4, 0.7))


def test_words_with_the_same_grade_are_named_together(told):
    said = sentence(with_order(told, 0.8, 0.95, ("left", "right")))
    assert said.count("knows") == 1
    assert "left from right" in said
    assert "“left” and “right”" in said


def test_a_side_is_named_where_the_interval_says_so():
    assert side_of(Metric(value=0.5, low=0.2, high=0.8)) == "right"
    assert side_of(Metric(value=-0.5, low=-0.8, high=-0.2)) == "left"
    assert not side_of(Metric(value=0.5, low=-0.1, high=0.8))
    assert not side_of(Metric(value=0.5))
