"""Real pictures with captions about where things are, read from their published formats."""

from lrinterp.scenes.natural.aro import ARO_SYMMETRIC
from lrinterp.scenes.natural.compose import PICTURES, FromSuite, compose
from lrinterp.scenes.natural.phrases import axis_of, opposite_of
from lrinterp.scenes.natural.pictures import open_picture
from lrinterp.scenes.natural.relation import BadRow, Relation
from lrinterp.scenes.natural.suites import SUITES, Reader, read_relations
from lrinterp.scenes.natural.triples import Triple, read_triples

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
