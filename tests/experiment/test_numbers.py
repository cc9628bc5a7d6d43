"""The numbers of a sweep: each is known to `analyze`, once had another name, and has its words."""

import math
from typing import Any

import pytest

from lrinterp.analysis import check_numbers
from lrinterp.experiment.numbers import (
    NUMBERS,
    OLD,
    accuracy_of,
    full_name,
    level,
    scale_of,
    without,
)
from lrinterp.stats import COSINE, LINEAR, SHARE, Scale


def test_every_number_is_one_of_an_analysis():
    assert check_numbers(NUMBERS) == list(NUMBERS)
    assert len(set(NUMBERS)) == len(NUMBERS) == len(OLD) == 44


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("unseen_pair_order", accuracy_of("unseen_pair", "order")),
        ("without_key_position_label_set_open", without("key_position", "label_set_open")),
        ("headline_span", "positional_gradient.headline_span"),
        ("loss", "loss"),
        ("toy.toy_order", "toy.toy_order"),
    ],
)
def test_a_name_of_before_means_the_number_of_now(before: str, now: str):
    assert full_name(before) == now


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, 3), (0.5, 0.5), ("LN", "LN"), (True, "True"), (None, "none"), (math.nan, "none")],
)
def test_a_level_is_a_number_or_text(value: Any, shown: int | float | str):
    assert level(value) == shown
    assert type(level(value)) is type(shown)


@pytest.mark.parametrize(
    ("column", "scale"),
    [
        ("accuracy.unseen_pair_order", SHARE),
        ("term_ablation.retrieval_open_without_EP", SHARE),
        ("accuracy.single_label_set_closed", SHARE),
        ("positional_gradient.headline_spearman", COSINE),
        ("positional_gradient.headline_slope", LINEAR),
        ("loss", LINEAR),
    ],
)
def test_a_column_has_its_bounds(column: str, scale: Scale):
    assert scale_of(column) == scale
