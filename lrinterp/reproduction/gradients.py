"""The horizontal gradient: whose position it is made of, and which models have one."""

from collections.abc import Mapping

import pandas as pd

from lrinterp.analysis.positional_gradient_rows import WHOLE
from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.section import Drawing, Section
from lrinterp.reproduction.statistics import Found
from lrinterp.reproduction.tables import blanked, named, over_seeds, told_apart
from lrinterp.result import Metric, records
from lrinterp.wording import counted, plain_number

__all__ = ["gradients"]

NUMBERS = HEAD, SLOPE, SPAN = (
    "positional_gradient.headline_head",
    "positional_gradient.headline_slope",
    "positional_gradient.widest_span",
)
TERMS = {"EP": "EP (raw)", "PP": "PP (raw)", "bP": "bP (raw)"}
KEYS = ("spearman_EP", "spearman_PP", "spearman_bP", "span_both_1", "span_few", "order_few")


def gradients(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Positional rows of headline heads, turned so that key-position rises to the right."""
    rows = headline_rows(measures)
    spans = widest_spans(measures)
    numbers = {key: found[key].metric for key in KEYS}
    return Section(
        name="gradients",
        question="Which models have a horizontal gradient, and which terms make it?",
        found=finding(spans, numbers),
        notes=(
            "A model's headline head is the one whose key-position costs most order when it is "
            "flattened, or the steepest where none costs any. Heads and their signs differ between "
            "seeds: every row is turned so that key-position rises to the right.",
            "Key-position is in the canonical gauge and is a fact about the model; its split into "
            "EP, PP and bP is as the weights stand, and depends on the scales of the first ones.",
            "Rows are shown less their mean: a constant along a row cancels in the softmax. EE, PE "
            "and bE depend on what stands at a pixel and not on where, and have no such row.",
        ),
        numbers=numbers,
        table=rows,
        drawings=(drawn_rows(rows), drawn_spans(spans), *drawn_terms(rows)),
    )


def headline_rows(measures: Measures) -> pd.DataFrame:
    """Centred rows of every model's headline head by term and pixel, turned to rise."""
    parts, everything = [], measures.tables["positional_gradient"]
    for arm in measures.arms:
        heads, slopes = measures.rows(arm, HEAD)["text"], measures.number(arm, SLOPE)
        rows = everything[everything["arm"] == arm]
        rows = rows[rows["head"] == rows["seed"].map(heads)]
        whole = (rows["gauge"] != "raw") & (rows["term"] == WHOLE)
        raw = (rows["gauge"] == "raw") & rows["term"].isin(list(TERMS))
        rows = rows[whole | raw]
        sign = 1.0 - 2.0 * (rows["seed"].map(slopes) < 0)
        centred = rows["value"] - rows.groupby(["seed", "gauge", "term"])["value"].transform("mean")
        term = rows["term"].map({**TERMS, WHOLE: "key-position"})
        parts.append(rows.assign(term=term, value=sign * centred))
    return pd.concat(parts)[["arm", "seed", "head", "term", "pixel", "value"]]


def widest_spans(measures: Measures) -> pd.DataFrame:
    """The widest key-position span of every model."""
    rows = measures.numbers[measures.numbers["key"] == SPAN]
    return rows[["arm", "seed", "value"]].rename(columns={"value": "span"})


def drawn_rows(rows: pd.DataFrame) -> Drawing:
    whole = rows[rows["term"] == "key-position"]
    table = named(whole).rename(columns={"value": "score (logits)"})
    table = table[["arm", "seed", "pixel", "score (logits)", "head"]]
    return Drawing(
        key="rows",
        title="Key-position along the row of pixels, every seed",
        how_to_read="Each line is the headline head of one model: what the pooled token's score "
        "gains, in logits, from a key standing at that pixel; without a gradient a line lies flat "
        f"({seeds_of(whole)} an arm, weights alone).",
        expected="a line that rises evenly where order is learnt, and flat lines where it is "
        "learnt partly or not at all",
        came=spoken_slopes(whole),
        kind="lines",
        table=table,
        options={"x": "pixel", "y": "score (logits)", "by": "seed", "facet": "arm"},
    )


def spoken_slopes(whole: pd.DataFrame) -> str:
    """From end to end, mean over the seeds of each arm."""
    ends = whole.groupby(["arm", "seed"], sort=False)["value"].agg(lambda v: v.iloc[-1] - v.iloc[0])
    means = named(ends.groupby("arm", sort=False).mean().reset_index())
    if means.empty:
        return "nothing measured"
    return "from end to end, on average, " + ", ".join(
        f"{row.value:.2g} logits ({row.arm})" for row in means.itertuples()
    )


def drawn_spans(spans: pd.DataFrame) -> Drawing:
    means = over_seeds(named(spans), ["arm"], "span")
    table = means.rename(columns={"span": "span (logits)", "n": "seeds"})
    return Drawing(
        key="spans",
        title="Widest span of key-position of any head",
        how_to_read="Each dot is the mean over seeds of the widest span, in logits, with its 95 % "
        f"interval ({seeds_of(spans)}); under 0.1 counts as no gradient.",
        expected="under 0.1 in models that learn order partly or not at all",
        came=", ".join(f"{row.span:.3g} ({row.arm})" for row in means.itertuples()),
        kind="bars",
        table=table,
        options={"x": "span (logits)", "y": "arm", "mark": "dot"},
    )


def drawn_terms(rows: pd.DataFrame) -> list[Drawing]:
    """The mean rows of standard models by term; cells that are not told from 0 are blank."""
    own = rows[rows["arm"] == "standard"]
    if own.empty:
        return []
    means = told_apart(own, ["term", "pixel"])
    table, words = blanked(means)
    table = table.rename(columns={"value": "score (logits)", "n": "seeds"})
    order = ["key-position", *TERMS.values()]
    table = table.iloc[table["term"].map(order.index).argsort(kind="stable")]
    return [
        Drawing(
            key="terms",
            title="Which term makes the gradient, standard models",
            how_to_read="Each cell is the mean over seeds of what a term gives the score of a "
            f"pixel, in logits, less the term's mean over the row ({seeds_of(own)}); {words}.",
            expected="EP alone rises from left to right, PP is symmetric, bP has no trend",
            came=", ".join(spoken_term(means, term) for term in order[1:]),
            kind="heatmap",
            table=table,
            options={"x": "pixel", "y": "term", "z": "score (logits)"},
        )
    ]


def spoken_term(means: pd.DataFrame, term: str) -> str:
    """From the first pixel to the last."""
    values = means.loc[means["term"] == term, "value"].tolist()
    return f"{term} from {plain_number(values[0])} to {plain_number(values[-1])} logits"


def seeds_of(rows: pd.DataFrame) -> str:
    """How many seeds some rows have."""
    return counted(rows["seed"].nunique(), "seed")


def finding(spans: pd.DataFrame, numbers: dict[str, Metric]) -> str:
    """Spans by arm, and how monotone the raw terms are."""
    means = over_seeds(named(spans), ["arm"], "span")
    by_arm = ", ".join(f"{row['arm']} {Metric.of(row, 'span').phrase}" for row in records(means))
    rho = ", ".join(f"{key[-2:]} {numbers[key].phrase}" for key in KEYS[:3])
    return (
        f"Widest span of key-position in logits, mean over seeds: {by_arm}. In standard models the "
        f"|Spearman| of raw terms along the row of the headline head is {rho}."
    )
