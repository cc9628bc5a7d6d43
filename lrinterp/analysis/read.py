"""What one question reads of another's Result: metrics by key, tables by name."""

from collections.abc import Mapping

from lrinterp.result import Metric, Result, records

__all__ = [
    "CARRIERS",
    "GAIN",
    "LABELS",
    "LOST",
    "MORE_LEFT",
    "NO_GRADIENT",
    "NO_HEAD",
    "TEXT",
    "WITHOUT",
    "Place",
    "has_gradient",
    "order_lost",
    "value_of",
]

NO_GRADIENT = 0.1
"""Span in logits under which a head is said to have no gradient."""
WITHOUT = "order_without_key_position"
TEXT = "order_without_text_key_position"
LABELS = "label_set_closed_without_key_position"
CARRIERS = (
    "heads_that_carry_order",
    "order_without_these_heads",
    "order_without_these_heads_minus_without_all",
)
MORE_LEFT = 0.02
"""Swap accuracy that the heads named may leave above what is left without all."""
NO_HEAD = (
    "On the half of the labels that chooses heads, removing key-position of the image tower "
    f"lowers swap accuracy by no more than {MORE_LEFT}, so no image head is named."
)
GAIN = "right_object_attention_gain"
LOST = "order_lost"
"""The table of the order that each head's removal costs, by layer and head."""

Place = tuple[int, int]
"""Layer and head."""


def order_lost(term_ablation: Result) -> dict[Place, Metric]:
    """By layer and head: the order that removal of its key-position costs."""
    rows = records(term_ablation.tables[LOST])
    return {(row["layer"], row["head"]): Metric.of(row) for row in rows}


def has_gradient(found: Mapping[str, Metric]) -> bool:
    """Does the headline span exceed both what counts as a gradient and its null?"""
    return value_of(found["headline_span"]) >= max(NO_GRADIENT, value_of(found["null_span"]))


def value_of(metric: Metric) -> float:
    """The value of a metric that is a number."""
    return float(metric.value)  # type: ignore[arg-type]
