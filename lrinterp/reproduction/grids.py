"""The two grids: diversity of labels and layouts, and scales of the first weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from lrinterp.charts import heatmap
from lrinterp.experiment import LoadedSweep
from lrinterp.experiment.contrasts import laid_out
from lrinterp.experiment.numbers import ORDER, without
from lrinterp.experiment.section import Section, captioned
from lrinterp.experiment.verdicts import judged_criteria
from lrinterp.reproduction.claim_statistics import CLAIMS, ClaimPart, Found, by_seed, over_seeds
from lrinterp.result import Figure, records
from lrinterp.stats import GAP, SHARE, Interval
from lrinterp.wording import counted

__all__ = ["CHANCE", "KNOWS", "of_diversity", "of_scales", "scale_values", "scales"]

WITHOUT_EP, WITHOUT_POSITION = without("EP"), without("key_position")
PANELS = {
    ORDER: "intact",
    WITHOUT_EP: "without EP (raw)",
    WITHOUT_POSITION: "without key-position",
}
"""Order intact and after each ablation, as the map names it."""
KNOWS, CHANCE = 0.75, (0.45, 0.55)
"""Intact order from which a model knows order, and what counts as chance without key-position."""
SCALED = ("encoder.std_W_E", "encoder.std_W_pos")


def of_diversity(loaded: LoadedSweep | None) -> dict[str, Found]:
    """Contrasts and shares of variance that claims ask for, in the first arm of a sweep."""
    parts = [p for claim in CLAIMS for p in claim.parts if p.source == "diversity"]
    factors = {} if loaded is None else loaded.study.factors
    few = [p.contrast for p in parts if p.contrast and len(factors.get(p.contrast, ())) < 2]
    if loaded is None or few:
        no_sweep = "no sweep of diversity was run"
        reason = no_sweep if loaded is None else f"the sweep has no two values of {few[0]}"
        return {p.statistic: Found(reason=reason) for p in parts}
    study = replace(loaded.study, verdicts=[criterion(part, factors) for part in parts])
    rows = records(judged_criteria(study, loaded.table))
    return {
        row["id"]: Found(
            interval=Interval(**{name: row[name] for name in ("value", "low", "high", "n")}),
            reason=row["reason"],
        )
        for row in rows
        if row["arm"] == study.arm_names[0]
    }


def criterion(part: ClaimPart, factors: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A statistic as a criterion of the study, whose bound does not matter here."""
    common = {"id": part.statistic, "claim": "", "column": part.number, "at_least": 0.0}
    if part.contrast:
        values = factors[part.contrast]
        ends = {"of": part.contrast, "between": [min(values), max(values)]}
        return {**common, "statistic": "contrast", **ends}
    shares = {"of": part.share, "minus": part.minus_share}
    return {**common, "statistic": "share_difference", **shares}


def of_scales(loaded: LoadedSweep) -> dict[str, Found]:
    """Distance of order from chance without key-position, and its dependence on EP, over scales.

    The first two are of the models whose intact swap accuracy is at least KNOWS: each seed gives
    its mean |order - 0.5| over them, and the share of them outside CHANCE. Deviations do not cancel
    there, as they do in a mean of orders. The third is the mean order over the grid at the smallest
    scale of token embeddings minus that at the largest.
    """
    values = scale_values(loaded)
    seeds = list(loaded.study.all_seeds())
    known = values[ORDER] >= KNOWS
    after = np.where(known, values[WITHOUT_POSITION], np.nan)
    away = np.abs(after - 0.5)
    outside = np.where(known, (after < CHANCE[0]) | (after > CHANCE[1]), np.nan)
    small, large = (over_cells(values[WITHOUT_EP][:, k], seeds) for k in (0, -1))
    reason = "" if known.any() else f"no model of the grid has a swap accuracy of {KNOWS}"
    return {
        "deviation_key_position": by_seed(over_cells(away, seeds), None, reason, scale=SHARE),
        "outside_key_position": by_seed(over_cells(outside, seeds), None, reason, scale=SHARE),
        "contrast_EP": by_seed(small - large, scale=GAP),
    }


def over_cells(values: Float[np.ndarray, "seed *scale"], seeds: Sequence[int]) -> pd.Series:
    """The mean of each seed over the cells that have a number."""
    return pd.DataFrame(values.reshape(len(values), -1), index=list(seeds)).mean(axis=1)


