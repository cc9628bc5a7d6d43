"""Figures of the shares of attention scores: by term, by layer, by head and by part."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from lrinterp.analysis.attention_terms_shares import BIAS, NINE, PARTS, SPLIT
from lrinterp.charts import Chart, heatmap
from lrinterp.decomposition import TERMS
from lrinterp.result import Attention, Figure
from lrinterp.wording import head_name

__all__ = ["deep_figures", "rows_figure", "shares_figure", "text_figure"]

SHARE = "share of variance"
POSITION = list(SPLIT)[1]
MOST_LAYERS = 4
"""Layers up to which every part has its own column."""
OF_LAYER = {r"^(L\d+)(H\d+| b_O)$": r"\1 heads", " mlp$": " MLP"}
"""The parts of one layer's attention as one: L3H1 and L3 b_O are L3 heads, L3 mlp is L3 MLP."""
CONVENTION = "Layer 0 in the canonical gauge, layers above it in the dataset-mean basis."


def shares_figure(nine: pd.DataFrame, gauge: str, *, deep: bool) -> Figure:
    """The nine terms by head of the first layer, in one gauge."""
    part = nine[(nine["gauge"] == gauge) & nine["term"].isin(TERMS)].dropna(subset=["head"])
    places = zip(part["layer"].tolist(), part["head"].tolist(), strict=True)
    return Figure(
        key=f"shares-{gauge}",
        title="Share of the attention scores by term, "
        f"{'first layer, ' if deep else ''}{gauge} gauge",
        how_to_read="One row a head, one column a term (first letter: query, second: key; E "
        "token, P position, b bias); a cell is the term's share of the variance of the pooled "
        "row's scores, 0 where the term does nothing.",
        plot=share_map(part, x="term", y="head", head=[head_name(*place) for place in places]),
        table=part.rename(columns={"value": "share"}),
    )


def deep_figures(table: pd.DataFrame) -> tuple[Figure, ...]:
    """Terms by layer, key-position by layer and head, and who wrote the keys of each layer."""
    nine = table[(table["split"] == NINE) & (table["gauge"] != "raw")]
    return (layers_figure(nine), heads_figure(nine), parts_figure(table[table["split"] == PARTS]))


def layers_figure(nine: pd.DataFrame) -> Figure:
    """The nine terms by layer, over all heads."""
    part = nine[nine["head"].isna() & nine["term"].isin(TERMS)]
    return Figure(
        key="layers",
        title="Share of the attention scores by layer and term, all heads",
        how_to_read="One row a layer, one column a term (first letter: query, second: key; E "
        "content, P position, b constant); a cell is the term's share of the variance of the "
        f"pooled row's scores, 0 where the term does nothing. {CONVENTION}",
        plot=share_map(part, x="term", y="layer"),
        table=part.rename(columns={"value": "share"}),
    )


def heads_figure(nine: pd.DataFrame) -> Figure:
    """Key-position by layer and head."""
    part = nine[nine["term"] == POSITION].dropna(subset=["head"])
    return Figure(
        key="heads",
        title="Key-position in the attention scores, by layer and head",
        how_to_read="One row a layer, one column a head; a cell is the share of the variance of "
        "the head's pooled row that comes from where the key is, 0 for a head that does not look "
        f"at positions. {CONVENTION}",
        plot=share_map(part, x="head", y="layer", head=[f"H{head}" for head in part["head"]]),
        table=part.rename(columns={"value": "share"}),
    )


