"""Which heads, positions and parts of the value vectors make the margin?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.attribution.attention_path import COMPLETE, summed
from lrinterp.analysis.attribution.figures import margin_figure, table_figures
from lrinterp.analysis.attribution.margin_pictures import (
    BOTH_ORDERS,
    FLATTENED,
    OVERALL,
    PERMUTED,
    WITHIN,
    correlations,
    picture_table,
)
from lrinterp.analysis.attribution.margins_apart import MISSED, Apart, all_apart
from lrinterp.analysis.attribution.rows import largest, margin_metrics, margin_rows
from lrinterp.analysis.attribution.words import BOTH_TEMPLATES, caveats_of, finding_of
from lrinterp.analysis.contrast import over_templates
from lrinterp.analysis.subject import SET_WORDS, focus, unit_of
from lrinterp.decomposition import KEY_POSITION
from lrinterp.metric import joined
from lrinterp.result import Check, Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run
from lrinterp.scenes.examples import Swap
from lrinterp.wording import head_name

__all__ = ["SimilarityAttribution", "similarity_attribution"]

MAY_BE_EMPTY = {"relative_error": float, "completeness_error": float, "nodes": "Int64"}
"""Columns of errors that may hold nothing."""
CHECKS = {
    "reconstruction": ("sum of the parts minus the margin of the model", MISSED),
    "completeness": ("sum through attention minus what attention changes", COMPLETE),
}
"""What is computed twice, and how large a difference is let pass."""
SPEARMAN = {
    "margin_gain": OVERALL,
    "both_orders": BOTH_ORDERS,
    "within_pairs": WITHIN,
    "null": OVERALL + PERMUTED,
    "within_null": WITHIN + PERMUTED,
    "flattened": OVERALL + FLATTENED,
}
"""Correlations by the end of their summary key."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityAttribution(Result):
    """Parts of the margin with attention held and through attention, and margins by picture.

    Only towers of one attention-only layer without norm have parts through attention.
    """

    name: ClassVar[str] = "similarity_attribution"
    question: ClassVar[str] = (
        "Which heads, positions and parts of the value vectors make the margin?"
    )

    table: pd.DataFrame
    """Means over examples by encoder, kind, head, role, part and pixel, with intervals."""
    errors: pd.DataFrame
    """By encoder: reconstruction error, the same relative to the largest margin, completeness error
    and points of the path (none at depth), n."""
    measured: Mapping[str, Metric]
    """By tower: margin, its split, largest contribution, errors; the correlations."""
    pictures: pd.DataFrame
    """By picture: margin, and for each head the attention of the right-hand object minus that of
    the left-hand one; empty without the image tower."""
    head: str
    """The head of the correlation: its key-position moves the margin most. Empty without one."""
    prefers: str
    """The side it attends to more, `right` or `left`; its gain counts towards that side."""
    focus: str
    swap: Swap
    """How a caption is turned into its reverse."""
    grid: tuple[int, int]
    """Rows and columns of the pixels or patches behind CLS."""
    notes: tuple[str, ...]

    def rows(self, **wanted: str) -> list[dict[str, Any]]:
        """The table rows with some columns as given."""
        return [row for row in records(self.table) if wanted.items() <= row.items()]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """By tower: margin, its split, largest contribution, errors; the correlations."""
        return self.measured

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return "image_margin"

    @property
    def finding(self) -> str:
        """The split and the largest contribution of the first tower, and the correlations."""
        encoder = self.errors["encoder"].tolist()[0]
        most = largest(self.rows(encoder=encoder))
        return finding_of(self.metrics, encoder, most, self.head, self.prefers)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is held, what is a choice, and what a correlation is."""
        worst = self.errors.max(numeric_only=True)
        said = caveats_of(worst, self.metrics, self.swap, self.head, self.prefers)
        return (*said, *self.notes)

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Parts, heads, roles and places; through attention where there is a path; by picture."""
        figures = table_figures(self.table, SET_WORDS[self.focus], self.grid)
        if self.head:
            figures.append(margin_figure(self.pictures, self.head, self.prefers))
        return tuple(figures)

    @property
    def checks(self) -> tuple[Check, ...]:
        """By tower: the parts against the model's margin, and the completeness of the path."""
        return tuple(
            Check(
                key=f"{row['encoder']}_{name}",
                what=f"{row['encoder']} tower: {what}, in units of cosine",
                value=row[f"{name}_error"],
                bound=bound,
            )
            for row in records(self.errors)
            for name, (what, bound) in CHECKS.items()
            if row[f"{name}_error"] is not None  # a tower without a path has no completeness
        )


