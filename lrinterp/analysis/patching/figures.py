"""Figures of activation patching: small towers row by row, deep ones layer by layer, and agreement.

Where a cell was not patched exactly its attribution is drawn, and the text on hovering says so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.analysis.patching.agreement import RANDOM, STRONGEST, compared
from lrinterp.analysis.patching.cells import HEAD_SITES, RESIDUAL_SITES
from lrinterp.charts import diagonal, heatmap, scatter
from lrinterp.result import Figure, records
from lrinterp.run.edit import MAP_SITES
from lrinterp.wording import head_name

__all__ = ["patching_figures"]

ENDS = (-1.0, 1.0)
"""Colours of the effects: all of the margin, with either sign."""
DEEP = 2
"""Layers above which cells are drawn layer by layer."""
SHOWN_SITES = ("z", "v")
"""What deep towers show of their heads: what they write, and the values they read."""
ESTIMATED = (
    " Most cells were not patched: there the colour is the estimate by attribution, and the text "
    "on hovering says which."
)
LAYOUTS = (
    "Both runs hold objects at the same places, so a preference for a place is the same in both "
    "and reads 0 here: a 0 says that what objects stand there does not change this attention in "
    "a way that matters."
)
MIRRORS = (
    "One picture is the mirror image of the other, so a preference for a place reads 0 here: a 0 "
    "says that what stands there does not change this attention in a way that matters."
)
WORDS = (
    "Both captions have the same words but one, so a preference for a place reads 0 here: a 0 says "
    "that the word that differs does not change this attention in a way that matters."
)


def patching_figures(table: pd.DataFrame, *, mirrored: bool) -> Iterator[Figure]:
    """By tower: residual stream and heads by role, attention of the pooled query, agreement."""
    drawn = table.assign(
        effect=table["effect"].where(table["exact"], table["attribution"]),
        how=np.where(table["exact"], "patched", "attribution"),
    )
    for encoder in dict.fromkeys(table["encoder"]):
        part = drawn[drawn["encoder"] == encoder]
        if part["layer"].max() < DEEP:
            yield sites_figure(encoder, part)
            yield maps_figure(encoder, part, mirrored=mirrored)
        else:
            yield streams_figure(encoder, part)
            yield heads_figure(encoder, part)
            yield deep_maps_figure(encoder, part, mirrored=mirrored)
        if len(both := compared(table[table["encoder"] == encoder])):
            yield agreement_figure(encoder, both)


def hidden(part: pd.DataFrame) -> list[str]:
    """The columns that hovering shows besides the cell itself."""
    return ["identical"] if part["exact"].all() else ["identical", "how"]


def estimated(part: pd.DataFrame) -> str:
    """What a reader must know of cells that were not patched."""
    return "" if part["exact"].all() else ESTIMATED


def what_is_zero(encoder: str, *, mirrored: bool) -> str:
    """What no effect on attention means, which depends on what clean and corrupted share."""
    if not mirrored:
        return LAYOUTS
    return MIRRORS if encoder == "image" else WORDS


def pooled(encoder: str) -> str | None:
    """The role that embeddings are read from."""
    return {"image": "CLS", "text": "EOT"}.get(encoder)


def sites_figure(encoder: str, part: pd.DataFrame) -> Figure:
    """Residual sites and heads by role, a row for each."""
    part = part[~part["site"].isin(MAP_SITES)]
    places = part.assign(place=[place_of(row) for row in records(part)])
    shown = places[["role", "place", "effect", "direction", *hidden(part)]]
    return Figure(
        key=f"sites-{encoder}",
        title=f"Patching the {encoder} tower: residual stream and heads",
        how_to_read="Each cell is the part of the margin that follows when this activation is "
        "taken from the other run, by position role; 1 is all of it, 0 none." + estimated(part),
        plot=heatmap(shown, x="role", y="place", z="effect", facet="direction", ends=ENDS),
        table=part.drop(columns="how"),
    )


def maps_figure(encoder: str, part: pd.DataFrame, *, mirrored: bool) -> Figure:
    """Attention of the pooled query by head and key role."""
    part = part[(part["direction"] == "denoising") & part["site"].isin(MAP_SITES)]
    rows = part[part["query"] == pooled(encoder)]
    shown = rows.assign(
        head=[head_name(r["layer"], r["head"]) for r in records(rows)], key_role=rows["role"]
    )[["key_role", "head", "effect", "site", *hidden(part)]]
    return Figure(
        key=f"maps-{encoder}",
        title=f"Patching the {encoder} tower: attention of {pooled(encoder)}, denoising",
        how_to_read=f"Each cell is the part of the margin restored when one head's attention "
        f"from {pooled(encoder)} to one role is taken from the clean run. "
        f"{what_is_zero(encoder, mirrored=mirrored)} All query roles are in the table."
        + estimated(part),
        plot=heatmap(shown, x="key_role", y="head", z="effect", facet="site", ends=ENDS),
        table=part.drop(columns="how"),
    )


def streams_figure(encoder: str, part: pd.DataFrame) -> Figure:
    """Residual sites by layer and role."""
    part = part[part["site"].isin(RESIDUAL_SITES)]
    shown = part.assign(panel=part["site"] + ", " + part["direction"])
    shown = shown[["layer", "role", "effect", "panel", *hidden(part)]]
    return Figure(
        key=f"sites-{encoder}",
        title=f"Patching the {encoder} tower: residual stream by layer",
        how_to_read="Each cell is the part of the margin that follows when the residual stream "
        "before a layer (resid_pre) or what its attention writes (attn_out) is taken from the "
        "other run, by layer (across) and position role (down); 1 is all of it, 0 none."
        + estimated(part),
        plot=heatmap(shown, x="layer", y="role", z="effect", facet="panel", ends=ENDS),
        table=part.drop(columns="how"),
    )


def heads_figure(encoder: str, part: pd.DataFrame) -> Figure:
    """Outputs and values of every head by layer and role."""
    part = part[part["site"].isin(HEAD_SITES) & (part["direction"] == "denoising")]
    rows = part[part["site"].isin(SHOWN_SITES)].sort_values(
        "site", key=lambda site: site.map(SHOWN_SITES.index), kind="stable"
    )
    shown = rows.assign(panel=rows["site"] + " at " + rows["role"])
    shown = shown[["layer", "head", "effect", "panel", *hidden(part)]]
    return Figure(
        key=f"heads-{encoder}",
        title=f"Patching the {encoder} tower: heads by layer, denoising",
        how_to_read="Each cell is the part of the margin restored when the output (z) or the "
        "values (v) of one head, by layer (across) and head (down), are taken from the clean run "
        "at the positions of one role; 1 is all of it, 0 none. Queries, keys and the other "
        "direction are in the table." + estimated(part),
        plot=heatmap(shown, x="layer", y="head", z="effect", facet="panel", ends=ENDS),
        table=part.drop(columns="how"),
    )


def deep_maps_figure(encoder: str, part: pd.DataFrame, *, mirrored: bool) -> Figure:
    """Attention of the pooled query by layer, head and key role."""
    part = part[(part["direction"] == "denoising") & (part["query"] == pooled(encoder))]
    shown = part[part["site"] == "pattern"].assign(panel="to " + part["role"])
    shown = shown[["layer", "head", "effect", "panel", *hidden(part)]]
    return Figure(
        key=f"maps-{encoder}",
        title=f"Patching the {encoder} tower: attention of {pooled(encoder)}, denoising",
        how_to_read=f"Each cell is the part of the margin restored when the attention of one head "
        f"from {pooled(encoder)} to one role, by layer (across) and head (down), is taken from "
        f"the clean run. {what_is_zero(encoder, mirrored=mirrored)} Scores before the softmax are "
        "in the table." + estimated(part),
        plot=heatmap(shown, x="layer", y="head", z="effect", facet="panel", ends=ENDS),
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
    if row["head"] is None:
        return f"L{row['layer']} {row['site']}"
    return f"{head_name(row['layer'], row['head'])} {row['site']}"
