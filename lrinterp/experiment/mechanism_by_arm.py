"""Is the mechanism the same in all models: by key-position, with a gradient along the row?"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lrinterp.charts import bars, reference, scatter, value_range
from lrinterp.experiment.accuracies import chance_of
from lrinterp.experiment.contrasts import grid_means
from lrinterp.experiment.numbers import LARGEST_SLOPE, ORDER, factor_words, seeds_words, without
from lrinterp.experiment.section import Section
from lrinterp.experiment.study import Study
from lrinterp.grades import BAND
from lrinterp.result import Figure, Metric, Result, Skipped, records

__all__ = ["APART", "REMOVED", "mechanism_by_arm"]

QUESTION = "Do all models tell left from right by the same mechanism?"
REMOVED, LABELS = without("key_position"), without("key_position", "label_set_closed")
MEASURES = {
    ORDER: "order, intact",
    **{without(term): f"order without {term}" for term in ("EP", "PP", "bP")},
    REMOVED: "order without key-position",
    LABELS: "object-set accuracy without key-position",
}
HEAD = "positional_gradient.headline_head"
APART = {
    "deviation": "distance from chance without key-position",
    "outside": f"models over {BAND:g} from chance without key-position",
}
"""What a mean over models hides: deviations that cancel."""
SPOKEN = (MEASURES[ORDER], MEASURES[REMOVED], *APART.values(), MEASURES[LABELS])
GRADIENTS = {
    "positional_gradient.headline_span": "span of the headline gradient (logits)",
    LARGEST_SLOPE: "largest slope (logits per pixel)",
}
UNNORMED = "No convention can change that."
NORMED = (
    "In models with LayerNorm, whose scale differs by key, even key-position as a whole depends on "
    "the gauge."
)


def mechanism_by_arm(study: Study, table: pd.DataFrame) -> Result:
    """Ablations averaged over the grid, and gradient against order model by model.

    Skipped where no model has them, as where attention cannot be decomposed.
    """
    known = [one for one in (*MEASURES, *GRADIENTS) if one in table and table[one].notna().any()]
    if not set(known) - {ORDER}:
        reason = "no model has ablations or gradients"
        return Skipped(skipped="mechanism", asked=QUESTION, reason=reason)
    chance = chance_of(table)
    means = grid_means(study, with_deviations(table, chance), MEASURES | APART, [])
    spoken = records(means[means["measure"].isin(SPOKEN)])
    norms = table.get("encoder.normalization", pd.Series(dtype=object))
    gradient = next((name for name in GRADIENTS if name in known and ORDER in known), "")
    return Section(
        name="mechanism",
        question=QUESTION,
        finding=" ".join(
            said(arm, [row for row in spoken if row["arm"] == arm])
            for arm in means["arm"].drop_duplicates()
        ),
        caveats=(
            "EP, PP and bP are set to zero in the raw gauge, to compare with the paper: how "
            "key-position splits into them is fixed by the scales of initialisation and decay, not "
            "by what a model computes. Key-position as a whole is flattened: its mean over pixels "
            f"takes its place. {NORMED if (norms == 'LN').any() else UNNORMED}",
            "The headline head is the one whose key-position costs most order when removed. Over "
            "models with different recipes a gradient and order may go together without one "
            "making the other: the ablation shows causes, the cloud does not.",
            "A mean near chance may hide models above and below it, so the mean distance from "
            f"chance is shown too, and the share of models further than {BAND:g} from it.",
            "Intervals are 95 %, over seeds that are complete in every cell. Object-set accuracy "
            "is that with closed candidates.",
        ),
        metrics={f"{row['measure']}, {row['arm']}": Metric.of(row) for row in spoken},
        table=means,
        drawn=(ablated(means, chance), *cloud(study, table, gradient, chance)),
    )


def with_deviations(table: pd.DataFrame, chance: float | None) -> pd.DataFrame:
    """The models with how far order lies from chance without key-position, up or down."""
    if chance is None or REMOVED not in table:
        return table
    away = (table[REMOVED].astype(float) - chance).abs()
    outside = (away > BAND).astype(float).where(away.notna())
    return table.assign(deviation=away, outside=outside)


def said(arm: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The numbers of an arm in a sentence."""
    known = [row for row in rows if row["value"] is not None]
    parts = ", ".join(f"{row['measure']} {Metric.of(row).phrase}" for row in known)
    return f"Arm {arm}, mean over the grid: {parts or 'no seed is complete'}."


def ablated(means: pd.DataFrame, chance: float | None) -> Figure:
    """Accuracies intact and after each ablation, a panel an arm."""
    across = "share of pictures right"
    shown = means[~means["measure"].isin(APART.values())]
    shown = shown.rename(columns={"value": across, "n": "seeds"})
    intact, wide = MEASURES[ORDER], (0.0, 1.05)
    plot = bars(shown, x=across, y="measure", facet="arm", highlight=intact, x_range=wide)
    words = "" if chance is None else f" The chance level of swap accuracy is {chance:.2g}."
    return Figure(
        key="ablations",
        title="Accuracy on held-out pairs, intact and without terms of the attention score",
        how_to_read="Each bar is a mean over all cells of the grid with its 95 % interval over "
        f"{seeds_words(means['n'].tolist())}; a term that order does not need leaves its bar as "
        f"long as the intact one.{words}",
        plot=plot if chance is None else reference(plot, chance, "chance of swap accuracy"),
        table=means,
    )


def cloud(
    study: Study, table: pd.DataFrame, gradient: str, chance: float | None
) -> tuple[Figure, ...]:
    """The gradient of every model beside its order: span of the headline head, or largest slope."""
    if not gradient:
        return ()
    columns = ["model", "arm", *study.factors, "seed", HEAD, gradient, ORDER]
    models = table.reindex(columns=columns).dropna(subset=[gradient, ORDER])
    across, up = GRADIENTS[gradient], "swap accuracy on held-out pairs"
    words = {str(name): factor_words(str(name)) for name in models}
    shown = models.rename(columns={**words, gradient: across, ORDER: up})
    wide = value_range(shown, across)
    plot = scatter(shown, x=across, y=up, facet="arm", x_range=wide, small=True)
    figure = Figure(
        key="gradient",
        title="Gradient along the row and swap accuracy, model by model",
        how_to_read=f"Each point is one model. Across: {across}, of the pooled token's score for "
        "a pixel by its position (canonical key-position); up: share of held-out pairs whose true "
        "caption beats its swap.",
        plot=plot if chance is None else reference(plot, chance, "chance"),
        table=models,
    )
    return (figure,)
