"""Real pictures with captions about where things are, read from their published formats."""

from lrinterp.scenes.natural.compose import PICTURES, FromSuite, compose
from lrinterp.scenes.natural.published_suites import ARO_SYMMETRIC
from lrinterp.scenes.natural.relation import (
    BadRow,
    Relation,
    axis_of,
    open_picture,
    opposite_of,
)
from lrinterp.scenes.natural.suites import SUITES, Reader, read_relations, read_triples
from lrinterp.scenes.natural.whatsup import Triple

__all__ = [
    "ARO_SYMMETRIC",
    "PICTURES",
    "SUITES",
    "BadRow",
    "FromSuite",
    "Reader",
    "Relation",
    "Triple",
    "axis_of",
    "compose",
    "open_picture",
    "opposite_of",
    "read_relations",
    "read_triples",
]
