"""One tower patched cell by cell in both directions: estimates of all cells, exact runs of some.

Examples are taken in parts, so that memory is bounded whatever the model; effects are made from
all parts together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.patching.attribution_patching import attribution, part_size
from lrinterp.analysis.patching.bench import PatchBench
from lrinterp.analysis.patching.cells import Cell
from lrinterp.encoders import positions

__all__ = ["DIRECTIONS", "Estimate", "estimate", "exactly"]

DIRECTIONS: tuple[str, ...] = ("denoising", "noising")


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """What is known of one direction before any cell is patched."""

    whole: Float[np.ndarray, "example"]
    """How far the margins of the two runs lie apart: target minus base."""
    attribution: Float[np.ndarray, "cell example"]
    same: Bool[np.ndarray, "cell"]
    """Both runs hold the same activation there."""
    reaches: Bool[np.ndarray, "cell"]
    """A path leads from there to the pooled position."""

    @classmethod
    def of(cls, bench: PatchBench, contrast: Contrast, cells: Sequence[Cell]) -> "Estimate":
        """One forward and one backward pass of the base run."""
        same = bench.same(cells, contrast.roles).cpu().numpy()
        moved = attribution(bench, cells, contrast.roles).cpu().numpy()
        return cls(
            whole=(bench.target_margin - bench.base_margin).cpu().numpy(),
            attribution=np.where(same[:, None], 0.0, moved),
            same=same,
            reaches=np.array([bench.reaches(cell, contrast.roles) for cell in cells]),
        )

    @classmethod
    def joined(cls, parts: Sequence["Estimate"]) -> "Estimate":
        """One estimate of the examples of several."""
        return cls(
            whole=np.concatenate([part.whole for part in parts]),
            attribution=np.concatenate([part.attribution for part in parts], axis=1),
            same=np.all([part.same for part in parts], axis=0),
            reaches=np.any([part.reaches for part in parts], axis=0),
        )

    @property
    def zero(self) -> Bool[np.ndarray, "cell"]:
        """Cells whose effect is 0 by construction."""
        return self.same | ~self.reaches

    @property
    def share(self) -> Float[np.ndarray, "cell"]:
        """Attribution as effects are measured: a ratio of means over examples."""
        return self.attribution.sum(1) / self.whole.sum()


def estimate(contrast: Contrast, cells: Sequence[Cell]) -> dict[str, Estimate]:
    """Estimates of some cells by direction. Cost: three passes forward and back of each input."""
    found: dict[str, list[Estimate]] = {direction: [] for direction in DIRECTIONS}
    for part in parts_of(contrast):
        for direction, bench in benches(part):
            found[direction].append(Estimate.of(bench, part, cells))
    return {direction: Estimate.joined(parts) for direction, parts in found.items()}


def exactly(
    contrast: Contrast, cells: Mapping[str, Sequence[Cell]]
) -> dict[str, Float[np.ndarray, "cell example"]]:
    """By direction: how far the margin of each example moves when each cell is patched."""
    moved: dict[str, list[np.ndarray]] = {direction: [] for direction in DIRECTIONS}
    for part in parts_of(contrast):
        for direction, bench in benches(part):
            margins = bench.patched(cells[direction], part.roles) - bench.base_margin
            moved[direction].append(margins.cpu().numpy())
    return {direction: np.concatenate(parts, axis=1) for direction, parts in moved.items()}


def parts_of(contrast: Contrast) -> Iterator[Contrast]:
    """The examples in parts that fit into memory."""
    inputs = contrast.inputs[0]
    tower = contrast.recording.model.towers[contrast.tower]
    size = part_size(tower, positions(tower, inputs))
    for start in range(0, len(inputs), size):
        yield contrast.at(slice(start, start + size))


def benches(contrast: Contrast) -> Iterator[tuple[str, PatchBench]]:
    """The bench of each direction, on the same two runs."""
    bench = contrast.bench(DIRECTIONS[0])
    yield from zip(DIRECTIONS, (bench, bench.reverse()), strict=True)
