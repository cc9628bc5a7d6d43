"""Several checkpoints: side by side, and one after the other along training.

`compare` runs analyses on each checkpoint and tells which numbers differ; `dynamics` follows
numbers over the checkpoints that training runs kept, aligned where left-right order breaks.
`measure_run` measures one run from plain data, for an executor; `dynamics_of` gathers its rows.
"""

from lrinterp.comparison.compare import compare, compare_recordings
from lrinterp.comparison.differences import Differences
from lrinterp.comparison.dynamics import Dynamics, dynamics, dynamics_of
from lrinterp.comparison.following import follow_head, measure_run
from lrinterp.comparison.kept import KeptStep, kept_steps
from lrinterp.comparison.naming import load_named
from lrinterp.comparison.provenance import comparison_provenance, dynamics_provenance
from lrinterp.comparison.side_by_side import SideBySide

__all__ = [
    "Differences",
    "Dynamics",
    "KeptStep",
    "SideBySide",
    "compare",
    "compare_recordings",
    "comparison_provenance",
    "dynamics",
    "dynamics_of",
    "dynamics_provenance",
    "follow_head",
    "kept_steps",
    "load_named",
    "measure_run",
]
