"""The margins of both towers taken apart, each as far as it can be, and held against the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from lrinterp.analysis.attribution.attention_path import (
    AttentionPath,
    chunk_size,
    why_no_path,
)
from lrinterp.analysis.contrast import Contrast
from lrinterp.axes import Embeddings
from lrinterp.decomposition import Streams, why_not
from lrinterp.decomposition.margin_parts import MarginParts
from lrinterp.run import TowerRun
from lrinterp.run.memory import part_size

__all__ = ["MISSED", "Apart", "all_apart"]

T = TypeVar("T")
MISSED = 1e-4
"""Error of the sum beyond which a tower computes something else than its configuration says."""


@dataclass(frozen=True)
class Apart:
    """One tower's margins: their direct parts, and the path of attention where there is one."""

    contrast: Contrast
    parts: MarginParts
    path: AttentionPath | None

    @classmethod
    def of(cls, contrast: Contrast) -> "Apart":
        """Of the clean inputs."""
        path, run, along = None, contrast.clean, contrast.direction
        if not why_no_path(run.tower):
            size = chunk_size(run, along)
            path = AttentionPath.joined(in_chunks(AttentionPath.of, run, along, size))
        parts = in_chunks(MarginParts.of, run, along, part_size(run.tower, run.n_positions))
        return cls(contrast, MarginParts.joined(parts), path)

    def checked(self) -> dict[str, Any]:
        """How exactly the parts add up: to the margins of the model, and along the path."""
        margins = self.contrast.margins().cpu().numpy()
        error = float(np.abs(self.parts.whole - margins).max())
        largest = float(np.abs(margins).max())
        return {
            "encoder": self.contrast.tower,
            "reconstruction_error": error,
            "relative_error": error / largest if largest else None,
            "completeness_error": self.path.completeness if self.path else None,
            "nodes": self.path.nodes if self.path else None,
            "n": len(margins),
        }


def in_chunks(
    of: Callable[[Streams, Embeddings], T],
    run: TowerRun,
    direction: Embeddings,
    size: int,
) -> list[T]:
    """What is made of some inputs and their directions, of a chunk at a time to bound memory."""
    return [of(part.streams, direction[some]) for some, part in run.parts(size)]


def all_apart(pairs: list[Contrast]) -> tuple[dict[str, Apart], list[dict[str, Any]], list[str]]:
    """The margins of each tower taken apart, the errors, and what is left out and why."""
    found, checks, notes = {}, [], []
    for contrast in pairs:
        name, tower = contrast.tower, contrast.recording.model.towers[contrast.tower]
        if reason := why_not(tower):
            notes.append(f"The {name} tower is left out: {reason}.")
            continue
        apart = Apart.of(contrast)
        check = apart.checked()
        if not (error := check["reconstruction_error"]) <= MISSED:
            what = "what it is made of misses its margin by"
            notes.append(f"The {name} tower is left out: {what} {error:.1g}.")
            continue
        found[name] = apart
        checks.append(check)
        if reason := why_no_path(tower):
            notes.append(direct_alone(name, reason))
    return found, checks, notes


def direct_alone(tower: str, reason: str) -> str:
    """What a tower without a path of attention does not have, and why."""
    lacks = {"image": ", and its margins are not set beside the attention of one head"}
    return (
        f"The {tower} tower is taken apart directly alone, without parts through attention"
        f"{lacks.get(tower, '')}: {reason}."
    )
