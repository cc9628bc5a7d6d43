"""Sentences about margins: of direct parts, of a path of attention, and of no margin."""

from lrinterp.analysis.attribution.words import (
    SAME_MEAN,
    correlated_caveat,
    correlation_words,
    direct_caveats,
    finding_words,
    path_caveats,
)
from lrinterp.result import Metric


def scalar(value: float) -> Metric:
    return Metric(value=value, low=value - 0.01, high=value + 0.01, n=20, n_units=3)


GROUPED = {
    "image_margin": scalar(0.3),
    "image_margin_by_heads": scalar(0.25),
    "image_margin_by_biases": scalar(0.05),
    "image_largest_value": scalar(0.2),
}
WRITTEN = {"head": "direct path", "role": "CLS", "part": "L1 mlp"}


def test_the_groups_that_are_there_are_named():
    said = finding_words(GROUPED, "image", WRITTEN, " More.")
    assert "20 pictures, 3 labels" in said
    assert all(one.phrase in said for one in GROUPED.values())
    assert "L1 mlp at CLS" in said
    assert said.endswith(" More.")
    assert "MLPs" not in said
    assert "key-position" not in said


def test_without_a_margin_nothing_more_is_said():
    said = finding_words(GROUPED | {"image_margin": scalar(-1e-5)}, "image", WRITTEN, " More.")
    assert said.endswith("there is no order in it to take apart.")


def test_attention_is_spoken_of_where_there_is_a_path():
    ends = ("first", "last", "shapley")
    keys = ("margin", "largest_value", "margin_by_heads", "margin_by_biases")
    keys += (*(f"margin_by_key_position_{end}" for end in ends), "margin_without_key_position")
    found = {f"text_{key}": scalar(0.1 * (k + 1)) for k, key in enumerate(keys)}
    said = finding_words(found, "text", {"part": "E", "role": "first", "head": "L0H3"}, "")
    assert "20 caption-picture pairs" in said
    assert "the content at first through L0H3" in said
    assert all(one.phrase in said for one in found.values())


def test_caveats_hold_their_errors():
    first, *_ = direct_caveats(2e-8, 3e-7)
    assert "2e-08 (3e-07 of the largest margin)" in first
    assert "no total effect" in first


def test_other_caveats_hold_their_numbers():
    assert "64 points of the path" in " ".join(path_caveats(1e-6, 64))
    found = {f"spearman_{k}": scalar(0.5) for k in ("margin_gain", "flattened", "within_pairs")}
    found["spearman_both_orders"] = scalar(0.4)
    assert "0.500" in correlated_caveat(found, "L0H1", "left")
    assert "left-hand object over the right-hand one" in correlation_words(found, "L0H1", "left")
    assert set(SAME_MEAN) == {"objects", "word"}
