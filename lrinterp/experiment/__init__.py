"""Studies of many models: the design, the sweep that trains it, what its table says.

A study file becomes a `Study`, a `SweepPlan` says which of its models share a stack, `sweep` trains
them into a folder, `load_sweep` reads it back, and `study_results` makes the sections of its page.

Of single checkpoints, `compare` runs analyses on each and tells which numbers differ; `dynamics`
follows numbers over the snapshots of training runs, aligned at the onset of order.
`measure_run` measures one run as plain data, for an executor; `dynamics_of` gathers its rows.
"""

from lrinterp.experiment.checkpoints import (
    comparison_provenance,
    dynamics_provenance,
    load_named,
)
from lrinterp.experiment.checkpoints.checkpoint_differences import Differences
from lrinterp.experiment.checkpoints.compare import compare, compare_recordings
from lrinterp.experiment.checkpoints.dynamics import Dynamics, dynamics, dynamics_of
from lrinterp.experiment.checkpoints.side_by_side import SideBySide
from lrinterp.experiment.checkpoints.trajectory import kept_steps, measure_run
from lrinterp.experiment.study import Study, read_study
from lrinterp.experiment.study_page import study_provenance, study_results
from lrinterp.experiment.sweeps import LoadedSweep, SweepPlan, load_sweep, sweep

__all__ = [
    "Differences",
    "Dynamics",
    "LoadedSweep",
    "SideBySide",
    "Study",
    "SweepPlan",
    "compare",
    "compare_recordings",
    "comparison_provenance",
    "dynamics",
    "dynamics_of",
    "dynamics_provenance",
    "kept_steps",
    "load_named",
    "load_sweep",
    "measure_run",
    "read_study",
    "study_provenance",
    "study_results",
    "sweep",
]
