"""What models are made of: what ablations cost, what makes the margin, how alike labels lie."""

from collections.abc import Mapping

import pandas as pd

from lrinterp.charts import bars, heatmap, reference
from lrinterp.experiment.numbers import ORDER
from lrinterp.experiment.section import Section, captioned
from lrinterp.reproduction.claim_statistics import Found, blanked, over_seeds, told_apart
from lrinterp.reproduction.measured_models import Measures, in_arm_order
from lrinterp.result import Figure, Metric, records
from lrinterp.stats import COSINE, SHARE
from lrinterp.wording import plain_number

__all__ = ["NUMBERS", "SHOWN", "ablations", "attribution", "rotation"]

SHOWN = {
    "intact": "intact",
    "without EP": "without_EP",
    "without PE": "without_PE",
    "without PP": "without_PP",
    "without bP": "without_bP",
    "without VP": "without_VP",
    "without EP and VP": "without_EP_VP",
    "without key-position": "without_key_position",
    "norm-matched random control": "placebo",
    "key-position alone": "key_position_only",
    "key-position and where objects are": "key_position_and_objects",
}
"""The ablations that are shown, as keys of `term_ablation` end."""
MEASURED = {"order": "order", "object-set accuracy (closed)": "label_set_closed"}
ABLATED = {
    f"term_ablation.{key}_{end}": (words, measure)
    for measure, key in MEASURED.items()
    for words, end in SHOWN.items()
}
RANKS = {
    "similarity_attribution.spearman_margin_gain": ["all pictures"],
    "similarity_attribution.spearman_within_pairs": ["within label pairs"],
    "similarity_attribution.spearman_within_null": [
        "within label pairs, margins shuffled (95 % end)"
    ],
}
COSINES = {
    f"procrustes.{site}_{cosine}": words
    for site, where in (
        ("W_E", "token embeddings (W_E)"),
        ("value_path", "through the values to the output"),
    )
    for cosine, words in (
        ("raw_centred_cosine", (where, "centred, not rotated")),
        ("aligned_cosine", (where, "rotated")),
        ("shuffled_mean", (where, "rotated, labels of the fit shuffled")),
    )
}
NUMBERS = (*ABLATED, *RANKS, *COSINES)
ABLATED_ARMS = ("standard", "both_1", "shuffled", "untrained")
RANKED_ARMS = ("standard", "few", "both_2", "both_1", "untrained")
KEYS = (
    "without_EP", "lost_PE", "lost_PP", "lost_bP", "label_set_EP", "label_set_key_position",
    "without_EP_VP", "lost_VP", "lost_only",
)  # fmt: skip
GUESS = {
    "order": "0.5 is chance",
    "object-set accuracy (closed)": "a guess is right for one object set of all",
}
EXPECTED = {
    "order": "chance without EP and without key-position, near the intact bar without PE or PP, "
    "somewhat less without bP, and no gain from any of it in the controls",
    "object-set accuracy (closed)": "no loss without EP or key-position",
}


