"""The parts of a margin as a reader sees them: bars, maps, lines and points from one long table."""

import numpy as np
import pandas as pd

from lrinterp.analysis.similarity_attribution_pictures import views
from lrinterp.analysis.similarity_attribution_rows import (
    ALL_HEADS,
    ALL_KEYS,
    DIRECT,
    DIRECT_PATH,
    NONE,
    PART,
    PATCH,
    SPLIT,
    THROUGH,
    VALUE,
)
from lrinterp.charts import Chart, bars, heatmap, lines, scatter
from lrinterp.decomposition import TERMS
from lrinterp.result import Figure

__all__ = ["NO_MARGIN", "margin_figure", "table_figures"]

LARGEST, ROLED, MOST_POINTS = 12, 8, 400
"""Parts with a bar, heads whose roles are drawn, points of a panel."""
NO_MARGIN = 1e-3
"""A mean margin, in units of cosine, that is too small to tell orders apart."""
IN_WORDS = {ALL_HEADS: "all heads"}
"""Heads as they stand at an axis, where that is not their name."""
FACETS = {"E": "content E", "P": "position P", "b": "bias b"}
MARGIN = "margin (cosine)"
HELD = "the scale of the last norm, the length of the embedding and all attention held"


def table_figures(table: pd.DataFrame, what: str, grid: tuple[int, int]) -> list[Figure]:
    """The direct parts of every tower, where in the picture they are read, and the path."""
    figures = []
    for encoder in table[table["kind"] == PART]["encoder"].unique():
        own = table[table["encoder"] == encoder]
        figures += [parts_figure(own, encoder, what)]
        figures += [heads_figure(own, encoder, what)] if len(whole_heads(own)) > ROLED else []
        figures += [roles_figure(own, encoder, what)]
    patches, through = (table[table["kind"] == kind] for kind in (PATCH, THROUGH))
    objects = patches[patches["role"] != NONE]
    if len(objects):
        figures.append(pixels_figure(objects))
    elif len(patches):
        figures.append(patches_figure(patches, what, grid))
    return [*figures, *([split_figure(through), terms_figure(through)] if len(through) else [])]


def parts_figure(own: pd.DataFrame, encoder: str, what: str) -> Figure:
    """The largest parts with their intervals."""
    parts = own[own["kind"] == PART]
    kept = parts.loc[parts["value"].abs().sort_values(ascending=False).index[:LARGEST]]
    names = kept["head"].where(kept["head"] != DIRECT_PATH, kept["part"])
    return Figure(
        key=f"parts-{encoder}",
        title=f"What writes the margin of the {encoder} tower: the largest parts",
        how_to_read="Each bar is one head (L3H1), MLP, embedding or bias, and its length the mean "
        f"over {what} of what it adds to the {encoder} margin, in units of cosine with its 95 % "
        f"interval, {HELD}; these are the {len(kept)} largest of {len(parts)} parts, which add up "
        "to the margin together; a part that does not tell the true order from its swap has an "
        "interval that holds 0 (of many such intervals, one in twenty misses 0 by chance).",
        plot=bars(
            for_drawing(kept.assign(part=names), "part", MARGIN, "low", "high"),
            x=MARGIN,
            y="part",
            exponent=True,
        ),
        table=parts,
    )


def heads_figure(own: pd.DataFrame, encoder: str, what: str) -> Figure:
    """Every head, by layer."""
    heads = whole_heads(own)
    split = heads["head"].str.split("H", expand=True)
    return Figure(
        key=f"heads-{encoder}",
        title=f"What each head of the {encoder} tower adds to its margin directly",
        how_to_read="Rows are layers, columns the heads of a layer (unrelated to those of other "
        f"layers in the same column); a cell is the mean over {what} of what the head itself adds "
        f"to the {encoder} margin, in units of cosine, {HELD}, without what it does by way of "
        "later layers; a head that does not tell the true order from its swap is near 0, without "
        "colour.",
        plot=margin_map(heads.assign(layer=split[0], head="H" + split[1]), x="head", y="layer"),
        table=heads,
    )


def roles_figure(own: pd.DataFrame, encoder: str, what: str) -> Figure:
    """What the strongest heads read, by what stands at the key and by part of the value."""
    names = (
        whole_heads(own).set_index("head")["value"].abs().sort_values(ascending=False).index[:ROLED]
    )
    direct = own[(own["kind"] == DIRECT) & (own["role"] != ALL_KEYS)]
    part = direct[direct["head"].isin(names)]
    return Figure(
        key=f"roles-{encoder}",
        title=f"What the heads of the {encoder} tower read for its margin, attention held",
        how_to_read=f"Rows are the {len(names)} heads that move the margin most, columns what is "
        f"at the key, panels the part of the value that is read; a cell is the mean over {what} "
        f"of what the head reads there for the {encoder} margin, in units of cosine, and all "
        "cells of a head add up to its part; what does not tell the true order from its swap is "
        "near 0, without colour.",
        plot=margin_map(
            part.assign(panel=part["part"].map(FACETS)), x="role", y="head", facet="panel"
        ),
        table=part,
    )


