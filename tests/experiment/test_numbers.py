"""The numbers of a sweep: each is known to `analyze`, and once had another name."""

import pytest

from lrinterp.analysis import check_numbers
from lrinterp.experiment.numbers import NUMBERS, OLD, accuracy_of, full_name, without


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
