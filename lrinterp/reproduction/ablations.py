"""What order and label sets lose when terms of the attention scores are taken away."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.section import Drawing, Section
from lrinterp.reproduction.statistics import Found
from lrinterp.reproduction.tables import named, over_seeds
from lrinterp.result import Metric, records
from lrinterp.stats import SHARE

__all__ = ["NUMBERS", "ablations"]

SHOWN = {
    "intact": "intact",
    "without EP": "without_EP",
    "without PE": "without_PE",
    "without PP": "without_PP",
    "without bP": "without_bP",
    "without VP": "without_VP",
    "without EP and VP": "without_EP_VP",
    "without key-position": "without_key_position",
    "placebo of the same size": "placebo",
    "key-position alone": "key_position_only",
    "key-position and where objects are": "key_position_and_objects",
}
"""The ablations that are shown, as keys of `term_ablation` end."""
MEASURED = {"order": "order", "label set (closed)": "label_set_closed"}
NUMBERS = tuple(f"term_ablation.{m}_{end}" for m in MEASURED.values() for end in SHOWN.values())
ARMS = ("standard", "both_1", "shuffled", "untrained")
KEYS = (
    "without_EP", "lost_PE", "lost_PP", "lost_bP", "label_set_EP", "label_set_key_position",
    "without_EP_VP", "lost_VP", "lost_only",
)  # fmt: skip
CHANCE = 0.5
GUESS = {
    "order": "0.5 is chance",
    "label set (closed)": "a guess is right for one label set of all",
}
ORDER = "accuracy.unseen_pair_order"


def ablations(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Every ablation of all image heads, with its controls."""
    table = ablated_rows(measures)
    means = over_seeds(named(table, ARMS), ["arm", "measure", "ablation"], scale=SHARE)
    return Section(
        name="ablations",
        question="What is lost without the terms of the attention scores?",
        found=finding(means),
        notes=(
            "Ablations edit the scores of the CLS row in all heads of the image tower, before the "
            "softmax. EP, PE, PP, bP are set to zero as the weights stand, as in the paper; "
            "key-position is flattened over pixels, which no choice of gauge can change; VP is the "
            "position part of the values, centred over pixels.",
            "The placebo takes away a random row of the same size, orthogonal to key-position: "
            "what it costs is the cost of any such disturbance.",
            "Key-position alone flattens all other terms: the model then no longer tells objects "
            "from empty pixels. In the last row it still does, and knows nothing else of them; "
            "this row tests why key-position alone does not suffice, and decides no claim.",
            "With captions shuffled training gives each picture the caption of another one: the "
            "model can remember and has nothing to generalise.",
        ),
        numbers={key: found[key].metric for key in KEYS},
        table=table,
        drawings=tuple(drawn(means, measures, measure) for measure in MEASURED),
    )


def ablated_rows(measures: Measures) -> pd.DataFrame:
    """One row for each model, ablation and measure."""
    rows = [
        {"arm": arm, "seed": seed, "ablation": words, "measure": measure, "value": value}
        for arm in measures.arms
        for measure, key in MEASURED.items()
        for words, end in SHOWN.items()
        for seed, value in measures.number(arm, f"term_ablation.{key}_{end}").items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "ablation", "measure", "value"])


def drawn(means: pd.DataFrame, measures: Measures, measure: str) -> Drawing:
    own = means[means["measure"] == measure].drop(columns="measure")
    words = f"{measure} accuracy"
    table = own.rename(columns={"value": words, "n": "seeds"})
    expected = {
        "order": "chance without EP and without key-position, near the intact bar without PE or "
        "PP, somewhat less without bP, and no gain from any of it in the controls",
        "label set (closed)": "no loss without EP or key-position",
    }[measure]
    return Drawing(
        key=measure.split()[0],
        title=f"{words[:1].upper()}{words[1:]} on held-out pairs after each ablation",
        how_to_read="Each dot is the mean over seeds of the share of pictures right, with its "
        f"95 % interval ({measures.sample(ORDER, 'picture')}); a term that is not needed leaves "
        f"its dot where the intact one is; {GUESS[measure]}.",
        expected=expected,
        came="in standard models " + (", ".join(spoken(table, words)) or "nothing measured"),
        kind="bars",
        table=table,
        options={"x": words, "y": "ablation", "facet": "arm", "mark": "dot", "highlight": "intact"},
        reference=(CHANCE, "chance") if measure == "order" else None,
    )


def spoken(table: pd.DataFrame, words: str) -> Iterator[str]:
    """The ablations of standard models in words."""
    for row in records(table[table["arm"] == "standard"]):
        yield f"{row[words]:.2f} {row['ablation']}"


def finding(means: pd.DataFrame) -> str:
    """Order and label set of the standard arm, the main ablations."""
    own = means[means["arm"] == "standard"]
    return (
        f"Standard models have order {phrase(own, 'order', 'intact')} intact, "
        f"{phrase(own, 'order', 'without EP')} with EP set to zero, "
        f"{phrase(own, 'order', 'without key-position')} without key-position, "
        f"{phrase(own, 'order', 'placebo of the same size')} under a placebo of the same size and "
        f"{phrase(own, 'order', 'key-position alone')} with key-position alone; their label set "
        f"without key-position is {phrase(own, 'label set (closed)', 'without key-position')}."
    )


def phrase(means: pd.DataFrame, measure: str, ablation: str) -> str:
    """A mean with its interval."""
    here = means[(means["measure"] == measure) & (means["ablation"] == ablation)]
    rows: list[dict[str, Any]] = records(here)
    return Metric.of(rows[0]).phrase if rows else "not measured"
