"""Several checkpoints on common axes: the numbers of a summary, and figures of some analyses."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from lrinterp.analysis.ablation.ablation_figures import order_rows, removals
from lrinterp.analysis.accuracy import METRIC_WORDS, SET_WORDS
from lrinterp.charts import Chart, bars, heatmap, lines, reference
from lrinterp.decomposition import TERMS
from lrinterp.experiment.checkpoints import quantity_words
from lrinterp.result import Figure

if TYPE_CHECKING:
    from lrinterp.experiment.checkpoints.side_by_side import SideBySide

__all__ = ["AXES", "shared_axis", "side_figures", "stacked"]

AXES = {
    "geometry": (
        "(left_right|above_below|front_behind)_.*",
        "Captions that differ in their relation",
        "cosine, share or ratio, as the name says",
        "a consistency is to be held against its own null, a cosine against the others",
    ),
    "minus": (
        ".*_minus_.*",
        "Swap accuracy under one ablation minus that under another, on the same pictures",
        "difference of swap accuracies",
        "0 is no difference",
    ),
    "order": (
        "order_.*|.*_order(_left|_right)?",
        "Swap accuracy",
        "swap accuracy",
        "a guess of the order scores one over the number of orders, 0.5 for two objects",
    ),
    "captions": (
        ".*(retrieval|label_set)_.*",
        "Accuracy among many captions",
        "share of pictures right",
        "a guess scores next to 0",
    ),
    "variance": (
        ".*_key_(content|position)_share",
        "Share of the attention scores by what the inputs identify",
        "share of variance",
        "0: no contribution",
    ),
    "gain": (
        ".*_attention_gain",
        "Attention difference, right-hand minus left-hand object",
        "attention gained",
        "0 is no preference for a side",
    ),
    "span": (
        "(headline|null)_span",
        "Span of the headline gradient, and of its null",
        "span (logits)",
        "without a gradient the headline span is as small as its null",
    ),
    "slope": (
        "(headline|null)_slope",
        "Slope of the headline gradient, and of its null",
        "slope (logits per pixel)",
        "without a gradient the headline slope is as small as its null",
    ),
    "spearman": (
        "headline_spearman|spearman_.*",
        "Rank correlations",
        "Spearman's rho",
        "unrelated quantities lie near 0",
    ),
    "margin": (
        "(image_|text_)?margin.*|.*_largest_value",
        "Margin: the true caption's lead over its swap, and its parts",
        "margin (cosine)",
        "at 0 the two cannot be told apart",
    ),
    "mentions": (
        "(bias|first)_head_.*(attention|difference)|null_difference",
        "Attention of [EOT] to the objects in the order of mention",
        "attention",
        "a head without a preference has a difference of 0",
    ),
    "consistency": (
        ".*_consistency.*",
        "Captions in which the head prefers the same mention",
        "share of captions",
        "a head without a preference lies near 0.5",
    ),
    "cosine": (
        ".*_(cosine|shuffled_mean|shuffled_high)",
        "Cosine between picture and word of held-out labels",
        "cosine",
        "two unrelated directions lie near 0",
    ),
    "effect": (
        ".*_z_effect",
        "Part of the margin that the strongest head restores",
        "part of the margin",
        "0: the head carries nothing of it",
    ),
}
"""Numbers that share a unit: the keys that have it, title, axis, and what a null looks like.

The first that a key matches has it.
"""
ELSEWHERE = {
    "answer": list(AXES),
    "accuracy": ["order", "captions"],
    "term_ablation": ["order"],
}
"""Numbers that another figure or section shows."""
HEADLINE = "headline"
WHOLE_SCALE = (0.0, 1.05)
"""One axis for all shares of pictures, so that panels and figures compare."""


def shared_axis(key: str) -> str | None:
    """The axis of a summary key; None for one that is not drawn, such as a rounding error."""
    return next((axis for axis, (keys, *_) in AXES.items() if re.fullmatch(keys, key)), None)


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, with the name of each in the first column."""
    whole = pd.concat(tables, names=["checkpoint"])
    return whole.reset_index("checkpoint").reset_index(drop=True)


def side_figures(found: "SideBySide") -> Iterator[Figure]:
    """The figures special to the analysis, then the numbers of its summary, a figure a unit."""
    if found.name in SPECIAL:
        yield from SPECIAL[found.name](found)
    known = found.scalars.dropna(subset=["value"])
    axes = [shared_axis(key) for key in known["key"]]
    for axis in AXES:
        rows = known[[one == axis for one in axes]]
        if len(rows) and axis not in ELSEWHERE.get(found.name, ()):
            yield numbers_figure(axis, rows, found.chance)


def numbers_figure(axis: str, rows: pd.DataFrame, chance: float | None) -> Figure:
    """The numbers of one unit, a panel a quantity."""
    _, title, label, null = AXES[axis]
    words = [quantity_words(key) for key in rows["key"]]
    ends = ["low", "high"] if rows["low"].notna().any() else []
    shown = rows.assign(quantity=words).rename(columns={"value": label})
    shown = shown[["checkpoint", label, *ends, "quantity", "n"]]
    plot = bars(shown, x=label, y="checkpoint", facet="quantity", mark="dot")
    interval = ", with its 95 % interval" if ends else ", exact for the model"
    return Figure(
        key=f"numbers-{axis}",
        title=title,
        how_to_read=f"Each dot is the {label} of one checkpoint{interval}; {null}.",
        plot=on_share_axis(plot, chance if axis == "order" else None)
        if axis in ("order", "captions")
        else plot,
        table=rows,
    )


def on_share_axis(plot: Chart, chance: float | None) -> Chart:
    """Shares of pictures on their one axis, with chance where it is known."""
    return with_chance(replace(plot, x_range=WHOLE_SCALE), chance)


