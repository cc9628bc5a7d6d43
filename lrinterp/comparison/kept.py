"""The checkpoints that a training run kept along the way, and its last one."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lrinterp.checkpoint import METADATA, load_checkpoint, read_metadata
from lrinterp.encoders import DualEncoder
from lrinterp.store import InputError

__all__ = ["KeptStep", "kept_steps", "models_of"]


class KeptStep(NamedTuple):
    """A checkpoint of a run: after how many optimiser steps, and where it lies."""

    step: int
    folder: Path


def kept_steps(run: str | Path) -> list[KeptStep]:
    """`RUN/steps/000025`, ... in order, and the run itself, whose step is that of its recipe.

    Raises InputError where the run is not finished, has no recipe, or kept no checkpoints.
    """
    run = Path(run)
    recipe = read_metadata(run).recipe
    if not recipe or "steps" not in recipe:
        raise InputError(f"{run}: has no recipe, so the step of its checkpoint is not known")
    last = int(recipe["steps"])
    folders = run.glob("steps/*")
    found = {int(p.name): p for p in folders if p.name.isdecimal() and (p / METADATA).is_file()}
    if not set(found) - {last}:
        raise InputError(f"{run}: kept no checkpoints along the way; train with --keep-every N")
    return [KeptStep(step, folder) for step, folder in sorted((found | {last: run}).items())]


def models_of(run: str | Path) -> Iterator[tuple[int, DualEncoder]]:
    """The models of a run by step: before its first one, rebuilt from its recipe, then those kept.

    A model without an encoder configuration cannot be rebuilt and begins with the first one kept.
    """
    steps = kept_steps(run)
    last = load_checkpoint(steps[-1].folder)
    config, recipe = last.model.config, last.metadata.recipe or {}
    if config is not None and steps[0].step > 0 and "seed" in recipe:
        yield 0, DualEncoder.build(config, last.model.sizes, recipe["seed"])
    for step, folder in steps[:-1]:
        yield step, load_checkpoint(folder).model
    yield steps[-1].step, last.model
