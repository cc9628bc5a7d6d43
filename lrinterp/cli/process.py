"""What a command sets in its process: threads by the size of its model, and no idle work.

Threads of OpenMP burn their core while they wait for each other. A small model gains nothing from
a second one and loses much beside other busy processes, so it gets one; a large one gets all cores,
whose threads sleep while they wait. `OMP_NUM_THREADS` and `OMP_WAIT_POLICY` of the caller win.
"""

import atexit
import gc
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrinterp.encoders import DualEncoder

__all__ = ["begin", "settle"]

SMALL = 5_000_000
"""Weights of a model below which one thread is about as fast as two: some thirty default models."""


def begin() -> None:
    """Before torch is imported: idle threads sleep, and the end takes no last look for garbage."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    atexit.register(gc.freeze)


def settle(*models: "DualEncoder") -> None:
    """When all is loaded: one thread for small models, and no search for garbage in what stays."""
    import torch

    gc.freeze()
    size = max(sum(weight.numel() for weight in model.parameters()) for model in models)
    if size < SMALL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
