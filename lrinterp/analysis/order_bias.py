"""Does a head of the text tower look at the object named first, whatever it is?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import ClassVar, final

import pandas as pd

from lrinterp.analysis.order_bias_mentions import (
    ALL,
    Mentions,
    by_label,
    chosen_heads,
    head_rows,
    mention_attention,
    random_null,
    samples_of,
    sets_of,
)
from lrinterp.analysis.subject import HELD_OUT
from lrinterp.charts import bars, lines, reference
from lrinterp.result import Figure, Metric, Result
from lrinterp.run import Run
from lrinterp.wording import counted, head_name

__all__ = ["OrderBias", "order_bias"]

NO_PREFERENCE = 0.02
"""Difference of attention under which a head is said to prefer neither mention."""
MOST_HEADS = 24
"""Heads in the figure."""
SET_WORDS = {
    ALL: "all captions",
    "seen_pair": "captions of trained labels",
    "unseen_pair": "captions of held-out labels",
    "mixed_pair": "captions of a trained and a held-out label",
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class OrderBias(Result):
    """Attention of [EOT] to the first and the last mention, by head of the text tower."""

    name: ClassVar[str] = "order_bias"
    question: ClassVar[str] = "Does a text head look at the object named first, whatever it is?"
    primary: ClassVar[str] = "bias_head_difference"

    table: pd.DataFrame
    """One row for each template, set of captions and head."""
    labels: pd.DataFrame
    """Mean attention of the bias head to each label, named first and named last."""
    bias_head: str
    """The head with the largest |difference| on `chosen_on`."""
    first_head: str | None
    """The head with the largest difference above 0 there, if any has one."""
    chosen_on: str
    measured_on: str
    null: float
    """Largest |difference| over the heads of untrained models."""
    last: str
    """The role of the last mention: second, or third of three objects."""
    numbers: Mapping[str, Metric]
    """The numbers of both heads on `measured_on`, as `head/template/number`."""

    @property
    def templates(self) -> list[str]:
        """The templates, where there are several."""
        names = [name for name in self.table["template"].unique() if name != ALL]
        return names if len(names) > 1 else []

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The bias head, and the one that prefers the first mention, where they are measured."""
        bias, first = self.bias_head, self.first_head
        side = {"bias_head_side_difference": self.part(bias, "side_difference")}
        return {
            "bias_head": Metric(value=bias, estimator="name"),
            "bias_head_difference": self.part(bias, "difference"),
            "bias_head_consistency": self.same_sign(ALL),
            "bias_head_first_attention": self.part(bias, "first"),
            "bias_head_second_attention": self.part(bias, "second"),
            "null_difference": Metric(value=self.null),
            "first_head": Metric(value=first, estimator="name"),
            "first_head_difference": self.part(first, "difference"),
            "first_head_consistency": self.part(first, "consistency"),
            **{f"bias_head_consistency_{name}": self.same_sign(name) for name in self.templates},
            **(side if self.templates else {}),
        }

    def part(self, head: str | None, name: str, template: str = ALL) -> Metric:
        """One number of the bias head or the first head; without a value for None."""
        return self.numbers.get(f"{head}/{template}/{name}", Metric(value=None))

    def same_sign(self, template: str) -> Metric:
        """Share of captions in which the bias head prefers what it does where it was chosen."""
        name = "consistency" if self.bias_head == self.first_head else "inconsistency"
        return self.part(self.bias_head, name, template)

    def prefers(self, head: str | None) -> bool:
        """Is the difference of a head surely more than what counts as none?"""
        gap = self.part(head, "difference")
        return gap.low is not None and gap.high is not None and max(gap.low, -gap.high) >= self.none

    @property
    def none(self) -> float:
        """The difference of attention below which none counts."""
        return max(NO_PREFERENCE, self.null)

    @property
    def finding(self) -> str:
        """The bias head, and the head that prefers the first mention where that is another."""
        s = self.metrics
        gap = s["bias_head_difference"]
        bias = (
            f"{self.bias_head} gives the object named first {s['bias_head_first_attention']} of "
            f"[EOT]'s attention and the one named {self.last} {s['bias_head_second_attention']}, "
            f"a difference of {gap.phrase} on {SET_WORDS[self.measured_on]} "
            f"({counted(gap.n, 'caption')}, {counted(gap.n_units, 'label')})"
        )
        if not self.prefers(self.bias_head):
            return (
                f"No text head reliably gives one mention {self.none:.2g} more of [EOT]'s "
                f"attention; smaller differences count as none. The largest difference: {bias}."
            )
        side = "first" if self.bias_head == self.first_head else self.last
        share = (
            f"the one named {side} gets more in {s['bias_head_consistency'].phrase} of the captions"
        )
        return f"{bias}; {share}.{self._named_first()}{self._by_template()}"

    def _named_first(self) -> str:
        if self.first_head == self.bias_head:
            return ""
        if not self.prefers(self.first_head):
            return " No head reliably prefers the object named first."
        gap, share = (self.metrics[f"first_head_{x}"] for x in ("difference", "consistency"))
        return (
            f" Of the heads that prefer the object named first, {self.first_head} does so most: "
            f"by {gap.phrase}, in {share.phrase} of the captions."
        )

    def _by_template(self) -> str:
        if not self.templates:
            return ""
        parts = {name: self.part(self.bias_head, "difference", name) for name in self.templates}
        gaps = [f"{gap.phrase} with “{name}”" for name, gap in parts.items()]
        return (
            f" The difference of {self.bias_head} is {' and '.join(gaps)}; to the left object "
            f"minus the right one it gives {self.metrics['bias_head_side_difference'].phrase}."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """How heads were chosen, what one template cannot tell, the null, and depth."""
        chosen, measured = SET_WORDS[self.chosen_on], SET_WORDS[self.measured_on]
        return (
            f"Heads are chosen on {chosen} and measured on {measured}"
            + ("." if chosen != measured else ON_THEMSELVES),
            "Attention says where [EOT] looks; what the embedding takes from there depends on the "
            "values too.",
            "Intervals are 95 %: each label is left out in turn. They do not cover other training "
            "seeds, between which heads change places.",
            f"{NULL} Here it is {self.null:.2g}.",
            *([] if self.templates else [ONE_TEMPLATE]),
            *([MANY] if self.last != "second" else []),
            *([DEEP] if self.table["layer"].max() else []),
        )

    def figures(self) -> tuple[Figure, ...]:
        """Difference by head, and attention of the bias head by label."""
        return (heads_figure(self), labels_figure(self))


ON_THEMSELVES = ", because there are no others: the largest difference is partly chance."
NULL = (
    "The null is the largest |difference| over all heads of models of random weights (fresh ones "
    "where there is a recipe, else this tower's weights in random order; 20, or 3 of large "
    f"towers) on the same captions. It is easy to exceed, so a difference under {NO_PREFERENCE} "
    "counts as none even where it exceeds the null."
)
ONE_TEMPLATE = (
    "All relation captions have one template, so the object named first always stands on the same "
    "side: order of mention and side cannot be told apart."
)
MANY = "With more than two objects “second” is the one named last; those between are left out."
DEEP = (
    "Above the first layer a position holds more than its own word: attention to it is not "
    "attention to that object alone."
)


def heads_figure(result: OrderBias) -> Figure:
    """What each head gives the first mention more than the last one."""
    here = result.table["set"] == result.measured_on
    rows = result.table[here & result.table["template"].isin(result.templates or [ALL])]
    said = {name: f"captions with “{name}”" for name in result.templates}
    table = pd.DataFrame(
        {
            "head": list(map(head_name, rows["layer"], rows["head"])),
            "of": rows["template"].map({ALL: "all captions", **said}),
            "difference of attention": rows["difference"],
            **{name: rows[name] for name in ("low", "high", "n")},
        }
    )
    size = table["difference of attention"].abs().groupby(table["head"]).max()
    plot = bars(
        table[table["head"].isin(size.nlargest(MOST_HEADS).index)],
        x="difference of attention",
        y="head",
        facet="of" if result.templates else None,
        highlight=result.bias_head,
        mark="dot",
    )
    reached = f" (models of random weights reach {result.null:.1g})"
    return Figure(
        key="heads",
        title=f"Attention to the object named first minus the one named {result.last}",
        how_to_read="Each dot is one head of the text tower: the share of [EOT]'s attention that "
        f"the object named first gets more than the one named {result.last}, mean over "
        f"{SET_WORDS[result.measured_on]} with a 95 % interval; left of 0 it gets less, and in the "
        f"shaded band a difference counts as none{reached}.",
        plot=reference(plot, (-result.none, result.none), "counts as none"),
        table=table,
    )


def labels_figure(result: OrderBias) -> Figure:
    """What the bias head gives each label, by mention."""
    held = result.labels[result.labels["group"] == HELD_OUT]["label"].unique()
    words = f" ({', '.join(held)} are held out of the pairs in training)" if len(held) else ""
    return Figure(
        key="labels",
        title=f"Attention of {result.bias_head} to each label, named first or {result.last}",
        how_to_read=f"Across: labels{words}; up: the mean share of [EOT]'s attention that the "
        f"label gets over all captions that name it first or {result.last}; for a head that looks "
        "at labels regardless of their place the two lines coincide.",
        plot=reference(lines(result.labels, x="label", y="attention", by="named"), 0.0, "none"),
        table=result.labels,
    )


def order_bias(recording: Run, *, seed: int = 0) -> OrderBias:
    """Compare what each head of the text tower gives the first and the last mention of an object.

    difference = attention of [EOT] to the first mention minus that to the last one, mean over
    relation captions; consistency = share of captions in which the first gets more, ties 1/2;
    side_difference = attention to the left object minus the right one. The heads of the summary
    are chosen on captions of trained labels and measured on held-out ones. The null is the largest
    |difference| of untrained models. Source: arXiv 2601.12809.
    Raises NotApplicable where no caption states a relation.
    """
    mentions = Mentions.of(recording.examples)
    attention = mention_attention(recording.towers["text"], mentions)
    table = pd.DataFrame(list(head_rows(attention, mentions)))
    chosen_on, measured_on = sets_of(recording.examples)
    bias, first = chosen_heads(table[(table["template"] == ALL) & (table["set"] == chosen_on)])
    about = {"unit": "label", "examples": recording.examples.caption_fingerprint}
    heads, templates = dict.fromkeys((bias, first or bias)), (ALL, *recording.examples.templates)
    numbers = {}
    for head, template in product(heads, templates):
        samples = samples_of(attention[head], mentions, template, measured_on)
        share = samples["consistency"]
        samples["inconsistency"] = replace(share, top=share.bottom - share.top)
        place = f"{head_name(*head)}/{template}"
        numbers |= {f"{place}/{k}": Metric.of_sample(one, **about) for k, one in samples.items()}
    return OrderBias(
        table=table,
        labels=by_label(attention[bias], mentions),
        bias_head=head_name(*bias),
        first_head=None if first is None else head_name(*first),
        chosen_on=chosen_on,
        measured_on=measured_on,
        null=random_null(recording.model, mentions.of_set(measured_on), seed),
        last=mentions.names[1],
        numbers=numbers,
    )