def parts_figure(parts: pd.DataFrame) -> Figure:
    """Who wrote the keys of each layer; the heads of a layer together where layers are many."""
    part = parts[parts["head"].isna()]
    together = part["layer"].max() >= MOST_LAYERS
    named = part.assign(part=part["term"].replace(OF_LAYER if together else {}, regex=True))
    names = named.sort_values("layer", kind="stable")["part"].unique()
    shown = (
        named.groupby(["encoder", "layer", "part"])["value"]
        .sum(min_count=1)
        .unstack("part")[[*names[names != BIAS], BIAS]]
        .reset_index()
        .melt(["encoder", "layer"])
    )
    return Figure(
        key="parts",
        title="Who wrote the keys: share of the attention scores by earlier component, all heads",
        how_to_read="One row a layer that attends, one column a component that wrote into its keys"
        f"{' (heads of a layer together, with its output bias)' if together else ''}; a cell is "
        "the component's share of the variance of the pooled row's scores, 0 where it tells no "
        "key from another, blank where it comes later.",
        plot=share_map(shown, x="part", y="layer", ends=None),
        table=part.rename(columns={"value": "share", "term": "part"}),
    )


def rows_figure(rows: pd.DataFrame, nine: pd.DataFrame) -> Figure:
    """Mean rows of the image tower, of the layer whose scores owe most to position."""
    layer = layer_of_position(nine)
    part = rows.query("gauge != 'raw' and encoder == 'image' and layer == @layer")
    gauge = "canonical gauge" if layer == 0 else "dataset-mean basis"
    grid = any("," in name for name in part["position"])
    patches = " (row, column of the patch, from the top left)" if grid else ""
    chosen = f" in layer {layer}, whose scores owe most to position of all layers" if layer else ""
    content = (
        ""
        if grid or layer
        else " Key-content averages out here, because every label takes every position in turn; "
        "its size is in the shares above."
    )
    return Figure(
        key="rows",
        title=f"What each head of the image tower adds at each position, {gauge}",
        how_to_read="Mean score in logits that the pooled token gives to each key position"
        f"{patches}{chosen}, centred along the row and averaged over pictures; a head without "
        f"positional preference reads 0 in key-position.{content}",
        plot=heatmap(
            part.rename(columns={"value": "logits"}),
            x="position",
            y="head",
            z="logits",
            facet="part",
        ),
        table=part,
    )


def layer_of_position(nine: pd.DataFrame) -> int:
    """The layer of the image tower with the largest share of key-position, all heads."""
    whole = nine.query("encoder == 'image' and gauge != 'raw' and term == @POSITION")
    shares = whole[whole["head"].isna()].dropna(subset=["value"]).set_index("layer")["value"]
    return int(shares.index.to_numpy()[shares.to_numpy().argmax()]) if len(shares) else 0


def text_figure(
    pattern: Float[np.ndarray, "head query key"], words: tuple[str, ...], layer: int
) -> Figure:
    """Attention of one layer of the text tower on one caption."""
    heads = [head_name(layer, head) for head in range(len(pattern))]
    places = pd.MultiIndex.from_product([heads, words, words], names=["head", "query", "key"])
    return Figure(
        key="text",
        title=f"Attention of the text tower on “{' '.join(words[1:-1])}”"
        f"{', last layer' if layer else ''}",
        how_to_read="Each square is one head: rows are the tokens that look, columns the "
        "tokens looked at, a stronger colour is more attention; the last row, [EOT], is what "
        "the caption's embedding is read from. Choose a head to enlarge it, hover to read a "
        "value.",
        plot=Attention(
            component="AttentionHeads",
            props={
                "attention": np.round(pattern, 4).tolist(),
                "tokens": list(words),
                "attentionHeadNames": heads,
                "maskUpperTri": True,
            },
        ),
        table=places.to_frame(index=False).assign(attention=pattern.reshape(-1)),
    )


def share_map(
    part: pd.DataFrame,
    *,
    x: str,
    y: str,
    ends: tuple[float, float] | None = (-1.0, 1.0),
    **shown: list[str],
) -> Chart:
    """Shares by tower; `shown` are columns in other words, towers and layers at an axis always."""
    named = {"encoder": [f"{name} tower" for name in part["encoder"]], **shown}
    if y == "layer":
        named["layer"] = [f"L{layer}" for layer in part["layer"]]
    frame = part.assign(**named).rename(columns={"value": SHARE})
    return heatmap(frame, x=x, y=y, z=SHARE, facet="encoder", ends=ends)
