"""Where in the towers does the order of the objects live?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patch_bench import ALL, MAP_SITES, Cell, cells_of
from lrinterp.analysis.subject import focus, head_name
from lrinterp.charts import heatmap
from lrinterp.recording import Recording
from lrinterp.result import Figure, NotApplicable, Result, Scalar, records
from lrinterp.stats import ratio_intervals

__all__ = ["ActivationPatching", "activation_patching", "patch"]

DIRECTIONS = ("denoising", "noising")
EXACT = 1e-5
ENDS = (-1.0, 1.0)
"""Colours of the effects: all of the margin, with either sign."""
COLUMNS = ["encoder", "site", "layer", "head", "query", "role", "direction", "effect"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ActivationPatching(Result):
    """Effect of every cell in both directions and towers."""

    name: ClassVar[str] = "activation_patching"
    question: ClassVar[str] = "Where in the towers does the order of the objects live?"

    table: pd.DataFrame
    """One row for each cell and direction."""
    examples: int
    focus: str
    notes: tuple[str, ...]

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """Full patches, and the head of the image tower whose output carries most."""
        full = self.table[(self.table["role"] == ALL) & (self.table["site"] == "resid_pre")]
        worst = float((full["effect"] - 1).abs().max())
        summary = {"full_patch_error": Scalar(value=worst, n=self.examples)}
        for encoder in dict.fromkeys(self.table["encoder"]):
            row = self.strongest(encoder)
            where = head_name(row["layer"], row["head"])
            effect = Scalar.of(row, "effect")
            summary |= {f"{encoder}_z_head": Scalar(value=where), f"{encoder}_z_effect": effect}
        return summary

    def strongest(self, encoder: str) -> dict[str, Any]:
        """The head output whose denoising patch restores most of the margin."""
        chosen = (self.table["site"] == "z") & (self.table["direction"] == "denoising")
        part = self.table[chosen & (self.table["encoder"] == encoder)]
        return max(records(part), key=lambda row: abs(row["effect"]))

    @property
    def finding(self) -> str:
        """The strongest head output of each tower."""
        parts = []
        for encoder in dict.fromkeys(self.table["encoder"]):
            row, effect = self.strongest(encoder), self.summary[f"{encoder}_z_effect"]
            parts.append(
                f"in the {encoder} tower the output of {head_name(row['layer'], row['head'])} at "
                f"{row['role']} restores {effect.phrase} of the margin"
            )
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]} (denoising, n = {self.examples} pairs of pictures)."

    @property
    def caveats(self) -> tuple[str, ...]:
        """Effects, roles and the check."""
        return (
            "Effect = (patched - base) / (target - base), a ratio of means; 1 restores (denoising) "
            "or destroys (noising) the whole margin. Effects of cells do not add up.",
            "Clean and corrupted inputs differ in the order of the objects only. Cells identical "
            "in both runs are 0 by construction; the table and the text on hovering flag them.",
            "Checked every time: patching the residual stream at all positions gives 1 in both "
            f"directions (largest error here {self.summary['full_patch_error'].value:.0e}).",
            *self.notes,
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """By tower: sites by role, and attention by query and key role."""
        towers = list(dict.fromkeys(self.table["encoder"]))
        return tuple(f for t in towers for f in (self._sites(t), self._maps(t)))

    def _sites(self, encoder: str) -> Figure:
        part = self.table[(self.table["encoder"] == encoder) & ~self.table["site"].isin(MAP_SITES)]
        shown = part.assign(
            place=[place_of(row) for row in records(part)],
        )[["role", "place", "effect", "direction", "identical"]]
        return Figure(
            key=f"sites-{encoder}",
            title=f"Patching the {encoder} tower: residual stream and heads",
            how_to_read="Each cell is the part of the margin that follows when this activation is "
            "taken from the other run, by position role; 1 is all of it, 0 none.",
            plot=heatmap(
                shown, x="role", y="place", z="effect", facet="direction", ends=(-1.0, 1.0)
            ),
            table=part,
        )

    def _maps(self, encoder: str) -> Figure:
        chosen = (self.table["encoder"] == encoder) & (self.table["direction"] == "denoising")
        part = self.table[chosen & self.table["site"].isin(MAP_SITES)]
        pooled = {"image": "CLS", "text": "EOT"}.get(encoder)
        pooled_rows = part[part["query"] == pooled]
        shown = pooled_rows.assign(
            head=[head_name(r["layer"], r["head"]) for r in records(pooled_rows)],
            key_role=pooled_rows["role"],
        )[["key_role", "head", "effect", "site", "identical"]]
        return Figure(
            key=f"maps-{encoder}",
            title=f"Patching the {encoder} tower: attention of {pooled}, denoising",
            how_to_read=f"Each cell is the part of the margin restored when one head's attention "
            f"from {pooled} to one role is taken from the clean run. Both runs hold objects at the "
            "same places, so a preference for a place is the same in both and reads 0 here: a 0 "
            "says that what objects stand there does not change this attention in a way that "
            "matters. All query roles are in the table.",
            plot=heatmap(shown, x="key_role", y="head", z="effect", facet="site", ends=ENDS),
            table=part,
        )


def activation_patching(
    recording: Recording, *, examples: int = 64, seed: int = 0
) -> ActivationPatching:
    """Patch every site, head and role of both towers, in both directions.

    Clean: "A left of B" at (i, j); corrupted: the same layout with the objects swapped. Image
    margin = cos(image, true caption) - cos(image, its reverse); text margin likewise with the two
    pictures. `examples` pictures are drawn with `seed`. Definitions: mechanics of arXiv
    2601.12809; denoising and noising as in Heimersheim and Nanda (arXiv 2404.15255).

    Raises NotApplicable where neither tower tells clean from corrupted by ten standard errors, and
    RuntimeError where a full patch is not 1 within 1e-5.
    """
    rows: list[dict[str, Any]] = []
    notes = []
    for contrast in contrasts(recording, examples, seed):
        if reason := contrast.too_weak():
            notes.append(reason)
            continue
        model = recording.model.towers[contrast.tower]
        layers, heads = range(model.cfg.n_layers), range(model.cfg.n_heads)
        for direction in DIRECTIONS:
            cells = cells_of(layers, heads, list(contrast.roles))
            rows += patch(contrast, direction, cells)
    if not rows:
        raise NotApplicable(" ".join(notes))
    return ActivationPatching(
        table=pd.DataFrame(rows).astype({"head": "Int64"}),
        examples=int(rows[0]["n"]),
        focus=focus(recording.examples),
        notes=tuple(notes),
    )


def patch(contrast: Contrast, direction: str, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Effects of some cells in one direction, with intervals clustered by label pair."""
    bench = contrast.bench(direction)
    base, target = bench.margin(bench.base_tokens), bench.margin(bench.source_tokens)
    same = [bench.identical(cell, contrast.roles) for cell in cells]
    changed = [cell for cell, identical in zip(cells, same, strict=True) if not identical]
    moved = bench.patched(changed, contrast.roles) - base
    gained: Float[Tensor, "cell example"] = torch.zeros(len(cells), len(base), dtype=torch.float64)
    gained[[i for i, identical in enumerate(same) if not identical]] = moved.cpu()
    intervals = ratio_intervals(gained.numpy(), (target - base).cpu().numpy(), contrast.clusters)
    rows = []
    for cell, identical, interval in zip(cells, same, intervals, strict=True):
        if cell.site == "resid_pre" and cell.role == ALL:
            check_full(cell, float(interval.value or 0), direction)
        place = {
            "encoder": contrast.tower,
            "site": cell.site,
            "layer": cell.layer,
            "head": cell.head,
            "query": cell.query,
            "role": cell.role,
            "direction": direction,
        }
        effect = {"effect": interval.value, "low": interval.low, "high": interval.high}
        counts = {"n": interval.n, "n_clusters": interval.n_clusters}
        rows.append({**place, **effect, "identical": identical, **counts})
    return rows


def check_full(cell: Cell, effect: float, direction: str) -> None:
    """The full patch of a residual stream must restore the target."""
    if abs(effect - 1) > EXACT:
        raise RuntimeError(f"{cell.hook}: full {direction} patch gave {effect:.7f}, expected 1")


def place_of(row: Mapping[str, Any]) -> str:
    """A residual site or a head's site in words, such as "L0H3 z"."""
    if row["head"] is None:
        return f"L{row['layer']} {row['site']}"
    return f"{head_name(row['layer'], row['head'])} {row['site']}"
