"""The effects of patches as rows of one long table, exact or estimated, checked where full.

Where there are too many cells for all to be patched, the strongest by attribution are, which a
reader asks about, and a sample. The strongest say little of how good attribution is elsewhere,
because they were chosen by it; the random sample says that without bias.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from lrinterp.analysis.contrast import Contrast
from lrinterp.analysis.patching.attribution_patching import (
    DIRECTIONS,
    Estimate,
    by_part,
    estimates,
)
from lrinterp.analysis.patching.cells import cells_of, hook_of, is_full, layer_of, query_of
from lrinterp.run import Edit, margins
from lrinterp.stats import Interval, Sample, ratio_intervals

__all__ = ["EXACT", "MOST_WORK", "check_full", "choose", "exactly", "patch", "work_of"]

EXACT = 1e-5
"""What a full patch may miss, as a share of the margin."""
ROUNDING = 1e-7
"""What a mean margin may miss in float32; it counts where margins lie close together."""
MOST_WORK = 1e12
"""Multiplications up to which every cell is patched: about half a minute on two cores."""
STRONGEST = 8
"""Cells of each tower and direction, and the strongest head output where it is not among them."""
RANDOM = 12
"""Cells of each tower and direction that are drawn at random from all that could matter."""
CHOSEN = np.array(["none", "strongest", "random", "both"])

Moved = Float[np.ndarray, "cell example"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is patched exactly in one direction."""

    estimate: Estimate
    chosen: list[str]
    """Why each cell is patched, or "none"."""
    runs: Bool[np.ndarray, "cell"]
    """Cells that are run."""


def patch(
    contrast: Contrast, *, seed: int = 0, most_work: float = MOST_WORK
) -> tuple[list[dict[str, Any]], Sample]:
    """Patch the cells of a tower in both directions: a row for each, with intervals over labels.

    And what the head output of largest denoising effect restores, with the whole margin, by
    example.
    """
    cells, every = cells_of(contrast.clean), work_of(contrast) <= most_work
    plans = {
        direction: plan(cells, found, None if every else np.random.default_rng((seed, k)))
        for k, (direction, found) in enumerate(estimates(contrast, cells).items())
    }
    moved = exactly(contrast, cells, {direction: own.runs for direction, own in plans.items()})
    rows = [
        {"encoder": contrast.tower, **row}
        for direction, own in plans.items()
        for row in rows_of(contrast, direction, cells, own, moved[direction])
    ]
    gained = moved["denoising"]
    heads = [i for i, cell in enumerate(cells) if cell.what == "z"]
    top = gained[max(heads, key=lambda i: abs(gained[i].sum()))]
    whole = plans["denoising"].estimate.whole
    return rows, Sample(top=top[None], bottom=whole, units=contrast.units)


def work_of(contrast: Contrast) -> float:
    """Multiplications of patching each cell of a tower exactly, once in each direction.

    Formula: 2 x cells x examples x layers from the cell's own on x positions x weights of a layer.
    """
    run, cfg = contrast.clean, contrast.clean.tower.cfg
    d_mlp = 0 if cfg.attn_only else cfg.d_mlp or 0
    weights = 4 * cfg.d_model * cfg.n_heads * cfg.d_head + 2 * cfg.d_model * d_mlp
    layers = sum(cfg.n_layers - layer_of(cell) for cell in cells_of(run))
    return 2.0 * layers * len(run) * run.n_positions * weights


def plan(cells: Sequence[Edit], found: Estimate, rng: np.random.Generator | None) -> Plan:
    """All cells that can have an effect or, with a generator, some and the cheapest full patch."""
    full = np.array([is_full(cell) for cell in cells])
    if rng is None:
        return Plan(estimate=found, chosen=["all"] * len(cells), runs=~found.zero)
    chosen = choose(found.share, cells, ~found.zero & ~full, rng)
    layers = np.array([layer_of(cell) for cell in cells])
    checked = full & (layers == layers.max())
    return Plan(estimate=found, chosen=chosen, runs=checked | (np.array(chosen) != "none"))


def choose(
    attribution: Float[np.ndarray, "cell"],
    cells: Sequence[Edit],
    open_cells: Bool[np.ndarray, "cell"],
    rng: np.random.Generator,
) -> list[str]:
    """For each cell "strongest", "random", "both" or "none"; only open cells can be chosen.

    The strongest are the largest of either sign. The sample is drawn without replacement from all
    open cells, the strongest included, each as likely as any other.
    """
    index, every = np.flatnonzero(open_cells), np.arange(len(cells))
    top = index[np.argsort(-np.abs(attribution[index]), kind="stable")]
    heads = [i for i in top if cells[i].what == "z"]
    drawn = rng.choice(index, size=min(RANDOM, len(index)), replace=False)
    strongest = np.isin(every, [*top[:STRONGEST], *heads[:1]])
    return CHOSEN[strongest + 2 * np.isin(every, drawn)].tolist()


def exactly(
    contrast: Contrast, cells: Sequence[Edit], runs: Mapping[str, Bool[np.ndarray, "cell"]]
) -> dict[str, Moved]:
    """By direction: how far the margin of each example moves by cell; 0 for those not run."""
    moved = {direction: np.zeros((len(cells), len(contrast.clean))) for direction in DIRECTIONS}
    for some, part, direction in by_part(contrast):
        base, source = part.pair(direction)
        own = [replace(cells[i], source=source) for i in np.flatnonzero(runs[direction]).tolist()]
        source.values(hook_of(cell) for cell in own)
        gained = margins(base, own, part.direction) - part.margin_of(base)
        moved[direction][runs[direction], some] = gained.cpu().numpy()
    return moved


def rows_of(
    contrast: Contrast, direction: str, cells: Sequence[Edit], own: Plan, moved: Moved
) -> Iterator[dict[str, Any]]:
    """One row a cell; raises RuntimeError where a full patch does not reach its target."""
    found, whole = own.estimate, own.estimate.whole
    exact = np.flatnonzero(own.runs | found.zero)
    effects = ratio_intervals(moved[exact], whole, contrast.units)
    by_cell = dict(zip(exact.tolist(), effects, strict=True))
    counts = {"n": len(whole), "n_units": max(effect.n_units for effect in effects)}
    for i, (cell, share) in enumerate(zip(cells, found.share.tolist(), strict=True)):
        effect = by_cell.get(i, Interval(value=None))
        if is_full(cell) and effect.value is not None:
            check_full(cell, effect.value, direction, float(whole.mean()))
        yield {
            "site": cell.what,
            "layer": layer_of(cell),
            "head": cell.heads[0] if cell.heads else None,
            "query": query_of(cell),
            "role": cell.role,
            "direction": direction,
            "effect": effect.value,
            "low": effect.low,
            "high": effect.high,
            "attribution": share,
            "exact": i in by_cell,
            "chosen": own.chosen[i],
            "known": bool(found.zero[i]) or is_full(cell),
            "identical": bool(found.same[i]),
            **counts,
        }


def check_full(cell: Edit, effect: float, direction: str, whole: float = 1.0) -> None:
    """The full patch of a residual stream must restore the target, `whole` away from the base.

    Where the two lie close together the rounding of float32 counts, in units of the margin.
    """
    if abs(effect - 1) > max(EXACT, ROUNDING / abs(whole)):
        raise RuntimeError(f"{hook_of(cell)}: full {direction} patch gave {effect:.7f}, expected 1")
