"""Do the attention scores rise from left to right, and does the right object gain by it?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import pandas as pd
import torch

from lrinterp.analysis.gradient_fit import (
    PERMUTATIONS,
    TERM_SETS,
    UNTRAINED_MODELS,
    WHOLE,
    PositionalRows,
    fit_row,
    permuted_null,
    positional_rows,
    untrained_null,
)
from lrinterp.analysis.subject import SET_WORDS, decomposable, focus, head_name
from lrinterp.analysis.term_ablation import TermAblation
from lrinterp.charts import bars, lines
from lrinterp.recording import Recording
from lrinterp.result import Figure, Result, Scalar, records
from lrinterp.stats import mean_interval
from lrinterp.wording import counted, signed

__all__ = ["PositionalGradient", "positional_gradient"]

NO_GRADIENT = 0.1
"""Span in logits under which a head is said to have no gradient."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PositionalGradient(Result):
    """Straight-line fits to the positional rows of every head, and attention gained."""

    name: ClassVar[str] = "positional_gradient"
    question: ClassVar[str] = "Do the attention scores rise from left to right?"

    table: pd.DataFrame
    """Fits by head, term and gauge; attention gained beside the canonical EP+PP+bP rows."""
    rows: pd.DataFrame
    """The fitted values themselves: logits by gauge, term, head and pixel."""
    null: str
    """`untrained` or `permuted`."""
    headline: int
    """The head that the summary speaks of."""
    headline_by: str
    """How it was chosen."""
    focus: str
    normed: bool
    """Does LayerNorm scale the rows by picture?"""
    layers: int
    """Layers of the image tower; only the first is fitted."""

    @property
    def has_gradient(self) -> bool:
        """Does the headline span exceed both what counts as a gradient and its null?"""
        row = self.fit_of(self.headline)
        return row["span"] >= max(NO_GRADIENT, row["null_span"])

    def fit_of(self, head: int, term: str = WHOLE, gauge: str = "canonical") -> dict[str, Any]:
        """The table row of one head, term and gauge."""
        wanted = {"head": head, "term": term, "gauge": gauge}
        return next(row for row in records(self.table) if wanted.items() <= row.items())

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The headline head: its name, slope, span, and the attention the right object gains."""
        row = self.fit_of(self.headline)
        gained = {"low": row["gain_low"], "high": row["gain_high"]}
        gain = Scalar.of(row | gained, "attention_gain")
        return {
            "headline_head": Scalar(value=head_name(0, self.headline)),
            "headline_slope": Scalar(value=row["slope"]),
            "headline_span": Scalar(value=row["span"]),
            "headline_spearman": Scalar(value=row["spearman"]),
            "null_slope": Scalar(value=row["null_high"]),
            "null_span": Scalar(value=row["null_span"]),
            "right_object_attention_gain": gain,
        }

    @property
    def finding(self) -> str:
        """The gradient of the headline head against its null."""
        row, gain = self.fit_of(self.headline), self.summary["right_object_attention_gain"]
        side = "right" if row["slope"] > 0 else "left"
        rho = "undefined" if row["spearman"] is None else signed(row["spearman"], 2)
        verdict = (
            f"rises towards the {side} by {abs(row['slope']):.2f} logits a pixel"
            if self.has_gradient
            else "has no gradient to speak of"
        )
        return (
            f"Key-position in {head_name(0, self.headline)} ({self.headline_by}) {verdict}: the "
            f"fitted line spans {row['span']:.3g} logits over the row, Spearman {rho}. "
            f"{NULL_WORDS[self.null]} {row['null_span']:.2g} logits. Attention to the right-hand "
            f"object minus attention to the left-hand one is {gain.phrase} "
            f"({counted(gain.n, 'picture')}, {counted(gain.n_clusters, 'label pair')})."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """Exactness, sign, gauge and the size of the null."""
        return (
            NORMED if self.normed else EXACT,
            "Heads may disagree in sign, and the sign of a head differs between training seeds.",
            "In the canonical gauge CLS carries no position part, so PP is 0 and EP + bP is all of "
            "key-position; in the raw gauge the same rows divide as initialisation left them.",
            f"{NULL_WORDS[self.null]} {self.fit_of(self.headline)['null_span']:.2g} logits. That "
            f"is easy to beat, so a span under {NO_GRADIENT} logits counts as no gradient even "
            "where it exceeds the null.",
            *([DEEP] if self.layers > 1 else []),
        )

    def frame(self) -> pd.DataFrame:
        """The fits."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Positional rows in both gauges, and the attention gained."""
        return (self._rows("canonical"), self._rows("raw"), self._gains())

    def _rows(self, gauge: str) -> Figure:
        terms = [WHOLE] if gauge == "canonical" else list(TERM_SETS)
        part = self.rows[(self.rows["gauge"] == gauge) & self.rows["term"].isin(terms)]
        shown = part.rename(columns={"value": "score (logits)"})[
            ["pixel", "score (logits)", "head", "term"]
        ]
        what, height = GAUGE_WORDS[gauge]
        null = self.fit_of(self.headline, gauge=gauge)["null_span"]
        return Figure(
            key=f"rows-{gauge}",
            title=f"Score of each pixel's position, {gauge} gauge: {what}",
            how_to_read="Each line is one head: what the pooled token's score gains, in logits, "
            f"from a key standing at that pixel; the accented head is "
            f"{head_name(0, self.headline)}. Without a gradient a line lies flat (null span "
            f"{null:.2g} logits).{height}",
            plot=lines(
                shown,
                x="pixel",
                y="score (logits)",
                by="head",
                facet="term" if len(terms) > 1 else None,
                highlight=head_name(0, self.headline),
            ),
            table=part,
        )

    def _gains(self) -> Figure:
        part = self.table[(self.table["term"] == WHOLE) & (self.table["gauge"] == "canonical")]
        table = pd.DataFrame(
            {
                "head": [head_name(0, h) for h in part["head"]],
                "attention gained": part["attention_gain"],
                "low": part["gain_low"],
                "high": part["gain_high"],
            }
        )
        chosen = head_name(0, self.headline)
        return Figure(
            key="gain",
            title="Attention the right-hand object gains over the left-hand one",
            how_to_read="Each bar is the weight of the right-hand object minus that of the "
            f"left-hand one in the pooled row, mean over {SET_WORDS[self.focus]} with a 95 % "
            "interval; 0 is no preference, a negative bar prefers the left.",
            plot=bars(table, x="attention gained", y="head", highlight=chosen),
            table=table,
        )