def scale_values(loaded: LoadedSweep) -> dict[str, Float[np.ndarray, "seed W_E W_pos"]]:
    """Order intact and after each ablation, by seed and scales; nan where a model is missing."""
    study, table = loaded.study, loaded.table
    return {name: laid_out(study, table, study.arm_names[0], name) for name in PANELS}


def scales(loaded: LoadedSweep, found: Mapping[str, Found]) -> Section:
    """Order on the grid of initial scales: intact, without EP, without key-position."""
    known = [name for name in PANELS if name in loaded.table]
    table = loaded.table.melt(
        id_vars=[*SCALED, "seed"], value_vars=known, var_name="measure", value_name="order"
    )
    table = table.assign(measure=table["measure"].map(PANELS), order=table["order"].astype(float))
    means = over_seeds(table, ["measure", *SCALED], "order", SHARE)
    names = ("deviation_key_position", "outside_key_position", "contrast_EP")
    numbers = {name: found[name].metric for name in names}
    away, outside, by_EP = numbers.values()
    return Section(
        name="scales",
        question="Does EP carry order, or key-position?",
        finding=f"Models of the grid whose intact swap accuracy is at least {KNOWS:g} lie "
        f"{away.phrase} from chance on average without key-position, up or down, and "
        f"{outside.phrase} of them outside {CHANCE[0]:g} to {CHANCE[1]:g}. Without EP swap "
        f"accuracy is {by_EP.phrase} higher at the smallest scale of token embeddings than at the "
        f"largest ({counted(by_EP.n, 'seed')}).",
        caveats=(
            "A mean over models would hide deviations that cancel: so |order - 0.5| is averaged, "
            "and the share of models outside the band is counted, first over the models of a seed "
            "and then over seeds.",
            f"Cells whose mean intact swap accuracy is under {KNOWS:g}: "
            f"{cells_apart(means) or 'none'}. Their models count where they know order themselves.",
            "The grid of scales up to 0.3 was chosen on seeds 1000 to 1002; the largest one is "
            "that of a plain nn.Embedding.",
        ),
        metrics=numbers,
        table=table,
        drawn=(drawn_maps(means, pictures(loaded)),),
    )


def cells_apart(means: pd.DataFrame) -> str:
    """The cells that do not learn order well, in words."""
    low = means[(means["measure"] == "intact") & (means["order"] < KNOWS)]
    return "; ".join(
        f"W_E {row[SCALED[0]]:g}, W_pos {row[SCALED[1]]:g} (intact {row['order']:.2f})"
        for row in records(low)
    )


def drawn_maps(means: pd.DataFrame, n_pictures: int) -> Figure:
    """The grid as a map, a panel a measure."""
    across, down = "std of W_pos", "std of W_E"
    table = means.rename(columns={SCALED[0]: down, SCALED[1]: across, "n": "seeds"})
    n = int(np.nanmax([*means["n"], 0]))
    return captioned(
        Figure(
            key="maps",
            title="Swap accuracy on held-out pairs by the scales of the first embeddings",
            how_to_read="Each cell is the mean swap accuracy over seeds of models that start with "
            f"these standard deviations ({counted(n, 'seed')} a cell, "
            f"{counted(n_pictures, 'picture')} each); 0.5 is chance.",
            plot=heatmap(table, x=across, y=down, z="order", facet="measure", ends=(0.0, 1.0)),
            table=table,
        ),
        expected="the same in every cell without key-position, and a map from 0.5 to the intact "
        "order without EP",
        observed="; ".join(ends_of(means, panel) for panel in PANELS.values()),
    )


def pictures(loaded: LoadedSweep) -> int:
    """Pictures of held-out pairs that each model is tested on."""
    setting = next(loaded.study.settings())
    return len(setting.plan(loaded.study.first_seed).scenes.examples(["unseen_pair"]))


def ends_of(means: pd.DataFrame, panel: str) -> str:
    """Lowest and highest cell of a panel."""
    values = means.loc[means["measure"] == panel, "order"].dropna()
    if values.empty:
        return f"{panel} has no number"
    return f"{panel} {values.min():.2f} to {values.max():.2f}"
