"""Which heads, positions and parts of the value vectors make the margin?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.attribution.attention_path import COMPLETE
from lrinterp.analysis.attribution.figures import direct_figures, margin_figure, path_figures
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
from lrinterp.analysis.attribution.rows import (
    DIRECT,
    margin_metrics,
    margin_rows,
)
from lrinterp.analysis.attribution.words import (
    BOTH_TEMPLATES,
    SAME_MEAN,
    correlated_caveat,
    correlation_words,
    direct_caveats,
    finding_words,
    path_caveats,
)
from lrinterp.analysis.contrast import over_templates
from lrinterp.analysis.subject import SET_WORDS, focus, unit_of
from lrinterp.metric import joined
from lrinterp.result import Check, Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run
from lrinterp.scenes.examples import Swap
from lrinterp.wording import head_name

__all__ = ["SimilarityAttribution", "similarity_attribution"]

CHECKS = {"relative_error": float, "completeness_error": float, "nodes": "Int64"}
"""Columns that may hold nothing."""
ERRORS = ("reconstruction_error", "relative_error", "completeness_error")
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
    """By summary key: the margins and what makes them, with their samples."""
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

    def largest(self, encoder: str) -> dict[str, Any]:
        """The direct contribution of largest magnitude, by head, role and part."""
        return max(self.rows(encoder=encoder, kind=DIRECT), key=lambda row: abs(row["value"]))

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """By tower: margin, its split, largest contribution, errors; the correlations."""
        towers = [self._of_tower(check) for check in records(self.errors)]
        return joined(*towers, self._correlations() if self.head else {})

    def _of_tower(self, check: dict[str, Any]) -> dict[str, Metric]:
        encoder, largest = check["encoder"], self.largest(check["encoder"])
        place = f"{largest['head']} {largest['role']} {largest['part']}"
        own = {key: m for key, m in self.measured.items() if key.startswith(f"{encoder}_")}
        chosen = {
            f"{encoder}_largest_contribution": Metric(value=place, estimator="name"),
            f"{encoder}_largest_value": Metric.of(
                largest, estimator="mean", unit=unit_of(self.focus)
            ),
        }
        errors = {
            f"{encoder}_{error}": Metric(value=check[error], n=check["n"])
            for error in ERRORS
            if check[error] is not None
        }
        return joined(own, chosen, errors)

    def _correlations(self) -> dict[str, Metric]:
        about = {"estimator": "correlation", "unit": unit_of(self.focus)}
        rho = {row["part"]: Metric.of(row, **about) for row in self.rows(kind="correlation")}
        head = {"spearman_head": Metric(value=self.head, estimator="name")}
        return joined(head, {f"spearman_{key}": rho[part] for key, part in SPEARMAN.items()})

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return "image_margin"

    @property
    def finding(self) -> str:
        """The split and the largest contribution of the first tower, and the correlations."""
        encoder, found = self.errors["encoder"].tolist()[0], self.metrics
        more = correlation_words(found, self.head, self.prefers) if self.head else ""
        return finding_words(found, encoder, self.largest(encoder), more)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is held, what is a choice, and what a correlation is."""
        worst = self.errors.max(numeric_only=True)
        said = [*direct_caveats(worst["reconstruction_error"], worst["relative_error"])]
        if self.errors["nodes"].notna().any():
            said += path_caveats(worst["completeness_error"], int(worst["nodes"]))
        said.append(SAME_MEAN[self.swap])
        if self.head:
            said.append(correlated_caveat(self.metrics, self.head, self.prefers))
        return (*said, *self.notes)

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Parts, heads, roles and places; through attention where there is a path; by picture."""
        direct = direct_figures(self.table, SET_WORDS[self.focus], self.grid)
        figures = [*direct, *path_figures(self.table)]
        if self.head:
            figures.append(margin_figure(self.pictures, self.head, self.prefers))
        return tuple(figures)

    @property
    def checks(self) -> tuple[Check, ...]:
        """By tower: the parts against the model's margin, and the completeness of the path."""
        return tuple(check for row in records(self.errors) for check in checks_of(row))


def checks_of(row: dict[str, Any]) -> Iterator[Check]:
    """The errors of one tower as checks; one without a path has no completeness."""
    bounds = {"reconstruction": MISSED, "completeness": COMPLETE}
    what = {
        "reconstruction": "sum of the parts minus the margin of the model",
        "completeness": "sum through attention minus what attention changes",
    }
    for name, bound in bounds.items():
        if (value := row[f"{name}_error"]) is not None:
            said = f"{row['encoder']} tower: {what[name]}, in units of cosine"
            yield Check(key=f"{row['encoder']}_{name}", what=said, value=value, bound=bound)


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
    pairs = over_templates(recording, examples, seed)
    found, checks, notes = all_apart(pairs)
    if not found:
        raise NotApplicable(" ".join(notes))
    rows = [row for one in found.values() for row in margin_rows(one.contrast, one.parts, one.path)]
    seen = by_picture(found.get("image"), seed)
    return SimilarityAttribution(
        table=pd.DataFrame([*rows, *seen.rows]).astype(
            dict.fromkeys(("pixel", "n", "n_units"), "Int64")
        ),
        errors=pd.DataFrame(checks).astype(CHECKS),
        measured=joined(
            *(margin_metrics(one.contrast, one.parts, one.path) for one in found.values())
        ),
        pictures=seen.pictures,
        head=seen.head,
        prefers=seen.prefers,
        focus=focus(recording.examples),
        swap=recording.examples.caption_swap,
        grid=recording.examples.grid,
        notes=(*notes, *([BOTH_TEMPLATES] if len(recording.examples.templates) > 1 else [])),
    )


@dataclass(frozen=True)
class ByPicture:
    """Margins beside the attention of one head, and the rows of their correlations."""

    pictures: pd.DataFrame = field(default_factory=pd.DataFrame)
    head: str = ""
    prefers: str = ""
    rows: tuple[dict[str, Any], ...] = ()


def by_picture(image: Apart | None, seed: int) -> ByPicture:
    """Of the image tower where its margin has a path of attention, else nothing."""
    if not image or not (path := image.path):
        return ByPicture()
    head = head_name(0, int(abs(path.key_position.mean(0)).argmax()))
    pictures = picture_table(image.contrast, path.margin, path.attention)
    flattened = picture_table(image.contrast, path.flat_margin, path.flat_attention)
    prefers = "right" if pictures[head].mean() >= 0 else "left"
    rows = correlations(pictures, flattened, head, prefers, seed)
    return ByPicture(pictures, head, prefers, tuple(rows))
