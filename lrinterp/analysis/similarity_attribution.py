"""Which heads, positions and parts of the value vectors make the margin?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from lrinterp.analysis.attribution_figures import (
    NO_MARGIN,
    margin_figure,
    pixels_figure,
    roles_figures,
    split_figure,
    terms_figure,
)
from lrinterp.analysis.attribution_rows import (
    ALL_HEADS,
    FLAT,
    SPLIT,
    WHOLE,
    key_position,
    long_rows,
    pixel_rows,
)
from lrinterp.analysis.contrast import Contrast, over_templates
from lrinterp.analysis.margin_parts import Attributed, attribute, why_not_a_sum
from lrinterp.analysis.margin_pictures import (
    BOTH_ORDERS,
    FLATTENED,
    OVERALL,
    PERMUTED,
    WITHIN,
    correlations,
    picture_table,
)
from lrinterp.analysis.subject import SET_WORDS, focus, head_name
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar, records
from lrinterp.wording import counted, plain_number

__all__ = ["SimilarityAttribution", "similarity_attribution"]

MISSED = 1e-4
"""Error of the sum beyond which a tower computes something else than its configuration says."""
MARGINS = {"margin": WHOLE, "margin_without_key_position": FLAT}
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
    """Parts of the margin with attention held and through attention, and margins by picture."""

    name: ClassVar[str] = "similarity_attribution"
    question: ClassVar[str] = (
        "Which heads, positions and parts of the value vectors make the margin?"
    )

    table: pd.DataFrame
    """Means over examples by encoder, kind, head, role, part and pixel, with intervals."""
    checks: pd.DataFrame
    """By encoder: reconstruction and completeness error, points of the path, n."""
    pictures: pd.DataFrame
    """By picture: margin, and for each head the attention of the right-hand object minus that of
    the left-hand one; empty without the image tower."""
    head: str
    """The head of the correlation: its key-position moves the margin most. Empty without one."""
    prefers: str
    """The side it attends to more, `right` or `left`; its gain counts towards that side."""
    focus: str
    notes: tuple[str, ...]

    def rows(self, **wanted: str) -> list[dict[str, Any]]:
        """The table rows with some columns as given."""
        return [row for row in records(self.table) if wanted.items() <= row.items()]

    def largest(self, encoder: str) -> dict[str, Any]:
        """The direct contribution of largest magnitude."""
        return max(self.rows(encoder=encoder, kind="direct"), key=lambda row: abs(row["value"]))

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """By tower: margin, identified split, largest contribution, errors; the correlations."""
        found: dict[str, Scalar] = {}
        for check in records(self.checks):
            encoder = check["encoder"]
            for key, part in MARGINS.items():
                [row] = self.rows(encoder=encoder, kind="margin", part=part)
                found[f"{encoder}_{key}"] = Scalar.of(row)
            through = {"encoder": encoder, "kind": "through attention", "head": ALL_HEADS}
            for part in SPLIT:
                [row] = self.rows(**through, part=part)
                found[f"{encoder}_margin_by_{part.replace('-', '_')}"] = Scalar.of(row)
            largest = self.largest(encoder)
            where = f"{largest['head']} {largest['role']} {largest['part']}"
            found[f"{encoder}_largest_contribution"] = Scalar(value=where)
            found[f"{encoder}_largest_value"] = Scalar.of(largest)
            for error in ("reconstruction_error", "completeness_error"):
                found[f"{encoder}_{error}"] = Scalar(value=check[error], n=check["n"])
        if self.head:
            rho = {row["part"]: Scalar.of(row) for row in self.rows(kind="correlation")}
            found["spearman_head"] = Scalar(value=self.head)
            found |= {f"spearman_{key}": rho[part] for key, part in SPEARMAN.items()}
        return found

    @property
    def finding(self) -> str:
        """The split and the largest contribution of the first tower, and the correlations."""
        encoder, found = self.checks["encoder"].tolist()[0], self.summary
        margin, largest = found[f"{encoder}_margin"], self.largest(encoder)
        thing = {"image": "picture"}.get(encoder, "caption and layout")
        where = f"{counted(margin.n, thing)}, {counted(margin.n_clusters, 'label pair')}"
        size = float(margin.value or 0)
        if abs(size) < NO_MARGIN:
            return (
                f"The mean {encoder} margin is {plain_number(size)} ({where}), less than "
                f"{NO_MARGIN}: there is no order in it to take apart."
            )
        what = {"E": "token", "P": "position"}.get(largest["part"], "bias")
        return (
            f"The mean {encoder} margin of {margin.phrase} ({where}) is read above all from the "
            f"{what} at {largest['role']} through {largest['head']}, "
            f"{found[f'{encoder}_largest_value'].phrase}; by way of attention key-position makes "
            f"{found[f'{encoder}_margin_by_key_position'].phrase} of it and key-content "
            f"{found[f'{encoder}_margin_by_key_content'].phrase}, and with key-position flattened "
            f"{found[f'{encoder}_margin_without_key_position'].phrase} is left."
            f"{self._correlation()}"
        )

    def _correlation(self) -> str:
        if not self.head:
            return ""
        within, both = (self.summary[f"spearman_{key}"] for key in ("within_pairs", "both_orders"))
        other = {"right": "left", "left": "right"}[self.prefers]
        return (
            f" Margins go with the attention that {self.head} gives the {self.prefers}-hand object "
            f"over the {other}-hand one by a rank correlation of {within.phrase} within label "
            f"pairs, and of {both.phrase} over all with both orders averaged."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is held, what is a choice, and what a correlation is."""
        exact, error, nodes = (
            self.checks[name].max()
            for name in ("reconstruction_error", "completeness_error", "nodes")
        )
        return (
            "With attention held, and the length of the embedding, a head counts for what it "
            f"moves, not for why it looks; these parts add up to each margin to {exact:.0e}.",
            "Through attention: integrated gradients along a path of the scores, from uniform "
            f"attention to the model's own, values held; with {nodes} points of the path they add "
            f"up to the difference of both margins to {error:.0e}. The start is a choice: there a "
            "picture and its swap are alike, and the mean margin over both orders is 0. What "
            "key-content and key-position do only together (telling objects from empty pixels, and "
            "one object from the other) the path shares out between them.",
            "Key-content (EE+PE+bE) and key-position (EP+PP+bP) are identified up to a constant "
            "per component of positions, which the canonical gauge fixes; the nine terms, and what "
            "of a value is token or position, are conventions of that gauge.",
            "The text margin is the cosine of a caption with a picture it is true of, minus that "
            "with the objects swapped in the same layout. Where every picture comes with its swap "
            "both towers have the same mean margin by construction.",
            *(self._correlated() if self.head else ()),
            *self.notes,
        )

    def _correlated(self) -> tuple[str, ...]:
        overall, flattened = (
            self.summary[f"spearman_{key}"].phrase for key in ("margin_gain", "flattened")
        )
        return (
            f"{self.head} is the head whose key-position moves the margin most; its gain counts "
            f"towards the side it prefers on average ({self.prefers}). Within label pairs rho is a "
            "mean over ordered pairs, in each of which only the layout differs. Swapping the "
            "objects turns round what labels alone make of margin and gain, so that over all "
            f"pictures both vary together or against each other without any order: rho is "
            f"{overall} there and {flattened} with key-position flattened. A correlation is no "
            "cause: for that see ablation and patching.",
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Parts by role, through attention by head and term, by pixel, and margins by picture."""
        figures = [
            *roles_figures(self.table, SET_WORDS[self.focus]),
            split_figure(self.table),
            terms_figure(self.table),
        ]
        if self.head:
            figures.append(pixels_figure(self.table))
            figures.append(margin_figure(self.pictures, self.head, self.prefers))
        return tuple(figures)


BOTH_TEMPLATES = (
    "Both templates count alike: image margins are means over them, and text examples are the "
    "captions of each, whose roles follow the order of mention."
)


def similarity_attribution(
    recording: Recording, *, examples: int = 2000, seed: int = 0
) -> SimilarityAttribution:
    """Take the margins of both towers apart: by head, role and value part, and by score term.

    Margins as in `activation_patching`, in units of cosine, for at most `examples` pictures of the
    focus set, drawn with `seed`; with two templates, their mean. Direct: the summands of
    v . w / |v|, attention and |v| held. Through attention: integrated gradients over the centred
    scores of the pooled query. By picture: Spearman's rho of the image margin and the attention
    that one head gives the right-hand object over the left-hand one. Sources: Elhage et al. 2021
    ("A mathematical framework for transformer circuits") for the sum; Sundararajan et al. 2017
    (arXiv 1703.01365) for the gradients.

    Raises NotApplicable where neither tower is one attention-only layer without norm, or fewer
    than two pictures were recorded with their swap. Cost: about 3 s for 900 pictures.
    """
    pairs = over_templates(recording, examples, seed)
    found, notes = all_apart(pairs)
    if not found:
        raise NotApplicable(" ".join(notes))
    rows = [row for c in pairs if c.tower in found for row in long_rows(c, found[c.tower])]
    pictures, head, prefers = pd.DataFrame(), "", ""
    if image := found.get("image"):
        head = head_name(0, int(np.abs(key_position(image).mean(0)).argmax()))
        pictures = picture_table(pairs[0], image.margin, image.attention)
        flattened = picture_table(pairs[0], image.flat_margin, image.flat_attention)
        prefers = "right" if pictures[head].mean() >= 0 else "left"
        rows += pixel_rows(pairs[0], image)
        rows += correlations(pictures, flattened, head, prefers, seed)
    return SimilarityAttribution(
        table=pd.DataFrame(rows).astype(dict.fromkeys(("pixel", "n", "n_clusters"), "Int64")),
        checks=pd.DataFrame([checked(c, found[c.tower]) for c in pairs if c.tower in found]),
        pictures=pictures,
        head=head,
        prefers=prefers,
        focus=focus(recording.examples),
        notes=(*notes, *([BOTH_TEMPLATES] if len(recording.examples.templates) > 1 else [])),
    )


def all_apart(pairs: list[Contrast]) -> tuple[dict[str, Attributed], list[str]]:
    """The margins of each tower taken apart, and why a tower is left out."""
    found, notes = {}, []
    for contrast in pairs:
        tower = contrast.recording.model.towers[contrast.tower]
        reason = why_not_a_sum(tower)
        if not reason:
            occurs = contrast.recording.examples.occurs[contrast.tower]
            parts = attribute(tower, contrast.inputs[0], occurs, contrast.direction)
            error = checked(contrast, parts)["reconstruction_error"]
            if error <= MISSED:
                found[contrast.tower] = parts
                continue
            reason = f"what its heads read misses its margin by {error:.1g}"
        notes.append(f"The {contrast.tower} tower is left out: {reason}.")
    return found, notes


def checked(contrast: Contrast, found: Attributed) -> dict[str, Any]:
    """How exactly the parts add up: to the margins of the model, and along the path."""
    whole = found.direct.sum(0) + found.by_key.sum((0, 2, 3))
    return {
        "encoder": contrast.tower,
        "reconstruction_error": float(np.abs(whole - contrast.margins().cpu().numpy()).max()),
        "completeness_error": found.completeness,
        "nodes": found.nodes,
        "n": len(whole),
    }
