"""Where in the towers is the order of the objects represented?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patching.effects import EXACT, MOST_WORK, patch, work_of
from lrinterp.analysis.patching.patching_figures import (
    AGREED,
    agreed_metrics,
    agreed_words,
    agreement,
    patching_figures,
)
from lrinterp.analysis.subject import focus, over_pictures
from lrinterp.axes import Pixels
from lrinterp.metric import joined
from lrinterp.result import Check, Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run
from lrinterp.run.edit import ALL
from lrinterp.wording import head_name, signed

__all__ = ["ActivationPatching", "activation_patching", "clean_and_corrupted"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ActivationPatching(Result):
    """Effect of every cell in both directions and towers, and its estimate by attribution."""

    name: ClassVar[str] = "activation_patching"
    question: ClassVar[str] = "Where in the towers is the order of the objects represented?"

    table: pd.DataFrame
    """One row for each cell and direction.

    `effect` is empty where a cell was not patched (`exact` is false); `attribution` estimates it.
    `known`: 0 or 1 by construction. `chosen`: why it was patched (all, strongest, random, both).
    """
    examples: int
    template: str = ""
    """The relation word of the captions, where there are several templates."""
    mirrored: bool = False
    """Corrupted pictures are mirror images of the clean ones."""
    notes: tuple[str, ...]
    effects: Mapping[str, Metric]
    """By tower: the effect of `strongest`, with its sample."""

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Full patches, the head of each tower whose output carries most, and the agreement."""
        full = self.table[(self.table["role"] == ALL) & (self.table["site"] == "resid_pre")]
        worst = float((full["effect"] - 1).abs().max())
        found = {"full_patch_error": Metric(value=worst, n=self.examples, estimator="exact")}
        for encoder, effect in self.effects.items():
            row = self.strongest(encoder)
            where = Metric(value=head_name(row["layer"], row["head"]), estimator="name")
            found |= {f"{encoder}_z_head": where, f"{encoder}_z_effect": effect}
        return joined(found, agreed_metrics(self.agreed))

    @cached_property
    def agreed(self) -> pd.DataFrame:
        """How far attribution agrees with exact patching: `agreement` of the table."""
        return agreement(self.table)

    def strongest(self, encoder: str) -> dict[str, Any]:
        """The head output whose denoising patch restores most of the margin, of those patched."""
        part = self.table[self.table["encoder"] == encoder]
        part = part.query("site == 'z' and direction == 'denoising' and exact")
        return max(records(part), key=lambda row: abs(row["effect"]))

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return "image_z_effect"

    @property
    def finding(self) -> str:
        """The strongest head output of each tower, and what attribution is worth."""
        text = "; ".join(
            f"in the {encoder} tower the output of {self.metrics[f'{encoder}_z_head']} at "
            f"{self.strongest(encoder)['role']} restores {effect.phrase} of the margin"
            for encoder, effect in self.effects.items()
        )
        said = f", captions that say “{self.template}”" if self.template else ""
        found = f"{text[0].upper()}{text[1:]} (denoising, {self.examples} pairs of pictures{said})."
        if self.table["exact"].all():
            return found
        return f"{found} Most cells are estimated by attribution ({agreed_words(self.agreed)})."

    @property
    def caveats(self) -> tuple[str, ...]:
        """Effects, roles, the check, what attribution is, and how cells were chosen."""
        exact = self.table["exact"].all()
        n_chosen = (~self.table["chosen"].isin(["all", "none"])).sum()
        sampled = (
            f"Patching every cell would take too long, so {n_chosen} were patched exactly: those "
            "with the largest attribution, and a random sample of all. Only the sample says how "
            "good attribution is elsewhere. Of a picture and its reverse one is the clean run."
        )
        return (
            "Effect = (patched - base) / (target - base), a ratio of means; 1 restores (denoising) "
            "or destroys (noising) the whole margin. Effects of cells do not add up.",
            MIRRORED if self.mirrored else SWAPPED,
            "Checked every time: patching the residual stream at all positions gives 1 in both "
            f"directions (largest error here {self.metrics['full_patch_error'].value:.0e}"
            f"{'' if exact else '; of large towers before the last layer'}).",
            "Attribution estimates each effect to first order: slope of the margin at the base "
            "run times the change of the activation. It misses the effects of a saturated softmax "
            f"and all curvature. Against exact patching: {agreed_words(self.agreed)} (Pearson's "
            "r, Spearman's rho, slope through the origin; 1 is full agreement, 0 none; cells "
            "known by construction left out).",
            *(() if exact else (sampled,)),
            *self.notes,
        )

    def overview(self) -> pd.DataFrame:
        """The agreement of attribution and exact patching by tower, sample and site."""
        numbers = {name: self.agreed[name].map(two_digits) for name in AGREED}
        return self.agreed.assign(**numbers).astype(str) if len(self.agreed) else self.agreed

    def figures(self) -> tuple[Figure, ...]:
        """By tower: sites by role, attention by query and key role, and the agreement."""
        return tuple(patching_figures(self.table, mirrored=self.mirrored))

    @property
    def checks(self) -> tuple[Check, ...]:
        """Patching all of the residual stream must restore or destroy the whole margin."""
        what = "full patch of the residual stream minus 1, as a share of the margin"
        error = float(self.metrics["full_patch_error"].value or 0)
        return (Check(key="full_patch", what=what, value=error, bound=EXACT),)


