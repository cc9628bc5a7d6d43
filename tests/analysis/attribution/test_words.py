"""Sentences about margins: of direct parts, of a path of attention, and of no margin."""

import pandas as pd

from lrinterp.analysis.similarity_attribution_words import caveats_of, finding_of
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


SPEARMAN = {
    "spearman_margin_gain": scalar(0.51),
    "spearman_flattened": scalar(0.15),
    "spearman_within_pairs": scalar(0.62),
    "spearman_both_orders": scalar(0.4),
}


def test_the_groups_that_are_there_are_named():
    said = finding_of(GROUPED | SPEARMAN, "image", WRITTEN, "L0H1", "left")
    assert "20 pictures, 3 labels" in said
    assert all(one.phrase in said for one in GROUPED.values())
    assert "L1 mlp at CLS" in said
    assert "L0H1 gives the left-hand object over the right-hand one" in said
    assert said.endswith("over all with both orders averaged.")
    assert "MLPs" not in said
    assert "key-position" not in said


def test_without_a_margin_nothing_more_is_said():
    none = GROUPED | SPEARMAN | {"image_margin": scalar(-1e-5)}
    said = finding_of(none, "image", WRITTEN, "L0H1", "left")
    assert said.endswith("there is no order in it to take apart.")


def test_attention_is_spoken_of_where_there_is_a_path():
    ends = ("first", "last", "shapley")
    keys = ("margin", "largest_value", "margin_by_heads", "margin_by_biases")
    keys += (*(f"margin_by_key_position_{end}" for end in ends), "margin_without_key_position")
    found = {f"text_{key}": scalar(0.1 * (k + 1)) for k, key in enumerate(keys)}
    said = finding_of(found, "text", {"part": "E", "role": "first", "head": "L0H3"}, "", "")
    assert "20 caption-picture pairs" in said
    assert "the content at first through L0H3" in said
    assert all(one.phrase in said for one in found.values())


def errors(nodes: int | None) -> pd.Series:
    places = ("reconstruction_error", "relative_error", "completeness_error", "nodes")
    return pd.Series([2e-8, 3e-7, 1e-6 if nodes else None, nodes], places, dtype=object)


def test_caveats_hold_their_errors():
    said = caveats_of(errors(None), {}, "objects", "", "")
    assert "2e-08 (3e-07 of the largest margin)" in said[0]
    assert "no total effect" in said[0]
    assert len(said) == 4
    assert "with the objects swapped in the same layout" in said[3]


def test_other_caveats_hold_their_numbers():
    said = caveats_of(errors(64), SPEARMAN, "word", "L0H1", "left")
    assert "64 points of the path" in " ".join(said)
    assert "the mirror image of the picture" in said[-2]
    assert "it is 0.510" in said[-1]
    assert "prefers on average (left)" in said[-1]
