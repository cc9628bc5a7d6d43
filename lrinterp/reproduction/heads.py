"""What heads look at: the gradient along the row of pixels, and the object named first."""

from collections.abc import Mapping

import pandas as pd

from lrinterp.analysis.positional_gradient_rows import WHOLE
from lrinterp.charts import bars, heatmap, lines, reference
from lrinterp.experiment.numbers import ORDER
from lrinterp.experiment.section import Section, captioned
from lrinterp.reproduction.claim_statistics import Found, blanked, over_seeds, told_apart
from lrinterp.reproduction.measured_models import Measures, in_arm_order
from lrinterp.result import Figure, Metric, records
from lrinterp.stats import COSINE, SHARE
from lrinterp.wording import counted, plain_number

__all__ = ["NUMBERS", "gradients", "text_heads"]

GRADIENTS = HEAD, SLOPE, SPAN = (
    "positional_gradient.headline_head",
    "positional_gradient.headline_slope",
    "positional_gradient.widest_span",
)
TERMS = {"EP": "EP (raw)", "PP": "PP (raw)", "bP": "bP (raw)"}
GRADIENT_KEYS = (
    "spearman_EP",
    "spearman_PP",
    "spearman_bP",
    "span_both_1",
    "span_few",
    "order_few",
)
HEADS = {
    "order_bias.first_head_difference": ["attention, first minus second"],
    "order_bias.first_head_consistency": ["share of captions, first over second"],
}
HEAD_ARMS = ("standard", "both_1", "both_2", "shuffled", "untrained")
ORDER_ARMS = ("standard", "both_1", "both_2")
NUMBERS = (*GRADIENTS, *HEADS)


def gradients(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Positional rows of headline heads, turned so that key-position rises to the right."""
    rows = headline_rows(measures)
    numbers = {key: found[key].metric for key in GRADIENT_KEYS}
    widest = measures.numbers[measures.numbers["key"] == SPAN]
    spans = widest[["arm", "seed", "value"]].rename(columns={"value": "span"})
    means = over_seeds(in_arm_order(spans), ["arm"], "span")
    by_arm = ", ".join(f"{row['arm']} {Metric.of(row, 'span').phrase}" for row in records(means))
    rho = ", ".join(f"{key[-2:]} {numbers[key].phrase}" for key in GRADIENT_KEYS[:3])
    return Section(
        name="gradients",
        question="Which models have a horizontal gradient, and which terms make it?",
        finding=f"Widest span of key-position in logits, mean over seeds: {by_arm}. In standard "
        f"models the |Spearman| of raw terms along the row of the headline head is {rho}.",
        caveats=(
            "A model's headline head is the one whose key-position costs most order when it is "
            "flattened, or the steepest where none costs any. Heads and their signs differ between "
            "seeds: every row is turned so that key-position rises to the right.",
            "Key-position is in the canonical gauge and is a fact about the model; its split into "
            "EP, PP and bP is that of the raw weights, and depends on their initial scales.",
            "Rows are shown less their mean: a constant along a row cancels in the softmax. EE, PE "
            "and bE depend on what stands at a pixel and not on where, and have no such row.",
        ),
        metrics=numbers,
        table=rows,
        drawn=(drawn_rows(rows), drawn_spans(means, seeds_of(spans)), *drawn_terms(rows)),
    )


def headline_rows(measures: Measures) -> pd.DataFrame:
    """Centred rows of every model's headline head by term and pixel, turned to rise."""
    parts, everything = [], measures.tables["positional_gradient"]
    for arm in measures.arms:
        heads, slopes = measures.rows(arm, HEAD)["text"], measures.number(arm, SLOPE)
        rows = everything[everything["arm"] == arm]
        own = rows["head"] == rows["seed"].map(heads)
        whole = (rows["gauge"] != "raw") & (rows["term"] == WHOLE)
        raw = (rows["gauge"] == "raw") & rows["term"].isin(list(TERMS))
        rows = rows[own & (whole | raw)]
        sign = 1.0 - 2.0 * (rows["seed"].map(slopes) < 0)
        centred = rows["value"] - rows.groupby(["seed", "gauge", "term"])["value"].transform("mean")
        words = rows["term"].map({**TERMS, WHOLE: "key-position"})
        parts.append(rows.assign(term=words, value=sign * centred))
    return pd.concat(parts)[["arm", "seed", "head", "term", "pixel", "value"]]


def drawn_rows(rows: pd.DataFrame) -> Figure:
    """Key-position along the row of pixels, a line a model."""
    whole = rows[rows["term"] == "key-position"]
    table = in_arm_order(whole).rename(columns={"value": "score (logits)"})
    table = table[["arm", "seed", "pixel", "score (logits)", "head"]]
    ends = whole.groupby(["arm", "seed"], sort=False)["value"].agg(lambda v: v.iloc[-1] - v.iloc[0])
    means = in_arm_order(ends.groupby("arm", sort=False).mean().reset_index())
    rises = ", ".join(f"{row['value']:.2g} logits ({row['arm']})" for row in records(means))
    return captioned(
        Figure(
            key="rows",
            title="Key-position along the row of pixels, every seed",
            how_to_read="Each line is the headline head of one model: what the pooled token's "
            "score gains, in logits, from a key standing at that pixel; without a gradient a line "
            f"lies flat ({seeds_of(whole)} an arm, weights alone).",
            plot=lines(table, x="pixel", y="score (logits)", by="seed", facet="arm"),
            table=table,
        ),
        expected="a line that rises evenly where order is learnt, and flat lines where it is "
        "learnt partly or not at all",
        observed=f"from end to end, on average, {rises}" if rises else "nothing measured",
    )


def drawn_spans(means: pd.DataFrame, seeds: str) -> Figure:
    """The widest span of any head, by arm."""
    table = means.rename(columns={"span": "span (logits)", "n": "seeds"})
    return captioned(
        Figure(
            key="spans",
            title="Widest span of key-position of any head",
            how_to_read="Each dot is the mean over seeds of the widest span, in logits, with its "
            f"95 % interval ({seeds}); under 0.1 counts as no gradient.",
            plot=bars(table, x="span (logits)", y="arm", mark="dot"),
            table=table,
        ),
        expected="under 0.1 in models that learn order partly or not at all",
        observed=", ".join(f"{row['span']:.3g} ({row['arm']})" for row in records(means)),
    )


def drawn_terms(rows: pd.DataFrame) -> list[Figure]:
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
        captioned(
            Figure(
                key="terms",
                title="Which term makes the gradient, standard models",
                how_to_read="Each cell is the mean over seeds of what a term gives the score of a "
                f"pixel, in logits, less the term's mean over the row ({seeds_of(own)}); {words}.",
                plot=heatmap(table, x="pixel", y="term", z="score (logits)"),
                table=table,
            ),
            expected="EP alone rises from left to right, PP is symmetric, bP has no trend",
            observed=", ".join(spoken_term(means, term) for term in order[1:]),
        )
    ]


