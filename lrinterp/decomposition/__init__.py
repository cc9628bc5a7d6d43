"""Decomposition of first-layer attention scores: nine terms, gauges, and edits of the terms."""

from lrinterp.decomposition.ablation import (
    KINDS,
    Ablation,
    Groups,
    InputIndependent,
    edited,
    groups_of,
    score_delta,
)
from lrinterp.decomposition.gauge import (
    GAUGES,
    Embedding,
    Gauge,
    components,
    embedding_in,
    in_gauge,
)
from lrinterp.decomposition.terms import (
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    parse_terms,
    pooled_row,
    position_values,
    score_terms,
    total,
    why_not,
)

__all__ = [
    "GAUGES",
    "KEY_CONTENT",
    "KEY_POSITION",
    "KINDS",
    "TERMS",
    "Ablation",
    "Embedding",
    "Gauge",
    "Groups",
    "InputIndependent",
    "components",
    "edited",
    "embedding_in",
    "groups_of",
    "in_gauge",
    "parse_terms",
    "pooled_row",
    "position_values",
    "score_delta",
    "score_terms",
    "total",
    "why_not",
]
