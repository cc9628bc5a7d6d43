"""Studies of many models: the design, the sweep that trains it, what its table says.

A study file becomes a `Study`, a `SweepPlan` says which of its models share a stack, `sweep` trains
them into a folder, `load_sweep` reads it back, and `study_results` makes the sections of its page.
"""

from lrinterp.experiment.study import Study, read_study
from lrinterp.experiment.study_page import study_provenance, study_results
from lrinterp.experiment.sweeps import LoadedSweep, SweepPlan, load_sweep, sweep

__all__ = [
    "LoadedSweep",
    "Study",
    "SweepPlan",
    "load_sweep",
    "read_study",
    "study_provenance",
    "study_results",
    "sweep",
]
