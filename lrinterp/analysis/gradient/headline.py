"""The head of the image tower that order needs most, and the fits of all heads of a layer."""

from collections.abc import Mapping
from typing import Any

from lrinterp.analysis.gradient.fit import WHOLE, tower_rows
from lrinterp.analysis.gradient.plane_fit import fit_row
from lrinterp.analysis.read import Place
from lrinterp.result import Metric
from lrinterp.run import Edit, Run
from lrinterp.scoring import order_credit
from lrinterp.stats import GAP, mean_interval

__all__ = ["choose", "headline"]


def headline(run: Run) -> tuple[int, list[dict[str, Any]]]:
    """The headline head of the first layer as `positional_gradient` chooses it, and all fits.

    Of a run of the pictures of one set. Rows are those of canonical key-position. Cost: an
    ablation a head, and nothing else of `term_ablation`. The image tower must be one that reads
    tokens and can be decomposed.
    """
    rows = tower_rows(run.streams["image"])
    fits = [fit_row(row) for row in rows[0, "canonical", WHOLE]]
    intact, lost = order_credit(run.scores, run.examples), {}
    for head in range(len(fits)):
        without = run.under(Edit(layers=(0,), heads=(head,), queries="pooled"))
        change = intact - order_credit(without.scores, run.examples)
        lost[0, head] = Metric(**vars(mean_interval(change, run.examples.image_units, scale=GAP)))
    (_, head), _ = choose(lost, {(0, head): fit["slope"] for head, fit in enumerate(fits)})
    return head, fits


def choose(order_lost: Mapping[Place, Metric], slopes: Mapping[Place, float]) -> tuple[Place, str]:
    """The headline head and why, from the order that each head's removal costs, and its slope."""
    lost = {h: s for h, s in order_lost.items() if s.low is not None and s.low > 0}
    if lost:
        best = max(lost, key=lambda head: lost[head].value)  # type: ignore[arg-type, return-value]
        return best, "its removal costs most order"
    steepest = max(slopes, key=lambda head: abs(slopes[head]))
    if all(lost.low is None for lost in order_lost.values()):
        return steepest, "the largest |slope|: the order lost has no interval"
    return steepest, "the largest |slope|: no head's removal costs order beyond its interval"
