"""The effect of patching every cell, estimated from one backward pass, and exact for all or some.

The first-order estimate (attribution patching) of the effect of a cell is d margin / d activation,
at the base run, times source minus base, summed over the entries of the cell. It is exact where the
margin is linear in the activation, and misses what bends on the way: a softmax that is saturated at
the base run, or a patch so large that a norm or an MLP answers otherwise than its slope says. So
compare it with exact patching of some cells before leaning on it. Sources: Nanda 2023 ("Attribution
patching: activation patching at industrial scale"); Syed et al. (arXiv 2310.10348); Kramár et al.
(arXiv 2403.00745).

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
from lrinterp.analysis.patching.cells import (
    activation_change,
    cell_sums,
    cells_of,
    hook_of,
    is_full,
    layer_of,
    query_of,
    same,
)
from lrinterp.axes import Embeddings
from lrinterp.run import Edit, TowerRun, gradient, margins
from lrinterp.run.margins import reaches
from lrinterp.run.memory import part_size
from lrinterp.stats import Interval, Sample, ratio_intervals

__all__ = ["EXACT", "MOST_WORK", "patch", "work_of"]

DIRECTIONS: tuple[str, ...] = ("denoising", "noising")
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
class CellPlan:
    """What is known of cells in one direction before any is patched, and which are to be."""

    cells: Sequence[Edit]
    whole: Float[np.ndarray, "example"]
    """How far the margins of the two runs lie apart: target minus base."""
    attribution: Moved
    """How far patching each cell would move each margin, to first order."""
    same: Bool[np.ndarray, "cell"]
    """Both runs hold the same activation there."""
    reaches: Bool[np.ndarray, "cell"]
    """A path leads from there to the pooled position."""
    chosen: np.ndarray
    """Why each cell is patched: all, strongest, random or both; or none."""

    @property
    def zero(self) -> Bool[np.ndarray, "cell"]:
        """Cells whose effect is 0 by construction."""
        return self.same | ~self.reaches

    @property
    def full(self) -> Bool[np.ndarray, "cell"]:
        """Cells whose effect is 1 by construction."""
        return np.array([is_full(cell) for cell in self.cells])

    @property
    def share(self) -> Float[np.ndarray, "cell"]:
        """Attribution as effects are measured: a ratio of means over examples."""
        return self.attribution.sum(1) / self.whole.sum()

    @property
    def runs(self) -> Bool[np.ndarray, "cell"]:
        """Cells that are run: those chosen that can have an effect, and the cheapest full patch."""
        layers = np.array([layer_of(cell) for cell in self.cells])
        checked = self.full & (layers == layers.max())
        return checked | ((self.chosen != "none") & ~self.zero)


def by_part(contrast: Contrast) -> Iterator[tuple[slice, Contrast, str]]:
    """Parts of the examples that fit into memory whatever the model, each in both directions."""
    run = contrast.clean
    for some, _ in run.parts(part_size(run.tower, run.n_positions)):
        part = contrast.at(some)
        yield from ((some, part, direction) for direction in DIRECTIONS)


def estimates(contrast: Contrast, cells: Sequence[Edit]) -> dict[str, CellPlan]:
    """What is known of all cells by direction. Cost: two passes forward and back of each input."""
    parts: dict[str, list[CellPlan]] = {direction: [] for direction in DIRECTIONS}
    for _, part, direction in by_part(contrast):
        parts[direction].append(estimate(*part.pair(direction), cells, part.direction))
    return {
        direction: replace(
            own[0],
            whole=np.concatenate([part.whole for part in own]),
            attribution=np.concatenate([part.attribution for part in own], axis=1),
            same=np.all([part.same for part in own], axis=0),
            reaches=np.any([part.reaches for part in own], axis=0),
        )
        for direction, own in parts.items()
    }


def estimate(
    base: TowerRun, source: TowerRun, cells: Sequence[Edit], direction: Embeddings
) -> CellPlan:
    """How far patching each cell would move each margin, to first order; all cells are chosen.

    Cost: one forward and one backward pass of the base from the first layer on, however many cells.
    """
    changes = activation_change(base, source, cells)
    slopes = gradient(base, direction, list(changes))
    moved = {hook: slopes[hook] * change for hook, change in changes.items()}
    sums = cell_sums(moved, cells, base.places.roles).cpu().numpy()
    start, end = (run.along(run.residual(run.n_layers), direction) for run in (base, source))
    alike = same(base, source, cells).cpu().numpy()
    return CellPlan(
        cells=cells,
        whole=(end - start).cpu().numpy(),
        attribution=np.where(alike[:, None], 0.0, sums),
        same=alike,
        reaches=np.array([reaches(base, cell) for cell in cells]),
        chosen=np.full(len(cells), "all"),
    )


def patch(
    contrast: Contrast, *, seed: int = 0, most_work: float = MOST_WORK
) -> tuple[list[dict[str, Any]], Sample]:
    """Patch the cells of a tower in both directions: a row for each, with intervals over labels.

    And what the head output of largest denoising effect restores, with the whole margin, by
    example.
    """
    cells = cells_of(contrast.clean)
    plans = estimates(contrast, cells)
    if work_of(contrast) > most_work:
        draws = (np.random.default_rng((seed, k)) for k in range(len(plans)))
        plans = {k: choose(own, rng) for (k, own), rng in zip(plans.items(), draws, strict=True)}
    moved = exactly(contrast, plans)
    rows = [
        {"encoder": contrast.tower, **row}
        for direction, plan in plans.items()
        for row in effect_rows(contrast, direction, plan, moved[direction])
    ]
    gained = moved["denoising"]
    heads = [i for i, cell in enumerate(cells) if cell.what == "z"]
    top = gained[max(heads, key=lambda i: abs(gained[i].sum()))]
    return rows, Sample(top=top[None], bottom=plans["denoising"].whole, units=contrast.units)


def work_of(contrast: Contrast) -> float:
    """Multiplications of patching each cell of a tower exactly, once in each direction.

    Formula: 2 x cells x examples x layers from the cell's own on x positions x weights of a layer.
    """
    run, cfg = contrast.clean, contrast.clean.tower.cfg
    d_mlp = 0 if cfg.attn_only else cfg.d_mlp or 0
    weights = 4 * cfg.d_model * cfg.n_heads * cfg.d_head + 2 * cfg.d_model * d_mlp
    layers = sum(cfg.n_layers - layer_of(cell) for cell in cells_of(run))
    return 2.0 * layers * len(run) * run.n_positions * weights


def choose(plan: CellPlan, rng: np.random.Generator) -> CellPlan:
    """The same with some cells chosen, of those whose effect is not known by construction.

    The strongest are the largest of either sign. The sample is drawn without replacement from all,
    the strongest included, each as likely as any other.
    """
    index, every = np.flatnonzero(~plan.zero & ~plan.full), np.arange(len(plan.cells))
    top = index[np.argsort(-np.abs(plan.share[index]), kind="stable")]
    heads = [i for i in top if plan.cells[i].what == "z"]
    drawn = rng.choice(index, size=min(RANDOM, len(index)), replace=False)
    strongest = np.isin(every, [*top[:STRONGEST], *heads[:1]])
    return replace(plan, chosen=CHOSEN[strongest + 2 * np.isin(every, drawn)])


def exactly(contrast: Contrast, plans: Mapping[str, CellPlan]) -> dict[str, Moved]:
    """By direction: how far the margin of each example moves by cell; 0 for those not run."""
    moved = {direction: np.zeros_like(plan.attribution) for direction, plan in plans.items()}
    runs = {direction: np.flatnonzero(plan.runs).tolist() for direction, plan in plans.items()}
    for some, part, direction in by_part(contrast):
        base, source = part.pair(direction)
        cells = [plans[direction].cells[i] for i in runs[direction]]
        own = [replace(cell, source=source) for cell in cells]
        source.values(hook_of(cell) for cell in own)
        gained = margins(base, own, part.direction) - part.margin_of(base)
        moved[direction][runs[direction], some] = gained.cpu().numpy()
    return moved


def effect_rows(
    contrast: Contrast, direction: str, plan: CellPlan, moved: Moved
) -> Iterator[dict[str, Any]]:
    """One row a cell; raises RuntimeError where a full patch does not reach its target."""
    exact, whole = np.flatnonzero(plan.runs | plan.zero), plan.whole
    effects = ratio_intervals(moved[exact], whole, contrast.units)
    by_cell = dict(zip(exact.tolist(), effects, strict=True))
    counts = {"n": len(whole), "n_units": max(effect.n_units for effect in effects)}
    known, shares = plan.zero | plan.full, plan.share.tolist()
    for i, cell in enumerate(plan.cells):
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
            "attribution": shares[i],
            "exact": i in by_cell,
            "chosen": str(plan.chosen[i]),
            "known": bool(known[i]),
            "identical": bool(plan.same[i]),
            **counts,
        }


def check_full(cell: Edit, effect: float, direction: str, whole: float = 1.0) -> None:
    """The full patch of a residual stream must restore the target, `whole` away from the base.

    Where the two lie close together the rounding of float32 counts, in units of the margin.
    """
    if abs(effect - 1) > max(EXACT, ROUNDING / abs(whole)):
        raise RuntimeError(f"{hook_of(cell)}: full {direction} patch gave {effect:.7f}, expected 1")
