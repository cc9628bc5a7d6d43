"""Sentences about margins: what is said of one layer, at depth, and where there is no margin."""

import pytest

from lrinterp.analysis.attribution.words import (
    SAME_MEAN,
    correlated_caveat,
    correlation_words,
    depth_caveats,
    finding_words,
    path_caveats,
)
from lrinterp.result import Metric


def scalar(value: float) -> Metric:
    return Metric(value=value, low=value - 0.01, high=value + 0.01, n=20, n_units=3)


DEEP = {
    "image_margin": scalar(0.3),
    "image_margin_by_heads": scalar(0.25),
    "image_margin_by_biases": scalar(0.05),
    "image_largest_contribution": Metric(value="L1H2"),
    "image_largest_value": scalar(0.2),
}


def test_at_depth_the_groups_that_are_there_are_named():
    said = finding_words(DEEP, "image", {}, " More.")
    assert "20 pictures, 3 labels" in said
    for key in ("margin", "largest_value", "margin_by_heads", "margin_by_biases"):
        assert DEEP[f"image_{key}"].phrase in said
    assert "L1H2" in said
    assert said.endswith(" More.")
    assert "MLPs" not in said


def test_without_a_margin_nothing_more_is_said():
    said = finding_words(DEEP | {"image_margin": scalar(-1e-5)}, "image", {}, " More.")
    assert said.endswith("there is no order in it to take apart.")


def test_of_one_layer_attention_is_spoken_of():
    ends = ("first", "last", "shapley")
    keys = ("margin", "largest_value", *(f"margin_by_key_position_{end}" for end in ends))
    sizes = dict(
        zip((*keys, "margin_without_key_position"), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)
    )
    found = {f"text_{key}": scalar(value) for key, value in sizes.items()}
    largest = {"part": "E", "role": "first", "head": "L0H3"}
    said = finding_words(found, "text", largest, "")
    assert "20 caption-picture pairs" in said
    assert "the token at first through L0H3" in said
    assert [one.phrase for one in found.values() if one.phrase in said] == [
        one.phrase for one in found.values()
    ]


@pytest.mark.parametrize("towers", [("text",), ("image", "text")])
def test_caveats_at_depth_name_towers_and_errors(towers: tuple[str, ...]):
    first, *_ = depth_caveats(towers, 2e-8, 3e-7)
    assert "2e-08 (3e-07 of the largest margin)" in first
    assert f"{' and '.join(towers)} tower{'s' * (len(towers) > 1)} are direct" in first
    assert "no total effect" in first


def test_other_caveats_hold_their_numbers():
    assert "64 points of the path" in " ".join(path_caveats(1e-7, 1e-6, 64))
    found = {f"spearman_{k}": scalar(0.5) for k in ("margin_gain", "flattened", "within_pairs")}
    found["spearman_both_orders"] = scalar(0.4)
    assert "0.500" in correlated_caveat(found, "L0H1", "left")
    assert "left-hand object over the right-hand one" in correlation_words(found, "L0H1", "left")
    assert set(SAME_MEAN) == {"objects", "word"}
