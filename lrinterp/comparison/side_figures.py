"""Several checkpoints on common axes: the numbers of a summary, and figures of some analyses."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd

from lrinterp.analysis.ablation.ablation_figures import order_rows, removals
from lrinterp.analysis.accuracy import METRIC_WORDS, SET_WORDS, Accuracy
from lrinterp.analysis.positional_gradient import PositionalGradient
from lrinterp.charts import Chart, bars, heatmap, lines, reference
from lrinterp.comparison.naming import GROUPS, Group, group_of, quantity_words
from lrinterp.decomposition import TERMS
from lrinterp.result import Figure, Result

__all__ = ["further_table", "side_figures"]

Tables = Mapping[str, pd.DataFrame]
HEADLINE = "headline"
WHOLE_SCALE = (0.0, 1.05)
"""One axis for all shares of pictures, so that panels and figures compare."""
ELSEWHERE = {
    "answer": [group.key for group in GROUPS],
    "accuracy": ["order", "captions"],
    "term_ablation": ["order"],
}
"""Groups of numbers that another figure or section shows."""


def further_table(result: Result) -> pd.DataFrame:
    """What the figures of an analysis need that is not in its `frame()`."""
    if isinstance(result, Accuracy):
        return result.distances
    if isinstance(result, PositionalGradient):
        rows = result.headline_rows
        chosen = rows["head"] == result.headline_name
        return rows.assign(headline=chosen).reset_index(drop=True)
    return pd.DataFrame()


def side_figures(analysis: str, tables: Tables, chance: float | None) -> tuple[Figure, ...]:
    """The figures special to an analysis, then the numbers of its summary, a figure a unit.

    `tables`: `scalars`, `frames` and, as `further`, `beside` of a `SideBySide`.
    """
    special = SPECIAL.get(analysis)
    known = tables["scalars"].dropna(subset=["value"])
    groups = [group for group in GROUPS if group.key not in ELSEWHERE.get(analysis, ())]
    parts = [(g, known[[group_of(key) is g for key in known["key"]]]) for g in groups]
    numbers = [_dots(group, rows, chance) for group, rows in parts if len(rows)]
    return (*(special(tables, chance) if special else ()), *numbers)


def _dots(group: Group, rows: pd.DataFrame, chance: float | None) -> Figure:
    words = [quantity_words(key) for key in rows["key"]]
    shown = rows.assign(quantity=words).rename(columns={"value": group.axis})
    ends = ["low", "high"] if rows["low"].notna().any() else []
    shown = shown[["checkpoint", group.axis, *ends, "quantity", "n"]]
    plot = bars(shown, x=group.axis, y="checkpoint", facet="quantity", mark="dot")
    interval = ", with its 95 % interval" if ends else ", exact for the model"
    return Figure(
        key=f"numbers-{group.key}",
        title=group.title,
        how_to_read=f"Each dot is the {group.axis} of one checkpoint{interval}; {group.null}.",
        plot=_shares(plot, chance if group.of_order else None) if group.of_pictures else plot,
        table=rows,
    )


def _shares(plot: Chart, chance: float | None) -> Chart:
    """Bars or dots of shares of pictures on their one axis, with chance where it is known."""
    plot = replace(plot, x_range=WHOLE_SCALE)
    return plot if chance is None else reference(plot, chance, "chance")


def _accuracy(tables: Tables, chance: float | None) -> tuple[Figure, ...]:
    table = tables["frames"]
    rows = table[table["value"].notna() & (table["candidates"] != "closed")]
    rows = rows.assign(
        measure=[METRIC_WORDS[metric] for metric in rows["metric"]],
        pictures=[SET_WORDS[name] for name in rows["set"]],
    ).rename(columns={"value": "share of pictures right"})
    columns = ["checkpoint", "share of pictures right", "low", "high", "pictures", "n"]
    found = [
        _sets(rows.loc[rows["measure"] == measure, columns], measure, chance)
        for measure in METRIC_WORDS.values()
    ]
    return (*found, *([_distances(tables["further"], chance)] if len(tables["further"]) else []))


def _sets(rows: pd.DataFrame, measure: str, chance: float | None) -> Figure:
    plot = bars(rows, x="share of pictures right", y="checkpoint", facet="pictures", mark="dot")
    of_order = measure == METRIC_WORDS["order"]
    among = "" if of_order else " among all captions"
    null = (
        "a guess scores one over the number of orders, 0.5 for two objects"
        if of_order
        else "a guess among all captions scores next to 0"
    )
    return Figure(
        key=f"sets-{measure.replace(' ', '-')}",
        title=f"{measure[:1].upper()}{measure[1:]}{among}, by set of pictures",
        how_to_read="Each dot is the share of pictures that one checkpoint gets right, with its "
        f"95 % interval, a panel a set of pictures; {null}.",
        plot=_shares(plot, chance if of_order else None),
        table=rows,
    )


def _distances(rows: pd.DataFrame, chance: float | None) -> Figure:
    shown = rows.rename(columns={"value": "order accuracy", "distance": "distance (pixels)"})
    plot = lines(shown, x="distance (pixels)", y="order accuracy", by="checkpoint")
    return Figure(
        key="distance",
        title="Order on held-out pairs by the distance between the objects",
        how_to_read="Each line is one checkpoint; across: pixels between the two nearest objects, "
        "1 for neighbours; up: share of pictures whose true caption beats its swap, with a 95 % "
        "interval, 0.5 for a guess between two objects.",
        plot=plot if chance is None else reference(plot, chance, "chance"),
        table=rows,
    )


def _gradient(tables: Tables, chance: float | None) -> tuple[Figure, ...]:  # noqa: ARG001
    rows = tables["further"]
    heads = rows[rows["headline"]].groupby("checkpoint", sort=False)["head"].first().to_dict()
    panels = {name: f"{name}: headline {head}" for name, head in heads.items()}
    shown = rows.assign(
        panel=[panels[name] for name in rows["checkpoint"]],
        line=rows["head"].where(~rows["headline"], HEADLINE),
    ).rename(columns={"value": "score (logits)"})[["pixel", "score (logits)", "line", "panel"]]
    figure = Figure(
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
    return (figure,)


def _ablation(tables: Tables, chance: float | None) -> tuple[Figure, ...]:
    table = tables["frames"]
    rows = order_rows(table[table["model"] == "trained"], table["set"].iloc[0])
    shown = removals(rows[rows["encoder"] == "image"])
    columns = ["ablation", "order accuracy", "low", "high", "checkpoint", "n"]
    plot = bars(shown[columns], x="order accuracy", y="ablation", facet="checkpoint")
    figure = Figure(
        key="order",
        title="Order accuracy when terms of the pooled row are taken away",
        how_to_read="Each bar is the share of pictures whose true caption beats its swap under one "
        "ablation of the image tower, with its 95 % interval, a panel a checkpoint; an ablation of "
        "what order does not need leaves the bar as long as the intact one.",
        plot=_shares(plot, chance),
        table=shown,
    )
    return (figure,)


def _terms(tables: Tables, chance: float | None) -> tuple[Figure, ...]:  # noqa: ARG001
    table = tables["frames"]
    rows = table[table["head"].isna() & table["term"].isin(TERMS) & (table["gauge"] == "canonical")]
    rows = rows.sort_values("encoder", kind="stable")
    places = [f"{e} tower: {c}" for e, c in zip(rows["encoder"], rows["checkpoint"], strict=True)]
    shown = rows.assign(tower=places).rename(columns={"share": "share of variance"})
    figure = Figure(
        key="terms",
        title="Share of the attention scores by term, all heads, canonical gauge",
        how_to_read="One row a tower and checkpoint, one column a term (first letter: query, "
        "second: key; E token, P position, b bias); a cell is the term's share of the variance of "
        "the pooled row's scores, 0 where the term does nothing.",
        plot=heatmap(shown, x="term", y="tower", z="share of variance", ends=(-1.0, 1.0)),
        table=rows,
    )
    return (figure,)


SPECIAL: dict[str, Callable[[Tables, float | None], tuple[Figure, ...]]] = {
    "accuracy": _accuracy,
    "attention_terms": _terms,
    "positional_gradient": _gradient,
    "term_ablation": _ablation,
}
