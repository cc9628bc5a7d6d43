"""The head of the image tower that order needs most, and the fits of all heads."""

from typing import Any

from lrinterp.analysis.ablation_bench import Bench, Row
from lrinterp.analysis.gradient_fit import WHOLE, fit_row, positional_rows
from lrinterp.analysis.positional_gradient import choose
from lrinterp.decomposition import KEY_POSITION
from lrinterp.result import Scalar
from lrinterp.stats import mean_interval

__all__ = ["headline"]


def headline(bench: Bench) -> tuple[int, list[dict[str, Any]]]:
    """The headline head as `positional_gradient` chooses it, and the fit of every head's row.

    Rows are those of canonical key-position. Cost: an ablation a head, and nothing else of
    `term_ablation`. The image tower must be one that can be decomposed.
    """
    tower, examples = bench.model.towers["image"], bench.examples
    rows = positional_rows(tower, bench.inputs["image"], examples.occurs["image"])
    fits = [fit_row(row) for row in rows["canonical", WHOLE]]
    intact = bench.measure(Row())["order", "pair"][0]
    lost = {}
    for head in range(len(fits)):
        without = Row(terms=KEY_POSITION, kind="flatten", heads=(head,))
        change = intact - bench.measure(without)["order", "pair"][0]
        lost[head] = Scalar(**vars(mean_interval(change, examples.image_label_set)))
    head, _ = choose(lost, [fit["slope"] for fit in fits])
    return head, fits
