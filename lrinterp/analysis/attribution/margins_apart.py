"""The margins of both towers taken apart, each as far as it can be, and held against the model."""

from typing import Any

import numpy as np

from lrinterp.analysis.attribution.margin_at_depth import AtDepth, attribute_at_depth
from lrinterp.analysis.attribution.margin_parts import Attributed, attribute, why_not_a_sum
from lrinterp.analysis.contrast import Contrast
from lrinterp.axes import Tokens
from lrinterp.decomposition import why_not

__all__ = ["MISSED", "Apart", "all_apart", "checked"]

Apart = Attributed | AtDepth

MISSED = 1e-4
"""Error of the sum beyond which a tower computes something else than its configuration says."""


def all_apart(pairs: list[Contrast]) -> tuple[dict[str, Apart], list[dict[str, Any]], list[str]]:
    """The margins of each tower taken apart, the errors, and what is left out and why."""
    found, checks, notes = {}, [], []
    for contrast in pairs:
        name, tower = contrast.tower, contrast.recording.model.towers[contrast.tower]
        if reason := why_not(tower):
            notes.append(f"The {name} tower is left out: {reason}.")
            continue
        parts = taken_apart(contrast)
        check = checked(contrast, parts)
        if not (error := check["reconstruction_error"]) <= MISSED:
            what = "what its heads read" if isinstance(parts, Attributed) else "what it is made of"
            notes.append(f"The {name} tower is left out: {what} misses its margin by {error:.1g}.")
            continue
        found[name] = parts
        checks.append(check)
        if reason := why_not_a_sum(tower):
            notes.append(direct_alone(name, reason))
    return found, checks, notes


def taken_apart(contrast: Contrast) -> Apart:
    """One tower in both ways where it can be, else directly."""
    tower, inputs = contrast.recording.model.towers[contrast.tower], contrast.inputs[0]
    occurs = contrast.recording.examples.occurs[contrast.tower]
    if isinstance(inputs, Tokens) and not why_not_a_sum(tower):
        return attribute(tower, inputs, occurs, contrast.direction)
    return attribute_at_depth(contrast.clean.streams, contrast.direction)


def direct_alone(tower: str, reason: str) -> str:
    """What a tower at depth does not have, and why."""
    lacks = {"image": ", and its margins are not set beside the attention of one head"}
    return (
        f"The {tower} tower is taken apart directly alone, without parts through attention"
        f"{lacks.get(tower, '')}: {reason}."
    )


def checked(contrast: Contrast, found: Apart) -> dict[str, Any]:
    """How exactly the parts add up: to the margins of the model, and along the path."""
    margins = contrast.margins().cpu().numpy()
    error = float(np.abs(found.whole - margins).max())
    largest = float(np.abs(margins).max())
    path = found if isinstance(found, Attributed) else None
    return {
        "encoder": contrast.tower,
        "reconstruction_error": error,
        "relative_error": error / largest if largest else None,
        "completeness_error": path.completeness if path else None,
        "nodes": path.nodes if path else None,
        "n": len(margins),
    }
