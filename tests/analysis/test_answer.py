"""The four numbers at the head of a report, and what is said about them."""

from typing import Any
from unittest.mock import Mock

import pytest

from lrinterp import record
from lrinterp.analysis import analyze
from lrinterp.analysis.answer import KNOWS, ONE, Answer, answer
from lrinterp.grades import Grade
from lrinterp.result import Metric, NotApplicable, Result

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
) -> Answer:
    """An answer with order, order without key-position, labels without it, and a gain."""
    order, without, labels, gain = (scalar(value, half) for value in values)
    text = scalar(None if without.value is None else 0.6)
    numbers = zip(KEYS, (order, without, text, labels, gain), strict=True)
    return Answer(
        metrics=dict(numbers),
        span=span,
        widest=span,
        has_gradient=span > 0.1,
        head="L0H2",
        templates={"left": order},
        chance=0.5,
        layers=1,
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


@pytest.mark.parametrize(
    ("values", "span", "half", "expected"),
    [
        ((0.97, 0.5, 1.0, 0.4), 8.0, HALF, "L0H2 attends more to the right"),
        ((0.97, 0.5, 1.0, -0.4), 8.0, HALF, "L0H2 attends more to the left"),
        ((0.97, 0.5, 1.0, 0.01), 8.0, HALF, "L0H2 attends to neither side reliably more"),
        ((0.52, 0.5, 1.0, 0.0), 0.05, HALF, "No image head has a gradient along the row"),
        ((0.6, 0.5, 1.0, 0.4), 8.0, 0.12, says("undecided")),
        ((0.3, 0.5, 1.0, 0.4), 8.0, HALF, says("below chance")),
        ((None, None, None, 0.4), 8.0, HALF, "was not tested on pairs of held-out labels"),
    ],
)
def test_the_sentence_follows_the_intervals(values, span: float, half: float, expected: str):
    found = answer_with(values, span, half=half).finding
    assert expected in found
    said = [f"this model {says(grade)}" in found for grade in KNOWS]
    assert sum(said) == (values[0] is not None)


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


def test_a_split_without_held_out_pairs_still_answers(all_trained):
    result = analyze(all_trained, ["answer"])["answer"]
    values = [scalar.value for scalar in result.metrics.values()]
    assert values[:4] == [None] * 4
    assert values[4] == pytest.approx(0.6, abs=0.2)
