"""Figures of activation patching: small towers row by row, deep ones layer by layer, and agreement.

Where a cell was not patched exactly its attribution is drawn, and the text on hovering says so. How
far attribution agrees with exact patching, over the cells that had both, is also told in a table,
in numbers and in words.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.analysis.patching.cells import RESIDUAL_SITES
from lrinterp.charts import diagonal, heatmap, scatter
from lrinterp.result import Figure, Metric, records
from lrinterp.run.edit import HEAD_SITES, MAP_SITES
from lrinterp.stats import FEWEST, agreement_of
from lrinterp.wording import head_name

__all__ = ["AGREED", "agreed_metrics", "agreed_words", "agreement", "patching_figures"]

EVERY, RANDOM, STRONGEST = "every cell", "random sample", "strongest cells"
SAMPLES = {EVERY: ("all",), RANDOM: ("random", "both"), STRONGEST: ("strongest", "both")}
"""What stands in the column `chosen` of the cells of each sample."""
IN_WORDS = {EVERY: "cells", RANDOM: "randomly drawn cells", STRONGEST: "strongest cells"}
ANY_SITE = "all sites"
AGREED = {"pearson": "correlation", "spearman": "correlation", "slope": "slope"}
"""What is computed, and what kind of number it is."""

ENDS = (-1.0, 1.0)
"""Colours of the effects: all of the margin, with either sign."""
DEEP = 2
"""Layers above which cells are drawn layer by layer."""
SHOWN_SITES = ("z", "v")
"""What deep towers show of their heads: what they write, and the values they read."""
POOLED = {"image": "CLS", "text": "EOT"}
"""The role that embeddings are read from."""
ESTIMATED = (
    " Most cells were not patched: there the colour is the estimate by attribution, and the text "
    "on hovering says which."
)
LAYOUTS = (
    "Both runs hold objects at the same places, so a preference for a place is the same in both "
    "and reads 0 here: 0 means that which objects are there does not change this attention in a "
    "way that matters."
)
MIRRORS = (
    "One picture is the mirror image of the other, so a preference for a place reads 0 here: 0 "
    "means that what is there does not change this attention in a way that matters."
)
WORDS = (
    "Both captions have the same words but one, so a preference for a place reads 0 here: 0 means "
    "that the word that differs does not change this attention in a way that matters."
)


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with both numbers, without those whose effect is known by construction."""
    return table[table["exact"] & ~table["known"]]


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's r, Spearman's rho and slope by tower, sample and site; n counts cells.

    Both directions count. The slope is that of attribution on effect through the origin:
    1 means that attribution is as large as the effect.
    """
    both, rows = compared(table), []
    for encoder in dict.fromkeys(table["encoder"]):
        for sample, chosen in SAMPLES.items():
            part = both[(both["encoder"] == encoder) & both["chosen"].isin(chosen)]
            for site, own in [(ANY_SITE, part), *part.groupby("site", sort=False)]:
                if len(own) >= (1 if site == ANY_SITE else FEWEST):
                    numbers = agreement_of(own["effect"].to_numpy(), own["attribution"].to_numpy())
                    rows.append({"encoder": encoder, "cells": sample, "site": site, **numbers})
    return pd.DataFrame(rows, columns=["encoder", "cells", "site", *AGREED, "n"])


def agreed_metrics(rows: pd.DataFrame) -> dict[str, Metric]:
    """Summary entries of `agreement`, over all sites; those of the strongest cells say so."""
    found = {}
    for row in records(rows[rows["site"] == ANY_SITE]):
        kind = "strongest_" if row["cells"] == STRONGEST else ""
        for name, estimator in AGREED.items():
            number = Metric(value=row[name], n=row["n"], estimator=estimator)
            found[f"{row['encoder']}_{kind}attribution_{name}"] = number
    return found


def agreed_words(rows: pd.DataFrame) -> str:
    """One sentence on the agreement of every tower."""
    return "; ".join(
        f"{row['encoder']} tower, {row['n']} {IN_WORDS[row['cells']]}: "
        "r = {}, rho = {}, slope {}".format(*(Metric(value=row[name]) for name in AGREED))
        for row in records(rows[rows["site"] == ANY_SITE])
    )


def patching_figures(table: pd.DataFrame, *, mirrored: bool) -> Iterator[Figure]:
    """By tower: residual stream and heads by role, attention of the pooled query, agreement."""
    drawn = table.assign(
        effect=table["effect"].where(table["exact"], table["attribution"]),
        how=np.where(table["exact"], "patched", "attribution"),
    )
    for encoder in dict.fromkeys(table["encoder"]):
        part = drawn[drawn["encoder"] == encoder]
        zero = (MIRRORS if encoder == "image" else WORDS) if mirrored else LAYOUTS
        by_depth = by_row if part["layer"].max() < DEEP else by_layer
        yield from by_depth(encoder, part, zero)
        if len(both := compared(table[table["encoder"] == encoder])):
            yield agreement_figure(encoder, both)


def by_row(encoder: str, part: pd.DataFrame, zero: str) -> Iterator[Figure]:
    """Residual sites and heads by role, a row for each; attention by head and key role."""
    sites, pooled = part[~part["site"].isin(MAP_SITES)], POOLED.get(encoder)
    yield effects_figure(
        f"sites-{encoder}",
        f"Patching the {encoder} tower: residual stream and heads",
        "Each cell is the part of the margin that follows when this activation is taken from the "
        "other run, by position role; 1 is all of it, 0 none.",
        sites,
        sites.assign(place=[place_of(row) for row in records(sites)]),
        ("role", "place", "direction"),
    )
    maps = part[part["site"].isin(MAP_SITES) & (part["direction"] == "denoising")]
    rows = maps[maps["query"] == pooled]
    names = [head_name(row["layer"], row["head"]) for row in records(rows)]
    yield effects_figure(
        f"maps-{encoder}",
        f"Patching the {encoder} tower: attention of {pooled}, denoising",
        f"Each cell is the part of the margin restored when one head's attention from {pooled} to "
        f"one role is taken from the clean run. {zero} All query roles are in the table.",
        maps,
        rows.assign(head=names, key_role=rows["role"]),
        ("key_role", "head", "site"),
    )


def by_layer(encoder: str, part: pd.DataFrame, zero: str) -> Iterator[Figure]:
    """Residual sites by layer and role; outputs, values and attention of every head by layer."""
    streams, pooled = part[part["site"].isin(RESIDUAL_SITES)], POOLED.get(encoder)
    yield effects_figure(
        f"sites-{encoder}",
        f"Patching the {encoder} tower: residual stream by layer",
        "Each cell is the part of the margin that follows when the residual stream before a layer "
        "(resid_pre) or what its attention writes (attn_out) is taken from the other run, by layer "
        "(across) and position role (down); 1 is all of it, 0 none.",
        streams,
        streams.assign(panel=streams["site"] + ", " + streams["direction"]),
        ("layer", "role", "panel"),
    )
    heads = part[part["site"].isin(HEAD_SITES) & (part["direction"] == "denoising")]
    rows = pd.concat([heads[heads["site"] == site] for site in SHOWN_SITES])
    yield effects_figure(
        f"heads-{encoder}",
        f"Patching the {encoder} tower: heads by layer, denoising",
        "Each cell is the part of the margin restored when the output (z) or the values (v) of one "
        "head, by layer (across) and head (down), are taken from the clean run at the positions of "
        "one role; 1 is all of it, 0 none. Queries, keys and the other direction are in the table.",
        heads,
        rows.assign(panel=rows["site"] + " at " + rows["role"]),
        ("layer", "head", "panel"),
    )
    maps = part[(part["query"] == pooled) & (part["direction"] == "denoising")]
    yield effects_figure(
        f"maps-{encoder}",
        f"Patching the {encoder} tower: attention of {pooled}, denoising",
        f"Each cell is the part of the margin restored when the attention of one head from "
        f"{pooled} to one role, by layer (across) and head (down), is taken from the clean run. "
        f"{zero} Scores before the softmax are in the table.",
        maps,
        maps[maps["site"] == "pattern"].assign(panel="to " + maps["role"]),
        ("layer", "head", "panel"),
    )


def effects_figure(
    key: str,
    title: str,
    text: str,
    part: pd.DataFrame,
    shown: pd.DataFrame,
    axes: tuple[str, str, str],
) -> Figure:
    """Effects over two columns in panels by a third; `part` is the table, `shown` what is drawn."""
    exact, (x, y, facet) = part["exact"].all(), axes
    hidden = ["identical"] if exact else ["identical", "how"]
    columns = shown[[x, y, "effect", facet, *hidden]]
    return Figure(
        key=key,
        title=title,
        how_to_read=text if exact else text + ESTIMATED,
        plot=heatmap(columns, x=x, y=y, z="effect", facet=facet, ends=ENDS),
        table=part.drop(columns="how"),
    )


def agreement_figure(encoder: str, both: pd.DataFrame) -> Figure:
    """Attribution against effect, one point a cell and direction; agreement is the diagonal."""
    names = {"strongest": STRONGEST, "both": RANDOM, "random": RANDOM}
    panels = both["chosen"].map(names) if (both["chosen"] != "all").all() else both["site"]
    cells = [place_of(row) for row in records(both)]
    shown = both.assign(panel=panels, cell=cells)[
        ["effect", "attribution", "panel", "cell", "query", "role", "direction"]
    ]
    plot = scatter(shown, x="effect", y="attribution", facet="panel")
    return Figure(
        key=f"agreement-{encoder}",
        title=f"Attribution against exact patching, {encoder} tower",
        how_to_read=f"Each of {len(both)} points is one cell in one direction: across, the part "
        "of the margin that follows when it is patched; up, the estimate by attribution. On the "
        "dotted diagonal both agree; points along the horizontal line at 0 are effects that "
        "attribution misses. Cells known by construction are left out.",
        plot=diagonal(plot),
        table=both,
    )


def place_of(row: Mapping[str, Any]) -> str:
    """A residual site or a head's site in words, such as "L0H3 z"."""
    layer, head = row["layer"], row["head"]
    return f"{f'L{layer}' if head is None else head_name(layer, head)} {row['site']}"
