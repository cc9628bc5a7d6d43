"""The headline names captions, towers and head, and claims no more than intervals say."""

from dataclasses import replace
from typing import Any

import pytest

from lrinterp.analysis.answer_words import sentence, side_of
from lrinterp.result import Metric


@pytest.fixture
def answer(left_right_results) -> Any:
    return left_right_results["answer"]


def with_order(answer: Any, low: float, high: float, words: tuple[str, ...] = ("left",)) -> Any:
    one = Metric(value=(low + high) / 2, low=low, high=high, n=90, n_units=10)
    return replace(answer, templates=dict.fromkeys(words, one))


def test_it_names_the_captions_the_head_and_the_text_tower(answer):
    said = sentence(answer)
    assert "“left”" in said
    assert "“right”" not in said
    assert answer.head in said
    assert "text tower" in said


@pytest.mark.parametrize(
    ("low", "high", "knows"),
    [(0.8, 0.95, True), (0.7, 0.95, False), (0.47, 0.52, False), (0.3, 0.9, False)],
)
def test_it_knows_only_where_the_interval_does(answer, low, high, knows):
    assert ("this model knows" in sentence(with_order(answer, low, high))) is knows


def test_the_mechanism_is_told_of_a_model_that_is_above_chance_alone(answer):
    assert "Without key-position" in sentence(with_order(answer, 0.6, 0.7))
    assert "Without key-position" not in sentence(with_order(answer, 0.4, 0.7))


def test_words_with_the_same_grade_are_named_together(answer):
    said = sentence(with_order(answer, 0.8, 0.95, ("left", "right")))
    assert said.count("knows") == 1
    assert "left from right" in said
    assert "“left” and “right”" in said


def test_a_side_is_named_where_the_interval_says_so():
    assert side_of(Metric(value=0.5, low=0.2, high=0.8)) == "right"
    assert side_of(Metric(value=-0.5, low=-0.8, high=-0.2)) == "left"
    assert not side_of(Metric(value=0.5, low=-0.1, high=0.8))
    assert not side_of(Metric(value=0.5))
