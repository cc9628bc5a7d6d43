"""Which numbers a sweep measures of each model: `analysis.key`, as `analyze` names them.

A study file may name others beside these (`measure`), and use the names that tables had before
numbers were named so.
"""

from collections.abc import Sequence

__all__ = [
    "ABLATED",
    "COSTS",
    "LARGEST_SLOPE",
    "METRICS",
    "NUMBERS",
    "OLD",
    "ORDER",
    "SETS",
    "accuracy_of",
    "full_name",
    "without",
]

SETS = {
    "unseen_pair": "held-out pairs",
    "mixed_pair": "pairs of a trained and a held-out label",
    "seen_pair": "trained pairs in new layouts",
    "single": "single objects at new positions",
}
"""Sets of pictures, the one that matters most first."""
METRICS = {
    "order": "order",
    "retrieval_closed": "retrieval (closed)",
    "retrieval_open": "retrieval (open)",
    "label_set_closed": "label set (closed)",
    "label_set_open": "label set (open)",
}
"""Accuracies of a set, as their keys end."""
ABLATED = ("EP", "PP", "bP", "key_position")
"""What is taken away."""
HEADLINE = ("headline_head", "headline_slope", "headline_span", "headline_spearman")
COSTS = ("loss", "seconds")
"""Numbers of a model that no analysis measures."""


def accuracy_of(pictures: str, metric: str) -> str:
    """The name of an accuracy on a set of pictures."""
    return f"accuracy.{pictures}_{metric}"


def without(term: str, metric: str = "order") -> str:
    """The name of an accuracy on held-out pairs after an ablation of the image tower."""
    return f"term_ablation.{metric}_without_{term}"


ORDER = accuracy_of("unseen_pair", "order")
LARGEST_SLOPE = "positional_gradient.largest_slope"
OLD: dict[str, str] = {
    **{
        f"{name}_{metric}": accuracy_of(name, metric)
        for name in SETS
        for metric in METRICS
        if (name, metric) != ("single", "order")
    },
    **{f"without_{term}_{m}": without(term, m) for term in ABLATED for m in METRICS},
    **{key: f"positional_gradient.{key}" for key in HEADLINE},
    "largest_slope": LARGEST_SLOPE,
}
"""By the name of a column in the tables of before: the name of the number."""
NUMBERS: Sequence[str] = tuple(OLD.values())


def full_name(name: str) -> str:
    """A number as it is named now.

    >>> full_name("unseen_pair_order")
    'accuracy.unseen_pair_order'
    """
    return OLD.get(name, name)
