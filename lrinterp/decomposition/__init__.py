"""Decomposition of attention scores: streams, nine terms, gauges, parts, edits of the terms."""

from lrinterp.decomposition.changes import CHANGES, Groups, groups_of, row_change
from lrinterp.decomposition.margin_parts import along, key_parts, part_names, through_norm
from lrinterp.decomposition.streams import (
    GAUGES,
    MEANS,
    Embedding,
    Gauge,
    ResidualSplit,
    Streams,
    centred_scale,
    components,
    embedding_in,
    gauge_of,
    gauges_at,
)
from lrinterp.decomposition.terms import (
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    score_terms,
    split_terms,
    term_scores,
    through_ln1,
    total,
    why_not,
)

__all__ = [
    "CHANGES",
    "GAUGES",
    "KEY_CONTENT",
    "KEY_POSITION",
    "MEANS",
    "TERMS",
    "Embedding",
    "Gauge",
    "Groups",
    "ResidualSplit",
    "Streams",
    "along",
    "centred_scale",
    "components",
    "embedding_in",
    "gauge_of",
    "gauges_at",
    "groups_of",
    "key_parts",
    "part_names",
    "row_change",
    "score_terms",
    "split_terms",
    "term_scores",
    "through_ln1",
    "through_norm",
    "total",
    "why_not",
]
