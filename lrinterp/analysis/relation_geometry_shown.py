"""The geometry of relation captions as a reader sees it, in sentences and in figures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrinterp.analysis.relation_geometry_measures import DRAWS
from lrinterp.charts import bars, lines, regions
from lrinterp.result import Figure, Metric
from lrinterp.wording import counted, signed

__all__ = [
    "AXES",
    "KINDS",
    "cosine_figures",
    "cosines_words",
    "direction_figures",
    "direction_words",
    "geometry_notes",
    "meaning_words",
]

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


def cosine_figures(table: pd.DataFrame) -> list[Figure]:
    """Cosines of the last layer by kind, and of all layers where there are several.

    The table is that of the embedding space.
    """
    rows = defined_rows(table, list(KINDS)).rename(columns={"value": COSINE})
    if rows.empty:
        return []
    kinds = KINDS_IN_WORDS
    if "paraphrase" not in set(rows["measure"]):
        kinds = kinds.replace(" only in the template around one statement,", "")
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
    return [
        first,
        Figure(
            key="cosines-by-layer",
            title="The same cosines by layer",
            how_to_read="Across: the layer behind which the stream is read through the final "
            f"norm and projection, the last being the embedding itself; up: mean cosine of "
            f"captions {kinds}, with 95 % bands; where a layer does not see a difference its "
            "line is at 1.",
            plot=lines(
                rows[["layer", *columns]],
                x="layer",
                y=COSINE,
                by="captions",
                facet="relation",
                highlight=KINDS["relation"],
            ),
            table=rows,
        ),
    ]


def direction_figures(table: pd.DataFrame) -> list[Figure]:
    """The consistency of the direction on its null, in the last layer and by layer."""
    rows = defined_rows(table, ["consistency"], null=True).rename(columns={"value": DIFFERENCE})
    if rows.empty:
        return []
    last = rows[rows["layer"] == table["layer"].max()]
    plot = bars(
        last[["relation", DIFFERENCE, "low", "high", "n"]], x=DIFFERENCE, y="relation", mark="dot"
    )
    figure = Figure(
        key="direction",
        title="One direction for a relation, whatever the objects",
        how_to_read="Each dot is the mean cosine, with its 95 % interval, between the "
        "difference of two captions that differ in the relation word and the mean difference "
        "over pairs of other objects; without a common direction a dot lies in its shade, the "
        "middle 95 % where the two words are exchanged at random in half of the pairs.",
        plot=regions(
            plot,
            last[["relation", "null_low", "null_high"]],
            y="relation",
            start="null_low",
            end="null_high",
        ),
        table=last,
    )
    return [figure, by_layer(rows)] if table["layer"].max() else [figure]


def by_layer(rows: pd.DataFrame) -> Figure:
    """Consistency and its null by layer."""
    columns = ["layer", "relation", DIFFERENCE, "low", "high"]
    null = {"null_mean": DIFFERENCE, "null_low": "low", "null_high": "high"}
    shuffled = rows.drop(columns=[DIFFERENCE, "low", "high"]).rename(columns=null)
    both = {MEASURED: rows, SHUFFLED: shuffled}
    return Figure(
        key="direction-by-layer",
        title="The same direction by layer",
        how_to_read="Across: the layer behind which the stream is read through the final norm and "
        "projection; up: mean cosine between a caption difference and the mean difference over "
        "pairs of other objects, with its 95 % band, and the same with the two words exchanged at "
        "random in half of the pairs, with the middle 95 %; where the bands meet there is no "
        "common direction.",
        plot=lines(
            pd.concat([part[columns].assign(of=name) for name, part in both.items()]),
            x="layer",
            y=DIFFERENCE,
            by="of",
            facet="relation",
        ),
        table=rows,
    )


def defined_rows(table: pd.DataFrame, measures: list[str], *, null: bool = False) -> pd.DataFrame:
    """The defined rows of some measures, in this order."""
    names = ["null_mean", "null_low", "null_high"] if null else []
    here = table["measure"].isin(measures) & table["value"].notna()
    rows = table[here].sort_values("measure", key=lambda m: m.map(measures.index), kind="stable")
    columns = ["layer", "relation", "measure", "value", "low", "high", "n", "n_units", *names]
    return rows[columns].assign(relation=rows["relation"].map(AXES))


LITTLE = 0.05
"""Part of the distance between opposites below which a gain counts as none."""
WORDS = {
    "left_right": ("left", "right"),
    "above_below": ("above", "below"),
    "front_behind": ("in front", "behind"),
}
WORD_ALONE = (
    "A direction that all objects share says that the word is written into the embedding, as it "
    "is in a bag of words. Only the gain of statements that mean the same, over opposites, says "
    "that the word is bound to its objects."
)
LENS = (
    "Layers before the last are read through the final norm and projection, which were not made "
    "for them; the site “residual” in the table is the stream as it stands, where a part that all "
    "captions share may push every cosine towards 1."
)
FREE = (
    "The captions are templates around nouns, not sentences that people wrote. “In front of” and "
    "“behind” differ in their number of tokens, so there the pooled position moves with the word; "
    "left and right, above and below are one token each in CLIP's vocabulary."
)
WORLD = "The captions are those of the model's world, of one template a word: no paraphrases."


Metrics = Mapping[str, Metric]


def percent(share: Any) -> str:
    """A share of variance in a sentence."""
    return "–" if share is None else f"{100 * share:.2g} %"


def cosines_words(found: Metrics, axis: str) -> str:
    """Cosines of captions by what they differ in."""
    cosine, paraphrase, others = (
        found[f"{axis}_{key}"] for key in ("cosine", "paraphrase_cosine", "other_objects_cosine")
    )
    beside = [
        f"paraphrases of one statement {paraphrase.phrase}" * (paraphrase.value is not None),
        f"the same words about other objects {others.phrase}" * (others.value is not None),
    ]
    return (
        f"Captions that differ only in {' or '.join(WORDS[axis])} have a mean cosine of "
        f"{'; '.join([cosine.phrase, *filter(None, beside)])} "
        f"({counted(cosine.n, 'comparison')}, {counted(cosine.n_units, 'object')})."
    )


def direction_words(
    found: Metrics, axis: str, row: Mapping[str, Any], random: tuple[float, ...]
) -> str:
    """The direction of held-out objects, against words shuffled and random weights."""
    one, other = WORDS[axis]
    if row["value"] is None:
        return f"No direction of {one} minus {other} can be measured."
    word, along = (found[f"{axis}_{key}"] for key in ("relation_share", "variance_share"))
    most, own = max(random), Metric.of(row)
    null = (
        f"{counted(len(random), 'model')} of random weights: at most {signed(most, 2)}; "
        f"words shuffled: 95 % under {signed(row['null_95'], 2)}"
    )
    lead = f"The difference {one} minus {other} of held-out objects has a cosine of "
    body = f"{own.phrase} with that of the others ({null})"
    if own.low is None or own.high is None or own.low <= row["null_95"]:
        units = counted(row["n_units"], "object")
        return f"{lead}{body}: with {units} no common direction is shown."
    if own.low <= most:
        return (
            f"{lead}{body}: a common direction, but random weights give one as clear from the "
            "words alone."
        )
    return (
        f"{lead}{body}: a common direction, clearer than random weights give from the words "
        f"alone. The two words make {percent(word.value)} of the variance of these captions; the "
        f"direction, with all else that varies along it, {percent(along.value)}."
    )


def meaning_words(found: Metrics, axis: str) -> str:
    """Are statements that mean the same closer than opposites?"""
    gain, cosine = (found[f"{axis}_{key}"] for key in ("mirror_gain", "cosine"))
    one, other = WORDS[axis]
    lead = f"Statements that mean the same (A {one} of B, B {other} of A) are"
    room = 1 - float(cosine.value or 0)
    if gain.low is None or gain.high is None:
        how = "not told from opposites by so few objects"
    elif max(gain.low, -gain.high) <= LITTLE * room:
        how = "not reliably closer than opposites, as for a bag of words"
    else:
        how = "closer than opposites" if gain.low > 0 else "further apart than opposites"
    return (
        f"{lead} {how}: the cosines differ by {gain.phrase}, where that of opposites lacks "
        f"{room:.2g} to 1."
    )


def geometry_notes(*, width: int, deep: bool, free_text: bool) -> tuple[str, ...]:
    """What a cosine and a direction do not say, intervals, null, the lens, and the captions."""
    return (
        "A cosine alone means little, because all captions of a model may lie near each other. "
        "Compare it with paraphrases of one statement and with other objects.",
        WORD_ALONE,
        "Intervals are 95 %: each object is left out in turn, with all its pairs.",
        "A text tower of random weights carries every word into its embedding, and so makes a "
        "common direction of the words alone: that null is its largest consistency, by fresh "
        "weights where there is a recipe and otherwise by this tower's weights in random "
        f"order. A second null exchanges the two words in whole object pairs, {DRAWS:,} times; "
        "pairs that share objects make its p too small, so no verdict rests on it. A direction "
        f"drawn at random would carry {percent(1 / width)} of the variance if captions "
        "spread alike all around.",
        *([LENS] if deep else []),
        FREE if free_text else WORLD,
    )
