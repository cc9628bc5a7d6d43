"""Is the mechanism the same in all models: by key-position, with a gradient along the row?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import pandas as pd

from lrinterp.charts import bars, reference, scatter, value_range
from lrinterp.experiment.by_set import chance_of
from lrinterp.experiment.contrasts import grid_means
from lrinterp.experiment.design import Study
from lrinterp.experiment.naming import factor_words, seeds_words
from lrinterp.experiment.numbers import LARGEST_SLOPE, ORDER, without
from lrinterp.grades import BAND
from lrinterp.result import Figure, Metric, NotApplicable, Result, records

__all__ = ["Mechanism", "mechanism"]

REMOVED = without("key_position")
MEASURES = {
    ORDER: "order, intact",
    **{without(term): f"order without {term}" for term in ("EP", "PP", "bP")},
    REMOVED: "order without key-position",
    without("key_position", "label_set_closed"): "label set without key-position",
}
HEAD = "positional_gradient.headline_head"
APART = {
    "deviation": "distance from chance without key-position",
    "outside": f"models over {BAND:g} from chance without key-position",
}
"""What a mean over models hides: deviations that cancel."""
GRADIENTS = {
    "positional_gradient.headline_span": "span of the headline gradient (logits)",
    LARGEST_SLOPE: "largest slope (logits per pixel)",
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Mechanism(Result):
    """Ablations averaged over the grid, and gradient against order model by model."""

    name: ClassVar[str] = "mechanism"
    question: ClassVar[str] = "Do all models tell left from right by the same mechanism?"

    table: pd.DataFrame
    """By arm and measure: mean over the grid, low, high, n (seeds)."""
    models: pd.DataFrame
    """One row a model: arm, factors, seed, headline head, gradient, order."""
    normed: bool
    """Has any model LayerNorm?"""
    gradient: str
    """The column of the gradient: the span of the headline head, or the largest slope."""
    chance: float | None

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Order intact and without key-position, and the label set without it, by arm."""
        rows = [row for row in records(self.table) if row["measure"] in SPOKEN]
        return {f"{row['measure']}, {row['arm']}": Metric.of(row) for row in rows}

    @property
    def finding(self) -> str:
        """The numbers of the summary, by arm."""
        arms = self.table.groupby("arm", sort=False)
        return " ".join(f"Arm {arm}, mean over the grid: {_spoken(rows)}." for arm, rows in arms)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Gauges, kinds of ablation, and what a cloud of points cannot say."""
        return (
            "EP, PP and bP are set to zero in the raw gauge, to compare with the paper: how "
            "key-position splits into them is fixed by the scales of initialisation and decay, not "
            "by what a model computes. Key-position as a whole is flattened: its mean over pixels "
            f"takes its place. {NORMED if self.normed else 'No convention can change that.'}",
            "The headline head is the one whose key-position costs most order when removed. Over "
            "models with different recipes a gradient and order may go together without one making "
            "the other: the ablation speaks of causes, the cloud does not.",
            "A mean of orders near chance may hide models above and below it: so the distance from "
            f"chance is averaged too, and the share of models further than {BAND:g} from it.",
            "Intervals are 95 %, over seeds that are complete in every cell. The label set is the "
            "one with closed candidates.",
        )

    def frame(self) -> pd.DataFrame:
        """The means."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Ablations, and the gradient of every model beside its order."""
        return (self._ablations(), *([self._cloud()] if self.gradient else []))

    def _ablations(self) -> Figure:
        shown = self.table[~self.table["measure"].isin(APART.values())]
        shown = shown.rename(columns={"value": "share of pictures right", "n": "seeds"})
        plot = bars(
            shown,
            x="share of pictures right",
            y="measure",
            facet="arm",
            highlight=INTACT,
            x_range=(0.0, 1.05),
        )
        chance = "" if self.chance is None else f" Order at chance is {self.chance:.2g}."
        if self.chance is not None:
            plot = reference(plot, self.chance, "chance of order")
        return Figure(
            key="ablations",
            title="Accuracy on held-out pairs, intact and without terms of the attention score",
            how_to_read="Each bar is a mean over all cells of the grid with its 95 % interval over "
            f"{seeds_words(self.table['n'].tolist())}; a term that order does not need leaves its "
            f"bar as long as the intact one.{chance}",
            plot=plot,
            table=self.table,
        )

    def _cloud(self) -> Figure:
        across, up = GRADIENTS[self.gradient], "order on held-out pairs"
        words = {str(name): factor_words(str(name)) for name in self.models}
        shown = self.models.rename(columns={**words, self.gradient: across, ORDER: up})
        wide = value_range(shown, across)
        plot = scatter(shown, x=across, y=up, facet="arm", x_range=wide, small=True)
        if self.chance is not None:
            plot = reference(plot, self.chance, "chance")
        return Figure(
            key="gradient",
            title="Gradient along the row and order, model by model",
            how_to_read=f"Each point is one model. Across: {across}, of the pooled token's score "
            "for a pixel by where it stands (canonical key-position); up: share of held-out pairs "
            "whose true caption beats its swap.",
            plot=plot,
            table=self.models,
        )


NORMED = (
    "In models with LayerNorm, whose scale differs by key, even key-position as a whole depends on "
    "the gauge."
)


def _spoken(rows: pd.DataFrame) -> str:
    known = rows[rows["measure"].isin(SPOKEN)].dropna(subset=["value"])
    parts = [f"{row['measure']} {Metric.of(row).phrase}" for row in records(known)]
    return ", ".join(parts) or "no seed is complete"


INTACT = MEASURES[ORDER]
SPOKEN = (
    INTACT,
    MEASURES[REMOVED],
    *APART.values(),
    MEASURES[without("key_position", "label_set_closed")],
)


def mechanism(study: Study, table: pd.DataFrame) -> Mechanism:
    """Ablations and gradients over models.

    Raises NotApplicable where no model has them, as where attention cannot be decomposed.
    """
    known = [
        name for name in (*MEASURES, *GRADIENTS) if name in table and table[name].notna().any()
    ]
    if not set(known) - {ORDER}:
        raise NotApplicable("no model has ablations or gradients")
    gradient = next((name for name in GRADIENTS if name in known and ORDER in known), "")
    columns = ["model", "arm", *study.factors, "seed", HEAD, gradient, ORDER]
    models = table.reindex(columns=[name for name in columns if name])
    chance = chance_of(table)
    return Mechanism(
        table=grid_means(study, with_deviations(table, chance), MEASURES | APART, []),
        models=models.dropna(subset=[gradient, ORDER]) if gradient else models.iloc[:0],
        normed=bool((table.get("encoder.normalization", pd.Series(dtype=object)) == "LN").any()),
        gradient=gradient,
        chance=chance,
    )


def with_deviations(table: pd.DataFrame, chance: float | None) -> pd.DataFrame:
    """The models with how far order lies from chance without key-position, up or down."""
    if chance is None or REMOVED not in table:
        return table
    away = (table[REMOVED].astype(float) - chance).abs()
    outside = (away > BAND).astype(float).where(away.notna())
    return table.assign(deviation=away, outside=outside)