def patches_figure(patches: pd.DataFrame, what: str, grid: tuple[int, int]) -> Figure:
    """What is read from each patch, as a map of the picture."""
    place = patches["pixel"].astype(int) - 1
    return Figure(
        key="patches",
        title="Where in the picture the heads read it",
        how_to_read="Rows and columns are those of the patches, from the top left of the picture, "
        "panels all heads together and the strongest; a cell is the mean over "
        f"{what} of what is read from that patch for the image margin, in units of cosine, "
        "attention held; where nothing depends on the order of the objects the map is near 0, "
        "without colour.",
        plot=margin_map(
            patches.assign(row=place // grid[1] + 1, column=place % grid[1] + 1),
            x="column",
            y="row",
            facet="head",
        ),
        table=patches,
    )


def pixels_figure(objects: pd.DataFrame) -> Figure:
    """What is read from the objects by the pixel they stand at."""
    return Figure(
        key="pixels",
        title="What is read from an object by its position, attention held",
        how_to_read="Each line is the left-hand or the right-hand object, up is its mean "
        "contribution to the image margin in units of cosine with a 95 % band, across the pixel "
        "that it stands at, one panel for all heads together and for each of the strongest; "
        "without a preference for places the lines lie flat, and at 0 for a head that contributes "
        "nothing.",
        plot=lines(
            for_drawing(
                objects.assign(object=objects["role"]),
                "pixel",
                MARGIN,
                "low",
                "high",
                "object",
                "head",
            ),
            x="pixel",
            y=MARGIN,
            by="object",
            facet="head",
            exponent=True,
        ),
        table=objects,
    )


def split_figure(through: pd.DataFrame) -> Figure:
    """Key-position and key-content through the attention of each head."""
    part = through[through["part"].isin(tuple(SPLIT))]
    heads = part["encoder"] + " tower, " + part["head"].replace(IN_WORDS)
    named = part.assign(scores=part["part"], head=heads)
    return Figure(
        key="split",
        title="What moves the margin through attention: the position of a key, and its content",
        how_to_read="Each bar is the part of the mean margin, in units of cosine with its 95 % "
        "interval, that key-position (EP+PP+bP) or key-content (EE+PE+bE) makes by way of one "
        "head's attention on the path from uniform attention to the model's own; a head whose "
        "attention does not matter to order is at 0.",
        plot=bars(
            for_drawing(named, "scores", "head", MARGIN, "low", "high"),
            x=MARGIN,
            y="head",
            facet="scores",
            exponent=True,
        ),
        table=part,
    )


def terms_figure(through: pd.DataFrame) -> Figure:
    """The nine terms through the attention of each head."""
    part = through[through["part"].isin(TERMS)]
    return Figure(
        key="terms",
        title="The same by term of the scores, canonical gauge",
        how_to_read="Rows are heads, columns the nine terms of their scores (first letter: query, "
        "second: key; E token, P position, b bias); a cell is the part of the mean margin, in "
        "units of cosine, that the term makes by way of the head's attention, and 0 where it does "
        "nothing, as Eb, Pb and bb, which are the same for all keys.",
        plot=margin_map(
            part.assign(tower=part["encoder"] + " tower", term=part["part"]),
            x="term",
            y="head",
            facet="tower",
        ),
        table=part,
    )


def margin_figure(pictures: pd.DataFrame, head: str, prefers: str, seed: int = 0) -> Figure:
    """Margin against the attention that one head gives the object on the side it prefers."""
    other = {"right": "left", "left": "right"}[prefers]
    across = f"attention difference, {prefers}-hand minus {other}-hand object"
    parts = []
    for view in list(views(pictures, head, prefers))[:2]:
        kept = np.sort(np.random.default_rng(seed).permutation(len(view.frame))[:MOST_POINTS])
        points = view.frame.iloc[kept].join(pictures["picture"]).assign(view=view.name)
        parts.append(points.rename(columns={"gain": across, "margin": MARGIN}))
    return Figure(
        key="pictures",
        title=f"Margin of each picture against the preference of {head}",
        how_to_read=f"Each point is a picture, or a picture and its swap (at most {MOST_POINTS} a "
        f"panel, drawn at random): across the attention that {head} gives the {prefers}-hand "
        f"object minus that of the {other}-hand one, up the margin in units of cosine, below 0 "
        "where the wrong caption wins; labels alone may make the points of the first panel rise "
        "or fall, those of the second do so only where the preference goes with the margin.",
        plot=scatter(
            pd.concat(parts)[["picture", across, MARGIN, "view"]],
            x=across,
            y=MARGIN,
            facet="view",
            exponent=True,
        ),
        table=pictures,
    )


def for_drawing(part: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The columns that are drawn, the value named and heads in words."""
    return part.rename(columns={"value": MARGIN}).replace({"head": IN_WORDS})[[*columns]]


def margin_map(part: pd.DataFrame, *, x: str, y: str, facet: str | None = None) -> Chart:
    """A heatmap of margins on a scale that shows no colour where there is none."""
    shown = for_drawing(part, x, y, MARGIN, "low", "high", *([facet] if facet else []))
    top = max(NO_MARGIN, float(shown[MARGIN].abs().max()))
    return heatmap(shown, x=x, y=y, z=MARGIN, facet=facet, ends=(-top, top))


def whole_heads(own: pd.DataFrame) -> pd.DataFrame:
    """The heads among the parts, each as a whole."""
    return own[(own["kind"] == PART) & (own["part"] == VALUE)]
