"""The head of the image tower that order needs most, and the fits of all heads of a layer."""

from collections.abc import Mapping
from typing import Any

from lrinterp.analysis.ablation.bench import Bench, Row
from lrinterp.analysis.gradient.fit import WHOLE, positional_rows
from lrinterp.analysis.gradient.plane_fit import fit_row
from lrinterp.decomposition import KEY_POSITION
from lrinterp.result import Metric
from lrinterp.stats import GAP, mean_interval

__all__ = ["Place", "choose", "headline"]

Place = tuple[int, int]
"""Layer and head."""


def headline(bench: Bench) -> tuple[int, list[dict[str, Any]]]:
    """The headline head of the first layer as `positional_gradient` chooses it, and all fits.

    Rows are those of canonical key-position. Cost: an ablation a head, and nothing else of
    `term_ablation`. The image tower must be one that reads tokens and can be decomposed.
    """
    tower, examples = bench.model.towers["image"], bench.examples
    rows = positional_rows(tower, bench.inputs["image"], examples.occurs["image"])
    fits = [fit_row(row) for row in rows["canonical", WHOLE]]
    intact = bench.measure(Row())["order", "pair"][0]
    lost = {}
    for head in range(len(fits)):
        without = Row(terms=KEY_POSITION, kind="flatten", heads=(head,))
        change = intact - bench.measure(without)["order", "pair"][0]
        lost[0, head] = Metric(**vars(mean_interval(change, examples.image_units, scale=GAP)))
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
