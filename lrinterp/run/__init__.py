"""Runs of a model on examples, intact and under edits."""

from lrinterp.run.edit import KINDS, RANDOM, SITES, Edit
from lrinterp.run.hooks import InputIndependent, knows_objects, objects
from lrinterp.run.margins import gradient, margins, under
from lrinterp.run.memory import fingerprint, using_threads
from lrinterp.run.passes import Places
from lrinterp.run.run import Run, load_recording, record
from lrinterp.run.tower import TowerRun

__all__ = [
    "KINDS",
    "RANDOM",
    "SITES",
    "Edit",
    "InputIndependent",
    "Places",
    "Run",
    "TowerRun",
    "fingerprint",
    "gradient",
    "knows_objects",
    "load_recording",
    "margins",
    "objects",
    "record",
    "under",
    "using_threads",
]
