"""The margins of both towers taken apart, each as far as it can be, and held against the model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from lrinterp.analysis.attribution.attention_path import AttentionPath, chunk_size, why_no_path
from lrinterp.analysis.contrast import Contrast
from lrinterp.axes import Embeddings
from lrinterp.decomposition import Streams, why_not
from lrinterp.decomposition.margin_parts import MarginParts
from lrinterp.run import TowerRun
from lrinterp.run.memory import part_size

__all__ = ["MISSED", "Apart", "all_apart", "in_chunks"]

T = TypeVar("T")
MISSED = 1e-4
"""Error of the sum beyond which a tower computes something else than its configuration says."""
EXAMPLE = {"alone": 1, "by_term": 1, "parts": 1, "by_key": 2}
"""The axis of examples, where it is not the first."""


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
            path = in_chunks(AttentionPath.of, run, along, chunk_size(run, along))
        parts = in_chunks(MarginParts.of, run, along, part_size(run.tower, run.n_positions))
        return cls(contrast, parts, path)

    @cached_property
    def errors(self) -> dict[str, Any]:
        """How exactly the parts add up: to the margins of the model, and along the path."""
        margins = self.contrast.margins().cpu().numpy()
        error, largest = (float(np.abs(x).max()) for x in (self.parts.whole - margins, margins))
        return {
            "encoder": self.contrast.tower,
            "reconstruction_error": error,
            "relative_error": error / largest if largest else None,
            "completeness_error": self.path.completeness if self.path else None,
            "nodes": int(self.path.nodes.max()) if self.path else None,
            "n": len(margins),
        }


def in_chunks(
    of: Callable[[Streams, Embeddings], T],
    run: TowerRun,
    direction: Embeddings,
    size: int,
) -> T:
    """What is made of some inputs and their directions, a chunk at a time to bound memory."""
    chunks: list[Any] = [of(part.streams, direction[some]) for some, part in run.parts(size)]
    arrays = {
        name: np.concatenate([getattr(chunk, name) for chunk in chunks], EXAMPLE.get(name, 0))
        for name, value in vars(chunks[0]).items()
        if isinstance(value, np.ndarray)
    }
    return replace(chunks[0], **arrays)


def all_apart(pairs: list[Contrast]) -> tuple[dict[str, Apart], list[str]]:
    """The margins of each tower taken apart, and what is left out and why."""
    found, notes = {}, []
    for contrast in pairs:
        name, reason = contrast.tower, why_not(contrast.clean.tower)
        if not reason:
            found[name] = Apart.of(contrast)
            error = found[name].errors["reconstruction_error"]
            if not error <= MISSED:
                reason = f"what it is made of misses its margin by {error:.1g}"
        if reason:
            found.pop(name, None)
            notes.append(f"The {name} tower is left out: {reason}.")
        elif reason := why_no_path(contrast.clean.tower):
            lacks = {"image": ", and its margins are not set beside the attention of one head"}
            notes.append(
                f"The {name} tower is taken apart directly alone, without parts through attention"
                f"{lacks.get(name, '')}: {reason}."
            )
    return found, notes