def with_chance(plot: Chart, chance: float | None) -> Chart:
    """A chart with chance where it is known."""
    return plot if chance is None else reference(plot, chance, "chance")


def accuracy_figures(found: "SideBySide") -> Iterator[Figure]:
    """The sets of pictures, a figure a metric, and swap accuracy by distance."""
    results: Mapping[str, Any] = found.results
    frame = found.frame()
    rows = frame[frame["candidates"] != "closed"].dropna(subset=["value"])
    pictures = [SET_WORDS[name] for name in rows["set"]]
    rows = rows.assign(pictures=pictures).rename(columns={"value": "share of pictures right"})
    columns = ["checkpoint", "share of pictures right", "low", "high", "pictures", "n"]
    for metric, measure in METRIC_WORDS.items():
        part, of_order = rows.loc[rows["metric"] == metric, columns], metric == "order"
        plot = bars(part, x=columns[1], y="checkpoint", facet="pictures", mark="dot")
        null = (
            "a guess scores one over the number of orders, 0.5 for two objects"
            if of_order
            else "a guess among all captions scores next to 0"
        )
        among = "" if of_order else " among all captions"
        yield Figure(
            key=f"sets-{metric.replace('_', '-')}",
            title=f"{measure[:1].upper()}{measure[1:]}{among}, by set of pictures",
            how_to_read="Each dot is the share of pictures that one checkpoint gets right, with "
            f"its 95 % interval, a panel a set of pictures; {null}.",
            plot=on_share_axis(plot, found.chance if of_order else None),
            table=part,
        )
    distances = stacked({name: result.distances for name, result in results.items()})
    if len(distances):
        yield distances_figure(distances, found.chance)


def distances_figure(rows: pd.DataFrame, chance: float | None) -> Figure:
    """Swap accuracy by distance, a line a checkpoint."""
    shown = rows.rename(columns={"value": "swap accuracy", "distance": "distance (pixels)"})
    plot = lines(shown, x="distance (pixels)", y="swap accuracy", by="checkpoint")
    return Figure(
        key="distance",
        title="Swap accuracy on held-out pairs by the distance between the objects",
        how_to_read="Each line is one checkpoint; across: pixels between the two nearest objects, "
        "1 for neighbours; up: share of pictures whose true caption beats its swap, with a 95 % "
        "interval, 0.5 for a guess between two objects.",
        plot=with_chance(plot, chance),
        table=rows,
    )


def gradient_figures(found: "SideBySide") -> Iterator[Figure]:
    """The key-position row of every head, a panel a checkpoint."""
    results: Mapping[str, Any] = found.results
    rows = stacked({name: result.headline_rows for name, result in results.items()})
    headlines = rows["checkpoint"].map({n: result.headline_name for n, result in results.items()})
    rows = rows.assign(headline=rows["head"] == headlines)
    shown = rows.assign(
        panel=rows["checkpoint"] + ": headline " + headlines,
        line=rows["head"].where(~rows["headline"], HEADLINE),
    ).rename(columns={"value": "score (logits)"})[["pixel", "score (logits)", "line", "panel"]]
    yield Figure(
        key="rows",
        title="Score of each pixel's position by head, canonical gauge: key-position",
        how_to_read="Each line is one head of one checkpoint: what the pooled token's score gains, "
        "in logits, from a key standing at that pixel, on one scale for all panels; without a "
        "gradient a line lies flat.",
        plot=lines(
            shown, x="pixel", y="score (logits)", by="line", facet="panel", highlight=HEADLINE
        ),
        table=rows,
    )


def removal_figures(found: "SideBySide") -> Iterator[Figure]:
    """Swap accuracy without terms of the image tower, a panel a checkpoint."""
    frame = found.frame()
    rows = order_rows(frame[frame["model"] == "trained"], frame["set"].iloc[0])
    shown = removals(rows[rows["encoder"] == "image"])
    columns = ["ablation", "swap accuracy", "low", "high", "checkpoint", "n"]
    drawn = shown[columns]
    plot = bars(drawn, x="swap accuracy", y="ablation", facet="checkpoint")
    yield Figure(
        key="order",
        title="Swap accuracy when terms of the pooled row are taken away",
        how_to_read="Each bar is the share of pictures whose true caption beats its swap under one "
        "ablation of the image tower, with its 95 % interval, a panel a checkpoint; an ablation of "
        "what order does not need leaves the bar as long as the intact one.",
        plot=on_share_axis(plot, found.chance),
        table=shown,
    )


def terms_figures(found: "SideBySide") -> Iterator[Figure]:
    """Shares of the attention scores by term, a row a tower and checkpoint."""
    rows = found.frame().sort_values("encoder", kind="stable")
    rows = rows[rows["head"].isna() & rows["term"].isin(TERMS) & (rows["gauge"] == "canonical")]
    towers = rows["encoder"] + " tower: " + rows["checkpoint"]
    shown = rows.assign(tower=towers).rename(columns={"share": "share of variance"})
    yield Figure(
        key="terms",
        title="Share of the attention scores by term, all heads, canonical gauge",
        how_to_read="One row a tower and checkpoint, one column a term (first letter: query, "
        "second: key; E token, P position, b bias); a cell is the term's share of the variance of "
        "the pooled row's scores, 0 where the term does nothing.",
        plot=heatmap(shown, x="term", y="tower", z="share of variance", ends=(-1.0, 1.0)),
        table=rows,
    )


SPECIAL: dict[str, Callable[["SideBySide"], Iterator[Figure]]] = {
    "accuracy": accuracy_figures,
    "attention_terms": terms_figures,
    "positional_gradient": gradient_figures,
    "term_ablation": removal_figures,
}
