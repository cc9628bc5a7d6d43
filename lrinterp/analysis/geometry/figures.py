"""The geometry of relation captions as a reader sees it: cosines by kind, and one direction."""

import pandas as pd

from lrinterp.charts import bars, lines, regions
from lrinterp.result import Figure

__all__ = ["AXES", "KINDS", "cosine_figures", "direction_figures"]

AXES = {
    "left_right": "left / right",
    "above_below": "above / below",
    "front_behind": "in front / behind",
}
KINDS = {
    "relation": "relation word",
    "order": "order of the objects",
    "mirror": "both: same meaning",
    "paraphrase": "paraphrase",
    "other_objects": "other objects",
}
"""What two captions differ in."""
COSINE, DIFFERENCE = "mean cosine", "cosine with the others' mean"
MEASURED, SHUFFLED = "held-out objects", "words shuffled"
KINDS_IN_WORDS = (
    "that differ only in the relation word (left for right), only in the order of the objects, in "
    "both (A left of B, B right of A: one meaning), only in the template around one statement, or "
    "only in the objects"
)
NO_PARAPHRASE = KINDS_IN_WORDS.replace(" only in the template around one statement,", "")


def cosine_figures(table: pd.DataFrame) -> list[Figure]:
    """Cosines of the last layer by kind, and of all layers where there are several.

    The table is that of the embedding space.
    """
    rows = shown(table, list(KINDS)).rename(columns={"value": COSINE})
    if rows.empty:
        return []
    kinds = KINDS_IN_WORDS if "paraphrase" in set(rows["measure"]) else NO_PARAPHRASE
    rows = rows.assign(captions=rows["measure"].map(KINDS)).drop(columns="measure")
    columns = ["captions", COSINE, "low", "high", "n", "relation"]
    last = rows[rows["layer"] == table["layer"].max()]
    first = Figure(
        key="cosines",
        title="How near captions lie that differ in one thing",
        how_to_read=f"Each dot is the mean cosine of two captions {kinds}, with its 95 % "
        "interval over object pairs; an embedding that does not see a difference puts its dot "
        "at 1; a bag of words has the order at 1, and “relation word” and “both” alike.",
        plot=bars(last[columns], x=COSINE, y="captions", facet="relation", mark="dot"),
        table=last,
    )
    if not table["layer"].max():
        return [first]
    plot = lines(
        rows[["layer", *columns]],
        x="layer",
        y=COSINE,
        by="captions",
        facet="relation",
        highlight=KINDS["relation"],
    )
    by_layer = Figure(
        key="cosines-by-layer",
        title="The same cosines by layer",
        how_to_read="Across: the layer behind which the stream is read through the final "
        f"norm and projection, the last being the embedding itself; up: mean cosine of "
        f"captions {kinds}, with 95 % bands; where a layer does not see a difference its "
        "line is at 1.",
        plot=plot,
        table=rows,
    )
    return [first, by_layer]


def direction_figures(table: pd.DataFrame) -> list[Figure]:
    """The consistency of the direction on its null, in the last layer and by layer."""
    rows = shown(table, ["consistency"], null=True).rename(columns={"value": DIFFERENCE})
    if rows.empty:
        return []
    last = rows[rows["layer"] == table["layer"].max()]
    shades = last[["relation", "null_low", "null_high"]]
    dots = last[["relation", DIFFERENCE, "low", "high", "n"]]
    plot = bars(dots, x=DIFFERENCE, y="relation", mark="dot")
    figure = Figure(
        key="direction",
        title="One direction for a relation, whatever the objects",
        how_to_read="Each dot is the mean cosine, with its 95 % interval, between the "
        "difference of two captions that differ in the relation word and the mean difference "
        "over pairs of other objects; without a common direction a dot lies in its shade, the "
        "middle 95 % where the two words are exchanged at random in half of the pairs.",
        plot=regions(plot, shades, y="relation", start="null_low", end="null_high"),
        table=last,
    )
    return [figure, by_layer(rows)] if table["layer"].max() else [figure]


def by_layer(rows: pd.DataFrame) -> Figure:
    """Consistency and its null by layer."""
    columns = ["layer", "relation", DIFFERENCE, "low", "high"]
    null = {"null_mean": DIFFERENCE, "null_low": "low", "null_high": "high"}
    shuffled = rows.drop(columns=[DIFFERENCE, "low", "high"]).rename(columns=null)
    both = {MEASURED: rows, SHUFFLED: shuffled}
    parts = [part[columns].assign(of=name) for name, part in both.items()]
    return Figure(
        key="direction-by-layer",
        title="The same direction by layer",
        how_to_read="Across: the layer behind which the stream is read through the final norm and "
        "projection; up: mean cosine between a caption difference and the mean difference over "
        "pairs of other objects, with its 95 % band, and the same with the two words exchanged at "
        "random in half of the pairs, with the middle 95 %; where the bands meet there is no "
        "common direction.",
        plot=lines(pd.concat(parts), x="layer", y=DIFFERENCE, by="of", facet="relation"),
        table=rows,
    )


def shown(table: pd.DataFrame, measures: list[str], *, null: bool = False) -> pd.DataFrame:
    """The defined rows of some measures, in this order."""
    names = ["null_mean", "null_low", "null_high"] if null else []
    here = table["measure"].isin(measures) & table["value"].notna()
    rows = table[here].sort_values("measure", key=lambda m: m.map(measures.index), kind="stable")
    columns = ["layer", "relation", "measure", "value", "low", "high", "n", "n_units", *names]
    return rows[columns].assign(relation=rows["relation"].map(AXES))
