"""Which heads, positions and parts of the value vectors make the margin?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.contrast import over_templates
from lrinterp.analysis.similarity_attribution_figures import NO_MARGIN, margin_figure, table_figures
from lrinterp.analysis.similarity_attribution_path import COMPLETE, MISSED, all_apart
from lrinterp.analysis.similarity_attribution_pictures import by_picture, spearman
from lrinterp.analysis.similarity_attribution_rows import (
    DIRECT_PATH,
    GROUPS,
    largest_part,
    margin_metrics,
    margin_rows,
)
from lrinterp.analysis.subject import SET_WORDS, focus
from lrinterp.metric import joined
from lrinterp.result import Check, Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run
from lrinterp.scenes.examples import Swap
from lrinterp.wording import counted, plain_number

__all__ = ["SimilarityAttribution", "similarity_attribution"]

ROUNDING = 1e-5
"""A mean margin below which it is rounding, in units of cosine."""
MAY_BE_EMPTY = {"relative_error": float, "completeness_error": float, "nodes": "Int64"}
"""Columns of errors that may hold nothing."""
CHECKS = {
    "reconstruction": ("sum of the parts minus the margin of the model", MISSED),
    "completeness": ("sum through attention minus what attention changes", COMPLETE),
}
"""What is computed twice, and how large a difference is let pass."""


BOTH_TEMPLATES = (
    "Both templates count alike: image margins are means over them, and text examples are the "
    "captions of each, whose roles follow the order of mention."
)
SAME_MEAN = {
    "objects": (
        "The text margin is the cosine of a caption with a picture it is true of, minus that "
        "with the objects swapped in the same layout. Where every picture comes with its swap "
        "both towers have the same mean margin by construction."
    ),
    "word": (
        "The text margin is the cosine of a caption with a picture it is true of, minus that "
        "with the mirror image of the picture; the other caption of an image margin has the other "
        "relation word. Where every picture comes with its mirror image both towers have the same "
        "mean margin by construction."
    ),
}
"""By the way in which captions are reversed."""

Metrics = Mapping[str, Metric]


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
    primary: ClassVar[str] = "image_margin"

    table: pd.DataFrame
    """Means over examples by tower, kind, head, role, part and pixel, with intervals."""
    errors: pd.DataFrame
    """By tower: reconstruction error, the same relative to the largest margin, completeness error
    and points of the path (none at depth), n."""
    metrics: Mapping[str, Metric] = field()
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

    @property
    def finding(self) -> str:
        """The split and the largest contribution of the first tower, and the correlations."""
        found, tower = self.metrics, self.errors["encoder"].tolist()[0]
        margin = found[f"{tower}_margin"]
        thing = {"image": "picture"}.get(tower, "caption-picture pair")
        where = f"{counted(margin.n, thing)}, {counted(margin.n_units, 'label')}"
        size = float(margin.value or 0)
        if abs(size) < NO_MARGIN:
            shown = "0.000" if abs(size) < ROUNDING else plain_number(size)
            return (
                f"The mean {tower} margin is {shown} ({where}), less than {NO_MARGIN}: there is "
                "nothing to attribute."
            )
        most, value = largest_part(self.rows(encoder=tower)), found[f"{tower}_largest_value"]
        return (
            f"The mean {tower} margin of {margin.phrase} ({where}) is {read(most)}, "
            f"{value.phrase}; all together, directly, {written(found, tower)}."
            f"{ways(found, tower)}{correlated(found, self.head, self.prefers)}"
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is held, what is a choice, and what a correlation is."""
        worst = self.errors.max(numeric_only=True)
        return (
            *direct_caveats(worst["reconstruction_error"], worst["relative_error"]),
            *([] if pd.isna(worst["nodes"]) else path_caveats(worst)),
            SAME_MEAN[self.swap],
            *([correlated_caveat(self.metrics, self.head, self.prefers)] if self.head else []),
            *self.notes,
        )

    def figures(self) -> tuple[Figure, ...]:
        """Parts, heads, roles and places; through attention where there is a path; by picture."""
        figures = table_figures(self.table, SET_WORDS[self.focus], self.grid)
        if not self.head:
            return tuple(figures)
        return (*figures, margin_figure(self.pictures, self.head, self.prefers))

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
    rows = {name: margin_rows(one) for name, one in found.items()}
    seen, rows["pictures"] = by_picture(found.get("image"), seed)
    named = [margin_metrics(one, rows[name]) for name, one in found.items()]
    by_rank = spearman(rows["pictures"], seen["head"], recording.examples.unit)
    return SimilarityAttribution(
        table=pd.DataFrame(chain(*rows.values())).astype(
            dict.fromkeys(("pixel", "n", "n_units"), "Int64")
        ),
        errors=pd.DataFrame([one.errors for one in found.values()]).astype(MAY_BE_EMPTY),
        metrics=joined(*named, by_rank),
        **seen,
        focus=focus(recording.examples),
        swap=recording.examples.caption_swap,
        grid=recording.examples.grid,
        notes=(*notes, *([BOTH_TEMPLATES] if len(recording.examples.templates) > 1 else [])),
    )


