"""The effects of patches as rows of one long table, exact or estimated, checked where full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.patching.cells import Cell, cells_of
from lrinterp.analysis.patching.choice import MOST_WORK, choose, work_of
from lrinterp.analysis.patching.runs import Estimate, estimate, exactly
from lrinterp.encoders import positions
from lrinterp.stats import Interval, Sample, ratio_intervals

__all__ = ["all_cells", "check_full", "patch", "small"]

EXACT = 1e-5
ROUNDING = 1e-7
"""What a mean margin may miss in float32; it counts where margins lie close together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is patched exactly in one direction."""

    estimate: Estimate
    chosen: list[str]
    """Why each cell is patched, or "none"."""
    runs: Bool[np.ndarray, "cell"]
    """Cells that are run."""

    @property
    def exact(self) -> Bool[np.ndarray, "cell"]:
        """Cells whose effect is exact: run, or 0 by construction."""
        return self.runs | self.estimate.zero


class Patched(NamedTuple):
    """What patching some cells of a tower found."""

    rows: list[dict[str, Any]]
    """Effects in both directions, with intervals over labels."""
    strongest: Sample | None
    """What the head output of largest denoising effect restores, and the whole margin, by example;
    None without such a cell."""


def patch(
    contrast: Contrast, cells: Sequence[Cell], *, seed: int = 0, most_work: float = MOST_WORK
) -> Patched:
    """Patch some cells in both directions."""
    every = small(contrast, most_work)
    plans = {
        direction: plan(cells, found, every=every, rng=np.random.default_rng((seed, k)))
        for k, (direction, found) in enumerate(estimate(contrast, cells).items())
    }
    runs = {d: [cells[i] for i in np.flatnonzero(own.runs).tolist()] for d, own in plans.items()}
    moved = exactly(contrast, runs)
    found = {d: intervals(contrast, own, moved[d]) for d, own in plans.items()}
    rows = [
        {"encoder": contrast.tower, **row}
        for direction, own in plans.items()
        for row in rows_of(direction, cells, own, found[direction])
    ]
    own, effects = plans["denoising"], found["denoising"]
    heads = {i: abs(effects[i].value or 0) for i in effects if cells[i].site == "z"}
    if not heads:
        return Patched(rows, None)
    top = gained(own, moved["denoising"])[max(heads, key=heads.__getitem__)]
    return Patched(rows, Sample(top=top[None], bottom=own.estimate.whole, units=contrast.units))


def small(contrast: Contrast, most_work: float) -> bool:
    """Can every cell be patched within so many multiplications?"""
    tower, inputs = contrast.recording.model.towers[contrast.tower], contrast.inputs[0]
    cells = all_cells(contrast)
    return work_of(tower, cells, len(inputs), positions(tower, inputs)) <= most_work


def all_cells(contrast: Contrast) -> list[Cell]:
    """Every cell of a tower."""
    cfg = contrast.recording.model.towers[contrast.tower].cfg
    return cells_of(range(cfg.n_layers), range(cfg.n_heads), list(contrast.roles))


def plan(cells: Sequence[Cell], found: Estimate, *, every: bool, rng: np.random.Generator) -> Plan:
    """All cells that can have an effect, or the chosen ones and the cheapest full patch."""
    full = np.array([cell.full for cell in cells])
    if every:
        return Plan(estimate=found, chosen=["all"] * len(cells), runs=~found.zero)
    chosen = choose(found.share, cells, ~found.zero & ~full, rng)
    last = max(cell.layer for cell in cells)
    checked = full & np.array([cell.layer == last for cell in cells])
    return Plan(estimate=found, chosen=chosen, runs=checked | (np.array(chosen) != "none"))


def intervals(
    contrast: Contrast, own: Plan, moved: Float[np.ndarray, "run example"]
) -> dict[int, Interval]:
    """Ratios of means by cell, for those whose effect is exact."""
    index = np.flatnonzero(own.exact)
    found = ratio_intervals(gained(own, moved)[index], own.estimate.whole, contrast.units)
    return dict(zip(index.tolist(), found, strict=True))


def gained(own: Plan, moved: Float[np.ndarray, "run example"]) -> Float[np.ndarray, "cell example"]:
    """How far the margin of each example moves by cell; 0 for those that were not run."""
    every = np.zeros_like(own.estimate.attribution)
    every[own.runs] = moved
    return every


def rows_of(
    direction: str, cells: Sequence[Cell], own: Plan, found: dict[int, Interval]
) -> Iterator[dict[str, Any]]:
    """One row a cell; raises RuntimeError where a full patch does not reach its target."""
    whole = own.estimate.whole
    counts = {"n": len(whole), "n_units": max(i.n_units for i in found.values())}
    for i, (cell, share) in enumerate(zip(cells, own.estimate.share.tolist(), strict=True)):
        interval = found.get(i, Interval(value=None))
        if cell.full and interval.value is not None:
            check_full(cell, interval.value, direction, float(whole.mean()))
        yield {
            "site": cell.site,
            "layer": cell.layer,
            "head": cell.head,
            "query": cell.query,
            "role": cell.role,
            "direction": direction,
            "effect": interval.value,
            "low": interval.low,
            "high": interval.high,
            "attribution": share,
            "exact": i in found,
            "chosen": own.chosen[i],
            "known": bool(own.estimate.zero[i]) or cell.full,
            "identical": bool(own.estimate.same[i]),
            **counts,
        }


def check_full(cell: Cell, effect: float, direction: str, whole: float = 1.0) -> None:
    """The full patch of a residual stream must restore the target, `whole` away from the base.

    Where the two lie close together the rounding of float32 counts, in units of the margin.
    """
    if abs(effect - 1) > max(EXACT, ROUNDING / abs(whole)):
        raise RuntimeError(f"{cell.hook}: full {direction} patch gave {effect:.7f}, expected 1")
