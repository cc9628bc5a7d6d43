"""What the text tower does with the object named first, and how alike both towers embed a label."""

from collections.abc import Mapping

import pandas as pd

from lrinterp.charts import bars, reference
from lrinterp.experiment.numbers import ORDER
from lrinterp.experiment.section import Section, captioned
from lrinterp.reproduction.claim_statistics import Found, over_seeds
from lrinterp.reproduction.measured_models import Measures, named
from lrinterp.result import Figure, Metric, records
from lrinterp.stats import COSINE, SHARE

__all__ = ["NUMBERS", "rotation", "text_heads"]

HEADS = {
    "order_bias.first_head_difference": ["attention, first minus second"],
    "order_bias.first_head_consistency": ["share of captions, first over second"],
}
HEAD_ARMS = ("standard", "both_1", "both_2", "shuffled", "untrained")
HEAD_KEYS = ("first_difference", "first_consistency", "order_both_1", "order_both_2")
ORDER_ARMS = ("standard", "both_1", "both_2")
ROTATION_KEYS = ("rotation_raw", "rotation_aligned", "rotation_gained")
SITES = {"W_E": "token embeddings (W_E)", "value_path": "through the values to the output"}
KINDS = {
    "raw_centred_cosine": "centred, not rotated",
    "aligned_cosine": "rotated",
    "shuffled_mean": "rotated, labels of the fit shuffled",
}
COSINES = {
    f"procrustes.{key}_{name}": (site, words)
    for key, site in SITES.items()
    for name, words in KINDS.items()
}
NUMBERS = (*HEADS, *COSINES)


def text_heads(measures: Measures, found: Mapping[str, Found]) -> Section:
    """The head that prefers the first mention, by arm; order with both templates."""
    table = measures.long(HEADS, ["measure"])
    orders = measures.long({ORDER: ()}, [], ORDER_ARMS)
    numbers = {key: found[key].metric for key in HEAD_KEYS}
    heads = measures.sample("order_bias.first_head_difference", "caption")
    models = measures.sample(ORDER, "picture")
    return Section(
        name="text_heads",
        question="Does a text head look at the object named first, and when is that not enough?",
        finding="In standard models the head that prefers the first mention most, chosen on "
        f"captions of trained labels, gives it {numbers['first_difference'].phrase} more of "
        "[EOT]'s attention than the second on captions of held-out labels, and more of it in a "
        f"share of {numbers['first_consistency'].phrase} of them. Trained on both templates order "
        f"is {numbers['order_both_1'].phrase} with one text layer and "
        f"{numbers['order_both_2'].phrase} with two.",
        caveats=(
            "Among several heads one always prefers the first mention more than the others: "
            "compare with the untrained models. It is chosen on captions of trained labels and "
            "measured on those of held-out ones. Models in which no head prefers the first are "
            "left out, and an arm may have fewer seeds for it.",
            "With two text layers the second reads mixtures of words, not words.",
        ),
        metrics=numbers,
        table=table,
        drawn=(
            *([drawn_heads(table, heads)] if table["arm"].isin(HEAD_ARMS).any() else []),
            *([drawn_orders(orders, models)] if len(orders) else []),
        ),
    )


def drawn_heads(table: pd.DataFrame, sample: str) -> Figure:
    """The preference for the first mention, by arm."""
    means = over_seeds(named(table, HEAD_ARMS), ["measure", "arm"], scale=COSINE)
    own = records(means[means["arm"] == "standard"])
    said = [f"{row['measure']} {Metric.of(row).phrase} in standard models" for row in own]
    shown = means.rename(columns={"value": "mean", "n": "seeds"})
    return captioned(
        Figure(
            key="heads",
            title="The text head that prefers the object named first",
            how_to_read="Each dot is the mean over seeds, with its 95 % interval, of the head's "
            "attention from [EOT] to the first mention less that to the second, and of the share "
            f"of captions in which the first gets more (standard models: {sample}, of held-out "
            "labels); without a preference they are 0 and 0.5.",
            plot=bars(shown, x="mean", y="arm", facet="measure", mark="dot"),
            table=shown,
        ),
        expected="a large difference, the same in all captions, in models that learn order",
        came="; ".join(said) or "not measured",
    )


def drawn_orders(orders: pd.DataFrame, sample: str) -> Figure:
    """Order by templates and text layers."""
    means = over_seeds(named(orders, ORDER_ARMS), ["arm"], scale=SHARE)
    shown = means.rename(columns={"value": "order", "n": "seeds"})
    return captioned(
        Figure(
            key="orders",
            title="Order on held-out pairs with one template and with both",
            how_to_read="Each dot is the mean order over seeds with its 95 % interval "
            f"({sample}); 0.5 is chance.",
            plot=reference(bars(shown, x="order", y="arm", mark="dot"), 0.5, "chance"),
            table=shown,
        ),
        expected="chance with both templates and one text layer, high order with two",
        came=", ".join(f"{Metric.of(row).phrase} ({row['arm']})" for row in records(means)),
    )


def rotation(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Cosines of held-out labels before and after one rotation of text onto image, by site."""
    table = measures.long(COSINES, ["site", "cosine"], ("standard", "untrained"))
    numbers = {key: found[key].metric for key in ROTATION_KEYS}
    sample = measures.sample("procrustes.W_E_aligned_cosine", "held-out label")
    return Section(
        name="rotation",
        question="Do image and text embed a label alike, up to a rotation?",
        finding="Token embeddings of held-out labels have a cosine of "
        f"{numbers['rotation_raw'].phrase} between the towers as they stand, "
        f"{numbers['rotation_aligned'].phrase} after the rotation fitted on trained labels; "
        f"{numbers['rotation_gained'].phrase} of it is lost where the labels of the fit are "
        "shuffled.",
        caveats=(
            "The trained labels fix a rotation in one dimension fewer than they are; the rest is "
            "left out, and what a held-out label has there cannot be aligned. Labels are centred "
            "on the trained ones. The untrained models have the same fit and no reason to align.",
        ),
        metrics=numbers,
        table=table,
        drawn=(drawn_cosines(table, sample),) if len(table) else (),
    )


def drawn_cosines(table: pd.DataFrame, sample: str) -> Figure:
    """Cosines before and after, a panel a site."""
    labelled = named(table)
    both = labelled.assign(labels=labelled["cosine"] + ", " + labelled["arm"])
    means = over_seeds(both, ["site", "labels"], scale=COSINE)
    own = records(means[means["labels"].str.endswith("standard")])
    shown = means.rename(columns={"value": "mean cosine", "n": "seeds"})
    plot = bars(shown, x="mean cosine", y="labels", facet="site", mark="dot")
    return captioned(
        Figure(
            key="cosines",
            title="Cosine of image and text embedding of a held-out label",
            how_to_read="Each dot is the mean over seeds of the cosine between the two towers, "
            f"averaged over labels, with its 95 % interval ({sample}); 0 is no agreement.",
            plot=reference(plot, 0.0, "no agreement"),
            table=shown,
        ),
        expected="near 0 as they stand, clearly more after the rotation, near 0 where labels are "
        "shuffled",
        came=", ".join(f"{Metric.of(r).phrase} ({r['site']}, {r['labels']})" for r in own),
    )