def read(largest: Mapping[str, Any]) -> str:
    """The largest contribution: what is read where, or what is there beside the heads."""
    if largest["head"] == DIRECT_PATH:
        return f"written above all by {largest['part']} at {largest['role']}"
    what = {"E": "content", "P": "position"}.get(largest["part"], "bias")
    return f"read above all from the {what} at {largest['role']} through {largest['head']}"


def written(found: Metrics, encoder: str) -> str:
    """What each group of parts adds directly."""
    keys = {group: f"{encoder}_margin_by_{group.lower()}" for group in GROUPS}
    added = [f"{group} {found[key].phrase}" for group, key in keys.items() if key in found]
    return f"{', '.join(added[:-1])} and {added[-1]}"


def ways(found: Metrics, encoder: str) -> str:
    """What key-position adds first, last and on average: the margin is not additive in it."""
    if f"{encoder}_margin_without_key_position" not in found:
        return ""
    first, last, shapley = (
        found[f"{encoder}_margin_by_key_position_{way}"].phrase
        for way in ("first", "last", "shapley")
    )
    return (
        f" In the scores key-position adds {first} where it is added first, {last} where last, and "
        f"{shapley} on average (Shapley value); with key-position flattened "
        f"{found[f'{encoder}_margin_without_key_position'].phrase} is left."
    )


def correlated(found: Metrics, head: str, prefers: str) -> str:
    """How margins go with the attention of one head, where there is one."""
    if not head:
        return ""
    within, both = (found[f"spearman_{key}"] for key in ("within_pairs", "both_orders"))
    other = {"right": "left", "left": "right"}[prefers]
    return (
        f" Margins go with the attention that {head} gives the {prefers}-hand object "
        f"over the {other}-hand one by a rank correlation of {within.phrase} within label "
        f"pairs, and of {both.phrase} over all with both orders averaged."
    )


def direct_caveats(exact: float, relative: float) -> tuple[str, ...]:
    """What is held, and that direct is not total."""
    return (
        "The parts are direct: the scale of the last norm, the length of the embedding and all "
        "attention maps are held, so a head counts for what it moves, not for why it looks, and "
        f"the parts add up to each margin to {exact:.0e} ({relative:.0e} of the largest margin). "
        "Only one position is read out: what heads and MLPs of earlier layers do at the others "
        "acts through later heads and counts to those, as does what they write for later layers "
        "to read. A part is therefore not a total effect; total effects are in the ablations and "
        "in activation patching.",
        "Above the first layer the value at a key holds what earlier layers have moved there, "
        "from anywhere: a role says where a head reads, not what the object there is. What of a "
        "value or of the embedding is content and what position is a convention, in the first "
        "layer of the canonical gauge, elsewhere in the dataset-mean basis; their sum is not.",
        "The largest contribution is chosen after the fact among many: its interval is that of one "
        "named beforehand, and too narrow for a choice.",
    )


def path_caveats(worst: pd.Series) -> tuple[str, ...]:
    """Of the path of attention: what is held, and what is a choice."""
    return (
        "Through attention: integrated gradients along a path of the scores, from uniform "
        f"attention to the model's own, values held; with {worst['nodes']:.0f} points of the path "
        f"they add up to the difference of both margins to {worst['completeness_error']:.0e}. The "
        "start is a choice: there a picture and its swap are alike, and the mean margin over both "
        "orders is 0. What key-content and key-position do only together (telling objects from "
        "empty pixels, and one object from the other) the path shares out between them.",
        "Key-content (EE+PE+bE) and key-position (EP+PP+bP) are identified up to a constant per "
        "component of positions, which the canonical gauge fixes; the nine terms are conventions "
        "of that gauge.",
        "A margin is not additive in its scores, so how much of it a part makes depends on the "
        "path: added first (alone, against uniform attention), added last (the whole less the "
        "other part alone), their mean (Shapley value) and integrated gradients all differ, and "
        "none is the share.",
    )


def correlated_caveat(found: Metrics, head: str, prefers: str) -> str:
    """What the correlation is, and is not."""
    overall, flattened = (found[f"spearman_{key}"].phrase for key in ("margin_gain", "flattened"))
    return (
        f"{head} is the head whose key-position moves the margin most; its gain counts towards "
        f"the side it prefers on average ({prefers}). Within label pairs rho is a mean over "
        "ordered pairs, in each of which only the layout differs. Over all pictures rho also "
        f"reflects which labels are there: it is {overall}, and {flattened} with key-position "
        "flattened, so use the one within pairs. A correlation is not a cause; causes are tested "
        "by the ablations and by activation patching."
    )
