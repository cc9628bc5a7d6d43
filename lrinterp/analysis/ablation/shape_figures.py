"""The controls of shape as a reader sees them: courses over the row, doses, heads exchanged."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from lrinterp.analysis.ablation.controls import by_dose
from lrinterp.charts import bars, lines, reference
from lrinterp.result import Figure, Metric
from lrinterp.wording import head_name

if TYPE_CHECKING:
    from lrinterp.analysis.ablation.term_ablation import TermAblation

__all__ = ["COURSES", "doses_figure", "exchange_figure", "shape_figure"]

TIMES = "key-position multiplied by"
"""Across the figure of doses."""
COURSES = {
    "order_intact": "intact",
    "order_reversed": "reversed, left for right",
    "order_linear_only": "straight line only",
    "order_residual_only": "residual of the line",
    "order_residual_rescaled": "residual of the line, rescaled",
    "order_placebo": "random row subtracted",
    "order_without_key_position": "removed",
    "order_exchanged": "object attention exchanged",
    "order_equalised": "object attention equalised",
}
"""What becomes of key-position, or of the attention that it makes, by summary key."""


def shape_figure(result: "TermAblation") -> Figure:
    """Order under each course of key-position over the row, beside what algebra predicts."""
    table = pd.DataFrame(list(shape_rows(result)))
    shown = table[["key-position", "order accuracy", "low", "high"]]
    told = (
        " In one layer some rows are algebra, and the table says what it predicts: reversing "
        "shows the mirror image, exchanging about the swapped picture, equalising a bag of objects."
        if result.layers == 1
        else " In several layers nothing here is algebra."
    )
    return Figure(
        key="shape",
        title="Is it the slope that carries order, or any difference between positions?",
        how_to_read="Each bar is order accuracy with key-position of all layers changed as the "
        "label says, with its 95 % interval. If the slope carries order the straight line alone "
        "keeps it, its residual (rescaled: at the size of the term) does not, and reversal turns "
        "it round; "
        f"{result.chance:.2g} is chance." + told,
        plot=reference(bars(shown, x="order accuracy", y="key-position"), result.chance, "chance"),
        table=table,
    )


def shape_rows(result: "TermAblation") -> Iterator[dict[str, Any]]:
    """One row a control: measured order, prediction and gap."""
    for key, words in COURSES.items():
        order = result.order(*result.named[key])
        gap = result.gaps.get(f"{key}_gap")
        if order.value is None:
            continue
        row = {"key-position": words, "key": key, **order.plain()}
        row["order accuracy"] = row.pop("value")
        row["predicted"] = None if gap is None else order.value - gap.value  # type: ignore[operator]
        row |= {f"gap_{k}": getattr(gap, k, None) for k in ("value", "low", "high")}
        yield row


def doses_figure(result: "TermAblation") -> Figure:
    """Order with key-position multiplied by a number."""
    rows = []
    for dose, values in by_dose(result.credits, result.doses):
        order = result.order(result.doses[dose])
        rows.append({TIMES: dose, **order.plain(), "draws": len(values)})
    table = pd.DataFrame(rows).rename(columns={"value": "order accuracy"})
    shown = table[[TIMES, "order accuracy", "low", "high"]]
    return Figure(
        key="doses",
        title="Order accuracy with more or less of key-position",
        how_to_read="Across, the number that key-position is multiplied with in all layers (1: "
        "intact, 0: removed, -1: turned round); up, order accuracy with its 95 % interval. Where "
        "key-position does not matter the line is flat; "
        f"{result.chance:.2g} is chance.",
        plot=reference(
            lines(shown, x=TIMES, y="order accuracy"),
            result.chance,
            "chance",
        ),
        table=table,
    )


def exchange_figure(lost: Mapping[tuple[int, int], Metric]) -> Figure:
    """Order lost when one head exchanges the attention that it gives to the objects."""
    rows = [{"head": head_name(*place), **metric.plain()} for place, metric in lost.items()]
    table = pd.DataFrame(rows).sort_values("value", ascending=False)
    return Figure(
        key="exchanged",
        title="Order lost when one head's attention to the objects changes places",
        how_to_read="Each bar is intact minus ablated order on the same pictures, with its paired "
        "95 % interval, when the weights that one head gives to the objects are exchanged after "
        "the softmax; a head that plays no part is at 0.",
        plot=bars(table.rename(columns={"value": "order lost"}), x="order lost", y="head"),
        table=table,
    )
