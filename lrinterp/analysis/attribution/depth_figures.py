"""The parts of a margin at depth as a reader sees them: a map of heads, bars, roles, patches."""

import pandas as pd

from lrinterp.analysis.attribution.depth_rows import ALL_KEYS, PART, PATCH, VALUE
from lrinterp.analysis.attribution.figures import MARGIN, colours
from lrinterp.analysis.attribution.rows import ALL_HEADS
from lrinterp.charts import bars, heatmap
from lrinterp.result import Figure

__all__ = ["depth_figures", "part_label"]

LARGEST, ROLED = 12, 8
"""Parts with a bar, and heads whose roles are drawn."""
HELD = "the scale of the last norm, the length of the embedding and all attention held"


def depth_figures(table: pd.DataFrame, what: str, grid: tuple[int, int]) -> list[Figure]:
    """The figures of every tower that has parts at depth; the patches of pictures on their grid."""
    towers = table[table["kind"] == PART]["encoder"].unique()
    figures = []
    for encoder in towers:
        own = table[table["encoder"] == encoder]
        figures += [parts_figure(own, encoder, what), heads_figure(own, encoder, what)]
        figures.append(heads_by_role_figure(own, encoder, what))
        if (own["kind"] == PATCH).any():
            figures.append(patches_figure(own, encoder, what, grid))
    return figures


def parts_figure(own: pd.DataFrame, encoder: str, what: str) -> Figure:
    """The largest parts with their intervals."""
    parts = own[own["kind"] == PART]
    kept = parts.loc[parts["value"].abs().sort_values(ascending=False).index[:LARGEST]]
    shown = kept.assign(part=[part_label(row) for row in kept.to_dict("records")])
    shown = shown.rename(columns={"value": MARGIN})
    return Figure(
        key=f"parts-{encoder}",
        title=f"What writes the margin of the {encoder} tower: the largest parts",
        how_to_read="Each bar is one head (L3H1), MLP, embedding or bias, and its length the mean "
        f"over {what} of what it adds to the {encoder} margin, in units of cosine with its 95 % "
        f"interval, {HELD}; these are the {len(kept)} largest of {len(parts)} parts, which add up "
        "to the margin together; a part that does not tell the true order from its swap has an "
        "interval that holds 0, which a few of so many miss by chance.",
        plot=bars(shown[["part", MARGIN, "low", "high"]], x=MARGIN, y="part", exponent=True),
        table=parts,
    )


def heads_figure(own: pd.DataFrame, encoder: str, what: str) -> Figure:
    """Every head, by layer."""
    heads = own[(own["kind"] == PART) & (own["part"] == VALUE)]
    split = heads["head"].str.split("H", expand=True)
    shown = heads.assign(layer=split[0], head="H" + split[1]).rename(columns={"value": MARGIN})
    return Figure(
        key=f"heads-{encoder}",
        title=f"What each head of the {encoder} tower adds to its margin directly",
        how_to_read="Rows are layers, columns the heads of a layer (which have nothing to do with "
        "those of another layer in the same column); a cell is the mean over "
        f"{what} of what the head itself adds to the {encoder} margin, in units of cosine, {HELD}, "
        "without what it does by way of later layers; a head that does not tell the true order "
        "from its swap is near 0, without colour.",
        plot=heatmap(
            shown[["layer", "head", MARGIN, "low", "high"]],
            x="head",
            y="layer",
            z=MARGIN,
            ends=colours(shown[MARGIN]),
        ),
        table=heads,
    )


def heads_by_role_figure(own: pd.DataFrame, encoder: str, what: str) -> Figure:
    """What the strongest heads read, by what stands at the key."""
    whole = own[(own["kind"] == PART) & (own["part"] == VALUE)].set_index("head")["value"]
    names = whole.abs().sort_values(ascending=False).index[:ROLED].tolist()
    direct = own[(own["kind"] == "direct") & (own["role"] != ALL_KEYS)]
    part = pd.concat([direct[direct["head"] == name] for name in names])
    shown = part.rename(columns={"value": MARGIN})
    return Figure(
        key=f"roles-{encoder}",
        title=f"Where the strongest heads of the {encoder} tower read it",
        how_to_read=f"Rows are the {len(names)} heads that move the margin most, columns what "
        f"stands at the key; a cell is the mean over {what} of what the head reads there for the "
        f"{encoder} margin, in units of cosine, attention held, and a row adds up to the head's "
        "part; what does not tell the true order from its swap is near 0, without colour.",
        plot=heatmap(
            shown[["role", "head", MARGIN, "low", "high"]],
            x="role",
            y="head",
            z=MARGIN,
            ends=colours(shown[MARGIN]),
        ),
        table=part,
    )


def patches_figure(own: pd.DataFrame, encoder: str, what: str, grid: tuple[int, int]) -> Figure:
    """What is read from each patch, as a map of the picture."""
    part = own[own["kind"] == PATCH]
    place = part["pixel"].astype(int) - 1
    shown = part.assign(
        row=place // grid[1] + 1,
        column=place % grid[1] + 1,
        head=["all heads" if head == ALL_HEADS else head for head in part["head"]],
    ).rename(columns={"value": MARGIN})
    return Figure(
        key=f"patches-{encoder}",
        title="Where in the picture the heads read it",
        how_to_read="Rows and columns are those of the patches, from the top left of the picture, "
        "panels all heads together and the strongest; a cell is the mean over "
        f"{what} of what is read from that patch for the {encoder} margin, in units of cosine, "
        "attention held; where nothing depends on the order of the objects the map is near 0, "
        "without colour.",
        plot=heatmap(
            shown[["column", "row", MARGIN, "low", "high", "head"]],
            x="column",
            y="row",
            z=MARGIN,
            facet="head",
            ends=colours(shown[MARGIN]),
        ),
        table=part,
    )


def part_label(row: dict) -> str:
    """A part by one name: the head, or what else it is."""
    return row["head"] if row["part"] == VALUE else row["part"]
