"""The text tower: a head that looks at the object named first, and what both templates do to it."""

from collections.abc import Mapping

import pandas as pd

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.section import Drawing, Section
from lrinterp.reproduction.statistics import Found
from lrinterp.reproduction.tables import named, over_seeds
from lrinterp.result import Metric, records
from lrinterp.stats import COSINE, SHARE

__all__ = ["text_heads"]

KEYS = ("first_difference", "first_consistency", "order_both_1", "order_both_2")
MEASURED = {
    "first_head_difference": "attention, first minus second",
    "first_head_consistency": "share of captions, first over second",
}
NUMBERS = tuple(f"order_bias.{key}" for key in MEASURED)
ARMS = ("standard", "both_1", "both_2", "shuffled", "untrained")


def text_heads(measures: Measures, found: Mapping[str, Found]) -> Section:
    """The head that prefers the first mention, by arm; order with both templates."""
    table = first_heads(measures)
    orders = order_rows(measures)
    numbers = {key: found[key].metric for key in KEYS}
    return Section(
        name="text_heads",
        question="Does a text head look at the object named first, and when is that not enough?",
        found=(
            "In standard models the head that prefers the first mention most, chosen on captions "
            f"of trained labels, gives it {numbers['first_difference'].phrase} more of [EOT]'s "
            "attention than the second on captions of held-out labels, and more of it in a share "
            f"of {numbers['first_consistency'].phrase} of them. Trained on both templates order is "
            f"{numbers['order_both_1'].phrase} with one text layer and "
            f"{numbers['order_both_2'].phrase} with two."
        ),
        notes=(
            "Among several heads one always prefers the first mention more than the others: "
            "compare with the untrained models. It is chosen on captions of trained labels and "
            "measured on those of held-out ones. Models in which no head prefers the first are "
            "left out, and an arm may have fewer seeds for it.",
            "With two text layers the second reads mixtures of words, not words.",
        ),
        numbers=numbers,
        table=table,
        drawings=drawings(measures, table, orders),
    )


def drawings(measures: Measures, table: pd.DataFrame, orders: pd.DataFrame) -> tuple[Drawing, ...]:
    """Those that have something to show."""
    heads = measures.sample("order_bias.first_head_difference", "caption")
    models = measures.sample("accuracy.unseen_pair_order", "picture")
    made = (drawn_heads(table, heads), drawn_orders(orders, models))
    return tuple(drawing for drawing in made if len(drawing.table))


def first_heads(measures: Measures) -> pd.DataFrame:
    """One row for each model: the difference and the consistency of its first-mention head."""
    rows = [
        {"arm": arm, "seed": int(str(seed)), "measure": measure, "value": value}
        for arm in measures.arms
        for key, measure in MEASURED.items()
        for seed, value in measures.number(arm, f"order_bias.{key}").items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "measure", "value"])


def order_rows(measures: Measures) -> pd.DataFrame:
    """Order of every model."""
    rows = [
        {"arm": arm, "seed": int(str(seed)), "value": value}
        for arm in ("standard", "both_1", "both_2")
        for seed, value in measures.number(arm, "accuracy.unseen_pair_order").items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "value"])


def drawn_heads(table: pd.DataFrame, sample: str) -> Drawing:
    means = over_seeds(named(table, ARMS), ["measure", "arm"], scale=COSINE)
    own = records(means[means["arm"] == "standard"])
    return Drawing(
        key="heads",
        title="The text head that prefers the object named first",
        how_to_read="Each dot is the mean over seeds, with its 95 % interval, of the head's "
        "attention from [EOT] to the first mention less that to the second, and of the share of "
        f"captions in which the first gets more (standard models: {sample}, of held-out labels); "
        "without a preference they are 0 and 0.5.",
        expected="a large difference, the same in all captions, in models that learn order",
        came="; ".join(
            f"{row['measure']} {Metric.of(row).phrase} in standard models" for row in own
        )
        or "not measured",
        kind="bars",
        table=means.rename(columns={"value": "mean", "n": "seeds"}),
        options={"x": "mean", "y": "arm", "facet": "measure", "mark": "dot"},
    )


def drawn_orders(orders: pd.DataFrame, sample: str) -> Drawing:
    means = over_seeds(named(orders, ("standard", "both_1", "both_2")), ["arm"], scale=SHARE)
    return Drawing(
        key="orders",
        title="Order on held-out pairs with one template and with both",
        how_to_read="Each dot is the mean order over seeds with its 95 % interval "
        f"({sample}); 0.5 is chance.",
        expected="chance with both templates and one text layer, high order with two",
        came=", ".join(f"{Metric.of(r).phrase} ({r['arm']})" for r in records(means)),
        kind="bars",
        table=means.rename(columns={"value": "order", "n": "seeds"}),
        options={"x": "order", "y": "arm", "mark": "dot"},
        reference=(0.5, "chance"),
    )