def similarity_attribution(
    recording: Run, *, examples: int = 2000, seed: int = 0
) -> SimilarityAttribution:
    """Take the margins of both towers apart: by head, role and value part, and by score term.

    Margins as in `activation_patching`, in units of cosine, for at most `examples` pictures of the
    focus set, drawn with `seed`; with two templates, their mean. Direct, for towers of any depth:
    the summands of v . w / |v|, with attention, the scale of the last norm and |v| held. For one
    attention-only layer without norm also through attention: integrated gradients over the centred
    scores of the pooled query; and by picture: Spearman's rho of the image margin and the attention
    that one head gives the right-hand object over the left-hand one. Sources: Elhage et al. 2021
    ("A mathematical framework for transformer circuits") for the sum; Sundararajan et al. 2017
    (arXiv 1703.01365) for the gradients.

    Raises NotApplicable where fewer than two pictures were recorded with their swap, or neither
    tower is such a sum (positions that are not added, a norm other than LayerNorm). Cost: about
    3 s for 900 pictures of one layer; at depth one forward pass.
    """
    found, notes = all_apart(over_templates(recording, examples, seed))
    if not found:
        raise NotApplicable(" ".join(notes))
    rows, measured = [], {}
    for one in found.values():
        own = margin_rows(one)
        rows += own
        measured = joined(measured, margin_metrics(one, own))
    seen, more = by_picture(found.get("image"), seed)
    rows += more
    if more:
        unit = unit_of(focus(recording.examples))
        measured = joined(measured, spearman(more, seen["head"], unit))
    templates = recording.examples.templates
    return SimilarityAttribution(
        table=pd.DataFrame(rows).astype(dict.fromkeys(("pixel", "n", "n_units"), "Int64")),
        errors=pd.DataFrame([one.errors for one in found.values()]).astype(MAY_BE_EMPTY),
        measured=measured,
        **seen,
        focus=focus(recording.examples),
        swap=recording.examples.caption_swap,
        grid=recording.examples.grid,
        notes=(*notes, *([BOTH_TEMPLATES] if len(templates) > 1 else [])),
    )


def by_picture(image: Apart | None, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Margins beside the attention of one head, as fields, and the rows of their correlations.

    Of the image tower where its margin has a path of attention, else nothing.
    """
    if not image or not (path := image.path):
        return {"pictures": pd.DataFrame(), "head": "", "prefers": ""}, []
    by_position = summed(path.by_term, KEY_POSITION).mean(0)
    head = head_name(0, int(abs(by_position).argmax()))
    pictures = picture_table(image.contrast, path.margin, path.attention)
    flattened = picture_table(image.contrast, path.flat_margin, path.flat_attention)
    prefers = "right" if pictures[head].mean() >= 0 else "left"
    rows = correlations(pictures, flattened, head, prefers, seed)
    return {"pictures": pictures, "head": head, "prefers": prefers}, list(rows)


def spearman(rows: list[dict[str, Any]], head: str, unit: str) -> dict[str, Metric]:
    """The head, and the correlations by summary key."""
    rho = {row["part"]: Metric.of(row, estimator="correlation", unit=unit) for row in rows}
    named = {f"spearman_{key}": rho[part] for key, part in SPEARMAN.items()}
    return {"spearman_head": Metric(value=head, estimator="name"), **named}
