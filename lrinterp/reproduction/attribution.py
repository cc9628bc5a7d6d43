"""What makes the margin, and whether the attention gained by an object predicts it."""

from collections.abc import Mapping

import pandas as pd

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.section import Drawing, Section
from lrinterp.reproduction.statistics import Found
from lrinterp.reproduction.tables import blanked, named, over_seeds, told_apart
from lrinterp.result import Metric, records
from lrinterp.stats import COSINE
from lrinterp.wording import plain_number

__all__ = ["attribution"]

KEYS = ("margin_gain", "margin_gain_within")
RANKS = {
    "spearman_margin_gain": "all pictures",
    "spearman_within_pairs": "within label pairs",
    "spearman_within_null": "within label pairs, margins shuffled (95 % end)",
}
NUMBERS = tuple(f"similarity_attribution.{key}" for key in RANKS)
ARMS = ("standard", "few", "both_2", "both_1", "untrained")


def attribution(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Contributions to the image margin of standard models; gain against margin in all arms."""
    parts, ranks = direct_parts(measures), rank_rows(measures)
    sample = measures.sample("similarity_attribution.spearman_margin_gain", "picture")
    numbers = {key: found[key].metric for key in KEYS}
    return Section(
        name="attribution",
        question="What makes the margin, and does attention predict it picture by picture?",
        found=(
            "In standard models the rank correlation over pictures between the image margin and "
            "the attention that the preferred object gains, in the head whose key-position moves "
            f"the margin most, is {numbers['margin_gain'].phrase}, and within label pairs "
            f"{numbers['margin_gain_within'].phrase}."
        ),
        notes=(
            "The margin is the cosine of a picture with its true caption minus that with the "
            "swapped one. Contributions hold attention and the length of the embedding, and add up "
            "to the margin; heads are added up, because their numbers mean nothing across seeds.",
            "The gain counts towards the side that the head prefers. Over all pictures labels "
            "alone can make margin and gain go together; within a label pair only the layout "
            "differs.",
        ),
        numbers=numbers,
        table=ranks,
        drawings=(
            *([drawn_parts(parts, sample)] if len(parts) else []),
            *([drawn_ranks(ranks, sample)] if len(ranks) else []),
        ),
    )


def direct_parts(measures: Measures) -> pd.DataFrame:
    """Direct contributions to the image margin, heads added up, by seed, role and part."""
    cells = measures.tables["similarity_attribution"]
    own = (cells["arm"] == "standard") & (cells["encoder"] == "image") & (cells["kind"] == "direct")
    cells = cells[own]
    if cells.empty:
        return pd.DataFrame(columns=["seed", "role", "part", "value"])
    return cells.groupby(["seed", "role", "part"], sort=False)["value"].sum().reset_index()


def rank_rows(measures: Measures) -> pd.DataFrame:
    """Rank correlations of every model."""
    rows = [
        {"arm": arm, "seed": int(str(seed)), "pictures": words, "value": value}
        for arm in ARMS
        for key, words in RANKS.items()
        for seed, value in measures.number(arm, f"similarity_attribution.{key}").items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "pictures", "value"])


def drawn_parts(parts: pd.DataFrame, sample: str) -> Drawing:
    means = told_apart(parts, ["role", "part"])
    table, words = blanked(means)
    table = table.rename(columns={"value": "contribution (cosine)", "n": "seeds"})
    first = means.iloc[means["value"].abs().argmax()]
    return Drawing(
        key="parts",
        title="Contributions to the image margin, standard models, all heads together",
        how_to_read="Each cell is the mean over seeds of what one part of the values read at one "
        f"place adds to the margin, as a difference of cosines ({sample}); {words}.",
        expected="the tokens of the two objects make the margin, one pulling, one pushing",
        came=f"the largest is {first['part']} at {first['role']}, {plain_number(first['value'])}",
        kind="heatmap",
        table=table,
        options={"x": "part", "y": "role", "z": "contribution (cosine)"},
    )


def drawn_ranks(ranks: pd.DataFrame, sample: str) -> Drawing:
    means = over_seeds(named(ranks, ARMS), ["arm", "pictures"], scale=COSINE)
    own = records(means[means["arm"] == "standard"])
    return Drawing(
        key="ranks",
        title="Rank correlation of the margin and the attention gained, over pictures",
        how_to_read="Each dot is the mean over seeds of Spearman's rank correlation, with its 95 % "
        f"interval ({sample}); without a relation it lies at 0.",
        expected="at least 0.5 where order is learnt, none in the controls",
        came=", ".join(f"{Metric.of(r).phrase} ({r['pictures']})" for r in own) or "not measured",
        kind="bars",
        table=means.rename(columns={"value": "rank correlation", "n": "seeds"}),
        options={"x": "rank correlation", "y": "pictures", "facet": "arm", "mark": "dot"},
        reference=(0.0, "none"),
    )