def spoken_term(means: pd.DataFrame, term: str) -> str:
    """From the first pixel to the last."""
    values = means.loc[means["term"] == term, "value"].tolist()
    return f"{term} from {plain_number(values[0])} to {plain_number(values[-1])} logits"


def seeds_of(rows: pd.DataFrame) -> str:
    """How many seeds some rows have."""
    return counted(rows["seed"].nunique(), "seed")


def text_heads(measures: Measures, found: Mapping[str, Found]) -> Section:
    """The head that prefers the first mention, by arm; order with both templates."""
    table = measures.long(HEADS, ["measure"])
    orders = measures.long({ORDER: ()}, [], ORDER_ARMS)
    keys = ("first_difference", "first_consistency", "order_both_1", "order_both_2")
    numbers = {key: found[key].metric for key in keys}
    heads = measures.sample("order_bias.first_head_difference", "caption")
    models = measures.sample(ORDER, "picture")
    return Section(
        name="text_heads",
        question="Does a text head look at the object named first, and when is that not enough?",
        finding="In standard models the head that prefers the first mention most, chosen on "
        f"captions of trained labels, gives it {numbers['first_difference'].phrase} more of "
        "[EOT]'s attention than the second on captions of held-out labels, and more than the "
        f"second in {numbers['first_consistency'].phrase} of these captions. Trained on both "
        f"templates, swap accuracy is {numbers['order_both_1'].phrase} with one text layer and "
        f"{numbers['order_both_2'].phrase} with two.",
        caveats=(
            "Among several heads one always prefers the first mention more than the others: "
            "compare with the untrained models. It is chosen on captions of trained labels and "
            "measured on those of held-out ones. Models in which no head prefers the first are "
            "left out, and an arm may have fewer seeds for it.",
            "With two text layers the second reads mixtures of words, not words.",
        ),
        metrics=numbers,
        table=table,
        drawn=(
            *([drawn_heads(table, heads)] if table["arm"].isin(HEAD_ARMS).any() else []),
            *([drawn_orders(orders, models)] if len(orders) else []),
        ),
    )


def drawn_heads(table: pd.DataFrame, sample: str) -> Figure:
    """The preference for the first mention, by arm."""
    means = over_seeds(in_arm_order(table, HEAD_ARMS), ["measure", "arm"], scale=COSINE)
    own = records(means[means["arm"] == "standard"])
    said = [f"{row['measure']} {Metric.of(row).phrase} in standard models" for row in own]
    shown = means.rename(columns={"value": "mean", "n": "seeds"})
    return captioned(
        Figure(
            key="heads",
            title="The text head that prefers the object named first",
            how_to_read="Each dot is the mean over seeds, with its 95 % interval, of the head's "
            "attention from [EOT] to the first mention minus that to the second, and of the share "
            f"of captions in which the first gets more (standard models: {sample}, of held-out "
            "labels); without a preference they are 0 and 0.5.",
            plot=bars(shown, x="mean", y="arm", facet="measure", mark="dot"),
            table=shown,
        ),
        expected="a large difference, the same in all captions, in models that learn order",
        observed="; ".join(said) or "not measured",
    )


def drawn_orders(orders: pd.DataFrame, sample: str) -> Figure:
    """Order by templates and text layers."""
    means = over_seeds(in_arm_order(orders, ORDER_ARMS), ["arm"], scale=SHARE)
    shown = means.rename(columns={"value": "order", "n": "seeds"})
    return captioned(
        Figure(
            key="orders",
            title="Swap accuracy on held-out pairs with one template and with both",
            how_to_read="Each dot is the mean swap accuracy over seeds with its 95 % interval "
            f"({sample}); 0.5 is chance.",
            plot=reference(bars(shown, x="order", y="arm", mark="dot"), 0.5, "chance"),
            table=shown,
        ),
        expected="chance with both templates and one text layer, high order with two",
        observed=", ".join(f"{Metric.of(row).phrase} ({row['arm']})" for row in records(means)),
    )