SWAPPED = (
    "Clean and corrupted inputs differ in the order of the objects only. Cells identical "
    "in both runs are 0 by construction; the table and the text on hovering flag them."
)
MIRRORED = (
    "The corrupted picture is the mirror image of the clean one, so all that stands in it changes "
    "sides, not the objects alone; the corrupted caption has the other relation word. Roles hold "
    "the places of objects in either picture and may overlap. Cells identical in both runs are 0 "
    "by construction; the table and the text on hovering flag them."
)


def activation_patching(
    recording: Run, *, examples: int = 64, seed: int = 0, most_work: float = MOST_WORK
) -> ActivationPatching:
    """Patch every site, head and role of both towers, in both directions.

    Clean: "A left of B" at (i, j); corrupted: the same layout with the objects swapped, or of a
    picture of a suite its mirror image and the other relation word. Image margin = cos(image, true
    caption) - cos(image, its reverse); text margin likewise with the two pictures. `examples`
    pictures are drawn with `seed`; of several templates that with the best swap accuracy is taken.
    Definitions: mechanics of arXiv 2601.12809; denoising and noising as in Heimersheim and Nanda
    (arXiv 2404.15255); attribution as in Syed et al. (arXiv 2310.10348).

    A tower whose cells need more than `most_work` multiplications (cells x examples x layers x
    positions x weights of a layer) is estimated by attribution; its strongest cells and a random
    sample are patched exactly, and of every picture and its reverse only one is the clean run.

    Raises NotApplicable where neither tower tells clean from corrupted by ten standard errors, and
    RuntimeError where a full patch is not 1 within 1e-5.
    """
    rows: list[dict[str, Any]] = []
    notes, effects, pictures = [], {}, recording.examples.of(focus(recording.examples))
    pairs = clean_and_corrupted(recording, examples, seed, most_work)
    for contrast in pairs:
        if reason := contrast.why_not():
            notes.append(reason)
        else:
            found, strongest = patch(contrast, seed=seed, most_work=most_work)
            rows += found
            effects[contrast.tower] = over_pictures(pictures, strongest)
    if not rows:
        raise NotApplicable(" ".join(notes))
    return ActivationPatching(
        table=pd.DataFrame(rows).astype({"head": "Int64", "effect": float}),
        examples=int(rows[0]["n"]),
        template=pairs[0].template if len(recording.examples.templates) > 1 else "",
        mirrored=isinstance(recording.inputs["image"], Pixels),
        notes=tuple(notes),
        effects=effects,
    )


def clean_and_corrupted(
    recording: Run, examples: int = 64, seed: int = 0, most_work: float = MOST_WORK
) -> list[Contrast]:
    """The clean and corrupted inputs of each tower that `activation_patching` takes.

    Where one tower is too large, a scene counts once: its reverse would only say the same again
    with denoising and noising exchanged.
    """
    pairs = contrasts(recording, examples, seed)
    if all(work_of(contrast) <= most_work for contrast in pairs):
        return pairs
    scenes = recording.examples.image_scene[pairs[0].pictures]
    once = np.sort(np.unique(scenes, return_index=True)[1])
    return [contrast.at(once) for contrast in pairs] if len(once) > 1 else pairs


def two_digits(value: float) -> str:
    """A correlation or slope as it stands in a table."""
    return "–" if pd.isna(value) else signed(value, 2)
