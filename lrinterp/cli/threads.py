"""Threads of a command, chosen in one place: by the size of its model, before they can spin.

Threads of OpenMP burn their core while they wait for each other. A small model gains nothing from
a second one and loses much beside other busy processes, so it gets one; a large one gets all cores,
whose threads sleep while they wait. `OMP_NUM_THREADS` and `OMP_WAIT_POLICY` of the caller win.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrinterp.encoders import DualEncoder

__all__ = ["choose_threads", "wait_asleep"]

SMALL = 5_000_000
"""Weights of a model below which one thread is as fast as two: some thirty default models."""


def wait_asleep() -> None:
    """Let idle threads sleep; heard only before torch is imported."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def choose_threads(*models: "DualEncoder") -> None:
    """One thread for small models, where the caller has not chosen; else as many as torch takes."""
    import torch

    size = max(sum(w.numel() for w in model.parameters()) for model in models)
    if size < SMALL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
