"""The parts of a margin as a reader sees them: maps, bars, lines and points from one long table."""

import numpy as np
import pandas as pd

from lrinterp.analysis.attribution.margin_pictures import views
from lrinterp.analysis.attribution.rows import ALL_HEADS, SPLIT
from lrinterp.charts import bars, heatmap, lines, scatter
from lrinterp.decomposition import TERMS
from lrinterp.result import Figure

__all__ = [
    "NO_MARGIN",
    "margin_figure",
    "pixels_figure",
    "roles_figures",
    "split_figure",
    "terms_figure",
]

MOST_POINTS = 400
NO_MARGIN = 1e-3
"""A mean margin, in units of cosine, that is too small to tell orders apart."""
FACETS = {"E": "token E", "P": "position P", "b": "bias b", "b_O": "bias b", "b_U": "bias b"}
"""Panel of each part; the biases of the direct path stand in one cell."""
MARGIN = "margin (cosine)"


def roles_figures(table: pd.DataFrame, what: str) -> list[Figure]:
    """Direct contributions of each tower by head, role and value part, on one scale."""
    direct = table[table["kind"] == "direct"]
    shown = direct.assign(panel=[FACETS[part] for part in direct["part"]])
    places = ["encoder", "panel", "head", "role"]
    cells = shown.groupby(places, sort=False)["value"].sum().rename(MARGIN).reset_index()
    ends = colours(cells[MARGIN])
    return [
        Figure(
            key=f"roles-{encoder}",
            title=f"What the {encoder} tower reads for its margin, attention held",
            how_to_read="Rows are heads and the direct path beside them, columns what stands at "
            "the key, panels the part of the value that is read (biases of the direct path are "
            "b_O and b_U); a cell is the mean contribution to the margin in units of cosine over "
            f"{what}, all cells add up to the mean margin, and what does not tell the true order "
            "from its swap is 0.",
            plot=heatmap(
                cells[cells["encoder"] == encoder].drop(columns="encoder"),
                x="role",
                y="head",
                z=MARGIN,
                facet="panel",
                ends=ends,
            ),
            table=direct[direct["encoder"] == encoder],
        )
        for encoder in direct["encoder"].unique()
    ]


def split_figure(table: pd.DataFrame) -> Figure:
    """Key-position and key-content through the attention of each head."""
    part = through(table, tuple(SPLIT))
    heads = zip(part["encoder"], heads_in_words(part), strict=True)
    shown = part.assign(head=[f"{encoder} tower, {head}" for encoder, head in heads])
    shown = shown.rename(columns={"value": MARGIN, "part": "scores"})
    return Figure(
        key="split",
        title="What moves the margin through attention: where a key stands, and what it is",
        how_to_read="Each bar is the part of the mean margin, in units of cosine with its 95 % "
        "interval, that key-position (EP+PP+bP) or key-content (EE+PE+bE) makes by way of one "
        "head's attention on the path from uniform attention to the model's own; a head whose "
        "attention does not matter to order is at 0.",
        plot=bars(
            shown[["scores", "head", MARGIN, "low", "high"]],
            x=MARGIN,
            y="head",
            facet="scores",
            exponent=True,
        ),
        table=part,
    )


def terms_figure(table: pd.DataFrame) -> Figure:
    """The nine terms through the attention of each head."""
    part = through(table, TERMS)
    shown = part.assign(
        head=heads_in_words(part),
        tower=[f"{name} tower" for name in part["encoder"]],
    ).rename(columns={"part": "term", "value": MARGIN})
    return Figure(
        key="terms",
        title="The same by term of the scores, canonical gauge",
        how_to_read="Rows are heads, columns the nine terms of their scores (first letter: query, "
        "second: key; E token, P position, b bias); a cell is the part of the mean margin, in "
        "units of cosine, that the term makes by way of the head's attention, and 0 where it does "
        "nothing, as Eb, Pb and bb, which are the same for all keys.",
        plot=heatmap(
            shown[["term", "head", MARGIN, "tower"]],
            x="term",
            y="head",
            z=MARGIN,
            facet="tower",
            ends=colours(shown[MARGIN]),
        ),
        table=part,
    )


def pixels_figure(table: pd.DataFrame) -> Figure:
    """Direct contributions of the objects by the pixel they stand at."""
    part = table[table["kind"] == "direct by pixel"]
    shown = part.rename(columns={"value": MARGIN, "role": "object"})
    return Figure(
        key="pixels",
        title="What is read from an object by where it stands, attention held",
        how_to_read="Each line is the left-hand or the right-hand object, up is its mean "
        "contribution to the image margin in units of cosine with a 95 % band, across the pixel "
        "that it stands at, one panel a head; without a preference for places the lines lie flat, "
        "and for a head that plays no part at 0.",
        plot=lines(
            shown[["pixel", MARGIN, "low", "high", "object", "head"]],
            x="pixel",
            y=MARGIN,
            by="object",
            facet="head",
            exponent=True,
        ),
        table=part,
    )


def margin_figure(pictures: pd.DataFrame, head: str, prefers: str, seed: int = 0) -> Figure:
    """Margin against the attention that one head gives the object on the side it prefers."""
    other = {"right": "left", "left": "right"}[prefers]
    across = f"attention, {prefers}-hand minus {other}-hand object"
    names = pictures["picture"].to_numpy()
    parts = []
    for view in list(views(pictures, head, prefers))[:2]:
        kept = np.sort(np.random.default_rng(seed).permutation(len(view.gain))[:MOST_POINTS])
        points = {"picture": names[view.rows], across: view.gain, MARGIN: view.margin}
        parts.append(pd.DataFrame(points).iloc[kept].assign(view=view.name))
    return Figure(
        key="pictures",
        title=f"Margin of each picture against the preference of {head}",
        how_to_read=f"Each point is a picture, or a picture and its swap (at most {MOST_POINTS} a "
        f"panel, drawn at random): across the attention that {head} gives the {prefers}-hand "
        f"object minus that of the {other}-hand one, up the margin in units of cosine, below 0 "
        "where the wrong caption wins; labels alone may make the points of the first panel rise "
        "or fall, those of the second do so only where the preference goes with the margin.",
        plot=scatter(pd.concat(parts), x=across, y=MARGIN, facet="view", exponent=True),
        table=pictures,
    )


def colours(margins: pd.Series) -> tuple[float, float]:
    """Ends of a scale that shows no colour where there is no margin."""
    top = max(NO_MARGIN, float(margins.abs().max()))
    return -top, top


def through(table: pd.DataFrame, parts: tuple[str, ...]) -> pd.DataFrame:
    """Rows of some parts through attention."""
    return table[(table["kind"] == "through attention") & table["part"].isin(parts)]


def heads_in_words(part: pd.DataFrame) -> list[str]:
    """Heads as they stand at an axis."""
    return ["all heads" if head == ALL_HEADS else head for head in part["head"]]
