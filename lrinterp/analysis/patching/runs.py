"""One tower patched cell by cell in both directions: estimates of all cells, exact runs of some.

Examples are taken in parts, so that memory is bounded whatever the model; effects are made from
all parts together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.patching.attribution_patching import Estimate, estimate
from lrinterp.run import Edit, margins
from lrinterp.run.memory import part_size

__all__ = ["DIRECTIONS", "estimates", "exactly"]

DIRECTIONS: tuple[str, ...] = ("denoising", "noising")


def estimates(contrast: Contrast, cells: Sequence[Edit]) -> dict[str, Estimate]:
    """Estimates of some cells by direction. Cost: two passes forward and back of each input."""
    found: dict[str, list[Estimate]] = {direction: [] for direction in DIRECTIONS}
    for part in parts_of(contrast):
        for direction in DIRECTIONS:
            base, source = part.pair(direction)
            own = estimate(base, source, taken_from(cells, part, direction), part.direction)
            found[direction].append(own)
    return {direction: Estimate.joined(parts) for direction, parts in found.items()}


def exactly(
    contrast: Contrast, cells: Mapping[str, Sequence[Edit]]
) -> dict[str, Float[np.ndarray, "cell example"]]:
    """By direction: how far the margin of each example moves when each cell is patched."""
    moved: dict[str, list[np.ndarray]] = {direction: [] for direction in DIRECTIONS}
    for part in parts_of(contrast):
        for direction in DIRECTIONS:
            base, source = part.pair(direction)
            own = taken_from(cells[direction], part, direction)
            source.values(cell.hook(layer) for cell in own for layer in cell.layers or ())
            gained = margins(base, own, part.direction) - part.margin_of(base)
            moved[direction].append(gained.cpu().numpy())
    return {direction: np.concatenate(parts, axis=1) for direction, parts in moved.items()}


def taken_from(cells: Sequence[Edit], part: Contrast, direction: str) -> list[Edit]:
    """The same cells, patched from the source of a direction."""
    source = part.pair(direction)[1]
    return [replace(cell, source=source) for cell in cells]


def parts_of(contrast: Contrast) -> Iterator[Contrast]:
    """The examples in parts that fit into memory."""
    size = part_size(contrast.clean.tower, contrast.clean.n_positions)
    for start in range(0, len(contrast.clean), size):
        yield contrast.at(slice(start, start + size))