EXACT = "Slopes depend on weights alone and are exact for this model: they have no interval."
NORMED = (
    "LayerNorm scales rows by picture: the fitted row is their mean, and it depends on the gauge."
)
DEEP = "Only the first layer is decomposed; later layers may add gradients of their own."
GAUGE_WORDS = {
    "canonical": ("key-position", ""),
    "raw": (
        "EP, PP, bP and their sum as the weights stand",
        " The height of a line means nothing, only its slope does: a constant along the row "
        "cancels in the softmax.",
    ),
}
NULL_WORDS = {
    "untrained": f"The null, the steepest head of {UNTRAINED_MODELS} untrained models, spans",
    "permuted": f"The null, the 95 % quantile of the steepest head when the pixels of these rows "
    f"change places at random ({PERMUTATIONS:,} times), spans",
}


def positional_gradient(
    recording: Recording, *, term_ablation: TermAblation, seed: int = 0
) -> PositionalGradient:
    """Fit a line to EP, PP, bP and their sum over the pixels, for each head of the image tower.

    Slope (logits a pixel), span = |slope| x (pixels - 1), range, R^2, Spearman rho, the null's
    largest |slope| (`null_high`) and span. The headline is the head whose key-position removal
    costs most order, where an interval excludes 0, otherwise the one with the largest |slope|.
    With LayerNorm rows differ by picture: their mean is fitted.
    Source: arXiv 2601.12809, section 4. Raises NotApplicable where the tower cannot be split.
    """
    tower = decomposable(recording, "image")
    examples = recording.examples.of(focus(recording.examples))
    tokens = recording.model.prepare(examples)["image"]
    rows = positional_rows(tower, tokens, examples.occurs["image"])
    null, highs = (
        permuted_null(rows, seed)
        if recording.model.config is None
        else untrained_null(recording.model, tokens, examples.occurs["image"])
    )
    gains = attention_gains(recording)
    fits = pd.DataFrame(list(fitted(rows, highs, null, gains)))
    fits = fits.astype({"n": "Int64", "n_clusters": "Int64"})
    slopes = [fit_row(row)["slope"] for row in rows["canonical", WHOLE]]
    headline, chosen_by = choose(term_ablation.order_lost, slopes)
    return PositionalGradient(
        table=fits,
        rows=pd.DataFrame(list(long_rows(rows))),
        null=null,
        headline=headline,
        headline_by=chosen_by,
        focus=examples.image_set[0],
        normed=tower.cfg.normalization_type is not None,
        layers=tower.cfg.n_layers,
    )