def ablations(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Every ablation of all image heads, with its controls: both accuracies of every arm."""
    table = measures.long(ABLATED, ["ablation", "measure"])
    means = over_seeds(
        in_arm_order(table, ABLATED_ARMS), ["arm", "measure", "ablation"], scale=SHARE
    )
    own = records(means[means["arm"] == "standard"])
    said = {(row["measure"], row["ablation"]): Metric.of(row).phrase for row in own}

    def phrase(ablation: str, measure: str = "order") -> str:
        return said.get((measure, ablation), "not measured")

    return Section(
        name="ablations",
        question="What is lost without the terms of the attention scores?",
        finding=f"Standard models have a swap accuracy of {phrase('intact')} intact, "
        f"{phrase('without EP')} with EP set to zero, {phrase('without key-position')} without "
        f"key-position, {phrase('norm-matched random control')} under a norm-matched random "
        f"control and {phrase('key-position alone')} with key-position alone; their object-set "
        "accuracy without key-position is "
        f"{phrase('without key-position', 'object-set accuracy (closed)')}.",
        caveats=(
            "Ablations edit the scores of the CLS row in all heads of the image tower, before the "
            "softmax. EP, PE, PP, bP are set to zero in the raw weights, as in the paper; "
            "key-position is flattened over pixels, which no choice of gauge can change; VP is "
            "the position part of the values, centred over pixels.",
            "The norm-matched random control subtracts a random row of the same norm, orthogonal "
            "to key-position: its loss is that of any such disturbance.",
            "Key-position alone flattens all other terms: the model then no longer tells objects "
            "from empty pixels. In the last row it still does, and knows nothing else of them; "
            "this row shows why key-position alone does not suffice, and decides no claim.",
            "With shuffled captions each training picture has the caption of another one: the "
            "model can memorise and has nothing to generalise.",
        ),
        metrics={key: found[key].metric for key in KEYS},
        table=table,
        drawn=tuple(ablation_figure(means, measures.sample(ORDER, "picture"), m) for m in MEASURED),
    )


def ablation_figure(means: pd.DataFrame, sample: str, measure: str) -> Figure:
    """Swap accuracy or object-set accuracy after each ablation, a panel an arm."""
    words = "swap accuracy" if measure == "order" else measure
    own = means[means["measure"] == measure].drop(columns="measure")
    table = own.rename(columns={"value": words, "n": "seeds"})
    standard = records(table[table["arm"] == "standard"])
    said = ", ".join(f"{row[words]:.2f} {row['ablation']}" for row in standard)
    plot = bars(table, x=words, y="ablation", facet="arm", mark="dot", highlight="intact")
    return captioned(
        Figure(
            key=MEASURED[measure].split("_")[0],
            title=f"{words[:1].upper()}{words[1:]} on held-out pairs after each ablation",
            how_to_read="Each dot is the mean over seeds of the share of pictures right, with its "
            f"95 % interval ({sample}); a term that is not needed leaves its dot where the intact "
            f"one is; {GUESS[measure]}.",
            plot=reference(plot, 0.5, "chance") if measure == "order" else plot,
            table=table,
        ),
        expected=EXPECTED[measure],
        observed=f"in standard models {said or 'nothing measured'}",
    )


def attribution(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Contributions to the image margin of standard models; gain against margin in all arms."""
    ranks = measures.long(RANKS, ["pictures"], RANKED_ARMS)
    parts = direct_parts(measures.tables["similarity_attribution"])
    sample = measures.sample("similarity_attribution.spearman_margin_gain", "picture")
    numbers = {key: found[key].metric for key in ("margin_gain", "margin_gain_within")}
    return Section(
        name="attribution",
        question="What makes the margin, and does attention predict it picture by picture?",
        finding="In standard models the rank correlation over pictures between the image margin "
        "and the attention that the preferred object gains, in the head whose key-position moves "
        f"the margin most, is {numbers['margin_gain'].phrase}, and within label pairs "
        f"{numbers['margin_gain_within'].phrase}.",
        caveats=(
            "The margin is the cosine of a picture with its true caption minus that with the "
            "swapped one. Contributions hold attention and the length of the embedding, and add up "
            "to the margin; heads are added up, because their numbers mean nothing across seeds.",
            "The gain counts towards the side that the head prefers. Over all pictures labels "
            "alone can make margin and gain go together; within a label pair only the layout "
            "differs.",
        ),
        metrics=numbers,
        table=ranks,
        drawn=(
            *([drawn_parts(parts, sample)] if len(parts) else []),
            *([drawn_ranks(ranks, sample)] if len(ranks) else []),
        ),
    )


def direct_parts(cells: pd.DataFrame) -> pd.DataFrame:
    """Direct contributions to the image margin, heads added up, by seed, role and part."""
    own = (cells["arm"] == "standard") & (cells["encoder"] == "image") & (cells["kind"] == "direct")
    return cells[own].groupby(["seed", "role", "part"], sort=False)["value"].sum().reset_index()


def drawn_parts(parts: pd.DataFrame, sample: str) -> Figure:
    """What each part of the values adds to the margin, by where it is read."""
    means = told_apart(parts, ["role", "part"])
    table, words = blanked(means)
    table = table.rename(columns={"value": "contribution (cosine)", "n": "seeds"})
    first = means.iloc[means["value"].abs().argmax()]
    return captioned(
        Figure(
            key="parts",
            title="Contributions to the image margin, standard models, all heads together",
            how_to_read="Each cell is the mean over seeds of what one part of the values read at "
            f"one place adds to the margin, as a difference of cosines ({sample}); {words}.",
            plot=heatmap(table, x="part", y="role", z="contribution (cosine)"),
            table=table,
        ),
        expected="the tokens of the two objects make the margin, one pulling, one pushing",
        observed=f"the largest is {first['part']} at {first['role']}, "
        f"{plain_number(first['value'])}",
    )


def drawn_ranks(ranks: pd.DataFrame, sample: str) -> Figure:
    """How closely the margin follows the attention gained, a panel an arm."""
    means = over_seeds(in_arm_order(ranks, RANKED_ARMS), ["arm", "pictures"], scale=COSINE)
    own = records(means[means["arm"] == "standard"])
    table = means.rename(columns={"value": "rank correlation", "n": "seeds"})
    plot = bars(table, x="rank correlation", y="pictures", facet="arm", mark="dot")
    return captioned(
        Figure(
            key="ranks",
            title="Rank correlation of the margin and the attention gained, over pictures",
            how_to_read="Each dot is the mean over seeds of Spearman's rank correlation, with its "
            f"95 % interval ({sample}); without a relation it lies at 0.",
            plot=reference(plot, 0.0, "none"),
            table=table,
        ),
        expected="at least 0.5 where order is learnt, none in the controls",
        observed=", ".join(f"{Metric.of(r).phrase} ({r['pictures']})" for r in own)
        or "not measured",
    )


def rotation(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Cosines of held-out labels before and after one rotation of text onto image, by site."""
    table = measures.long(COSINES, ["site", "cosine"], ("standard", "untrained"))
    keys = ("rotation_raw", "rotation_aligned", "rotation_gained")
    numbers = {key: found[key].metric for key in keys}
    sample = measures.sample("procrustes.W_E_aligned_cosine", "held-out label")
    return Section(
        name="rotation",
        question="Do image and text embed a label alike, up to a rotation?",
        finding="Token embeddings of held-out labels have a cosine of "
        f"{numbers['rotation_raw'].phrase} between the towers without rotation, "
        f"{numbers['rotation_aligned'].phrase} after the rotation fitted on trained labels; "
        f"{numbers['rotation_gained'].phrase} of it is lost where the labels of the fit are "
        "shuffled.",
        caveats=(
            "The trained labels fix a rotation in one dimension fewer than they are; the rest is "
            "left out, and what a held-out label has there cannot be aligned. Labels are centred "
            "on the trained ones. The untrained models have the same fit and are not expected to "
            "align.",
        ),
        metrics=numbers,
        table=table,
        drawn=(drawn_cosines(table, sample),) if len(table) else (),
    )


def drawn_cosines(table: pd.DataFrame, sample: str) -> Figure:
    """Cosines before and after, a panel a site."""
    labelled = in_arm_order(table)
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
        expected="near 0 without rotation, clearly more after the rotation, near 0 where labels "
        "are shuffled",
        observed=", ".join(f"{Metric.of(r).phrase} ({r['site']}, {r['labels']})" for r in own),
    )