def fitted(
    rows: PositionalRows,
    highs: dict[tuple[str, str], float],
    null: str,
    gains: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """One table row for each gauge, term and head."""
    for (gauge, term), values in rows.items():
        for head, row in enumerate(values):
            place = {"encoder": "image", "layer": 0, "head": head, "term": term, "gauge": gauge}
            high = highs[gauge, term]
            against = {"null": null, "null_high": high, "null_span": high * (len(row) - 1)}
            gained = (
                gains[head] if (gauge, term) == ("canonical", WHOLE) else dict.fromkeys(gains[0])
            )
            yield {**place, **fit_row(row), **against, **gained}


def attention_gains(recording: Recording) -> list[dict[str, Any]]:
    """By head of the first layer: weight of the right minus weight of the left object."""
    examples = recording.examples
    index = examples.where(focus(examples))
    pattern = recording.site("image", "blocks.0.attn.hook_pattern")[torch.from_numpy(index), :, 0]
    pixels = torch.from_numpy(examples.image_pixels[index]).to(pattern.device) + 1
    rows = torch.arange(len(index), device=pattern.device)
    gain = pattern[rows, :, pixels[:, -1]] - pattern[rows, :, pixels[:, 0]]
    clusters = examples.image_label_set[index]
    intervals = [mean_interval(g, clusters) for g in gain.cpu().double().numpy().T]
    return [
        {
            "attention_gain": i.value,
            "gain_low": i.low,
            "gain_high": i.high,
            "n": i.n,
            "n_clusters": i.n_clusters,
        }
        for i in intervals
    ]


def choose(order_lost: Mapping[int, Scalar], slopes: Sequence[float]) -> tuple[int, str]:
    """The headline head and why, from the order that each head's removal costs, and its slope."""
    lost = {h: s for h, s in order_lost.items() if s.low is not None and s.low > 0}
    if lost:
        best = max(lost, key=lambda head: lost[head].value)  # type: ignore[arg-type, return-value]
        return best, "its removal costs most order"
    steepest = max(range(len(slopes)), key=lambda head: abs(slopes[head]))
    if all(lost.low is None for lost in order_lost.values()):
        return steepest, "the largest |slope|: one label pair gives no interval of the order lost"
    return steepest, "the largest |slope|: no head's removal costs order beyond its interval"


def long_rows(rows: PositionalRows) -> Iterator[dict[str, Any]]:
    """The fitted values as a long table, pixels counted from 1."""
    for (gauge, term), values in rows.items():
        for head, row in enumerate(values):
            for pixel, value in enumerate(row.tolist(), start=1):
                place = {"gauge": gauge, "term": term, "head": head_name(0, head)}
                yield {**place, "pixel": pixel, "value": value}
