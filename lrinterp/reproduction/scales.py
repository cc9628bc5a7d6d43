"""How much of order hangs on EP, how much on key-position, by the scale of the first weights."""

import numpy as np
import pandas as pd

from lrinterp.experiment import LoadedSweep
from lrinterp.reproduction.grids import AFTER, CHANCE, INTACT, KNOWS, SCALED, of_scales
from lrinterp.reproduction.section import Drawing, Section
from lrinterp.reproduction.tables import over_seeds
from lrinterp.stats import SHARE
from lrinterp.wording import counted

__all__ = ["scales"]

PANELS = {
    INTACT: "intact",
    AFTER["EP"]: "without EP (raw)",
    AFTER["key_position"]: "without key-position",
}


def scales(loaded: LoadedSweep) -> Section:
    """Order on the grid of initial scales: intact, without EP, without key-position."""
    table = order_rows(loaded)
    means = over_seeds(table, ["measure", *SCALED], "order", SHARE)
    numbers = {name: found.metric for name, found in of_scales(loaded).items()}
    apart = cells_apart(means)
    return Section(
        name="scales",
        question="Is it EP that carries order, or key-position?",
        found=(
            f"Models of the grid whose intact order is at least {KNOWS:g} lie "
            f"{numbers['deviation_key_position'].phrase} from chance on average without "
            f"key-position, up or down, and {numbers['outside_key_position'].phrase} of them "
            f"outside {CHANCE[0]:g} to {CHANCE[1]:g}. Without EP order is "
            f"{numbers['contrast_EP'].phrase} higher at the smallest scale of token embeddings "
            f"than at the largest ({counted(numbers['contrast_EP'].n, 'seed')})."
        ),
        notes=(
            "A mean over models would hide deviations that cancel: so |order - 0.5| is averaged, "
            "and the share of models outside the band is counted, first over the models of a seed "
            "and then over seeds.",
            f"Cells whose mean intact order is under {KNOWS:g}: "
            + ("; ".join(apart) if apart else "none")
            + ". Their models count where they know order themselves.",
            "The grid of scales up to 0.3 was chosen on seeds 1000 to 1002; the largest one is "
            "that of a plain nn.Embedding.",
        ),
        numbers=numbers,
        table=table,
        drawings=(drawn(means, pictures(loaded)),),
    )


def order_rows(loaded: LoadedSweep) -> pd.DataFrame:
    """One row for each model and measure."""
    known = [name for name in PANELS if name in loaded.table]
    long = loaded.table.melt(
        id_vars=[*SCALED, "seed"], value_vars=known, var_name="measure", value_name="order"
    )
    return long.assign(measure=long["measure"].map(PANELS), order=long["order"].astype(float))


def cells_apart(means: pd.DataFrame) -> list[str]:
    """The cells that do not learn order well, in words."""
    low = means[(means["measure"] == "intact") & (means["order"] < KNOWS)]
    return [
        f"W_E {row[SCALED[0]]:g}, W_pos {row[SCALED[1]]:g} (intact {row['order']:.2f})"
        for row in low.to_dict("records")
    ]


def drawn(means: pd.DataFrame, n_pictures: int) -> Drawing:
    across, down = "std of W_pos", "std of W_E"
    table = means.rename(columns={SCALED[0]: down, SCALED[1]: across, "n": "seeds"})
    ends = [spoken(means, panel) for panel in PANELS.values()]
    n = int(np.nanmax([*means["n"], 0]))
    return Drawing(
        key="maps",
        title="Order on held-out pairs by the scales of the first embeddings",
        how_to_read="Each cell is the mean order over seeds of models that start with these "
        f"standard deviations ({counted(n, 'seed')} a cell, {counted(n_pictures, 'picture')} "
        "each); 0.5 is chance.",
        expected="the same in every cell without key-position, and a map from 0.5 to the intact "
        "order without EP",
        came="; ".join(ends),
        kind="heatmap",
        table=table,
        options={"x": across, "y": down, "z": "order", "facet": "measure", "ends": (0.0, 1.0)},
    )


def pictures(loaded: LoadedSweep) -> int:
    """Pictures of held-out pairs that each model is tested on."""
    setting = next(loaded.study.settings())
    return len(setting.plan(loaded.study.first_seed).scenes.examples(["unseen_pair"]))


def spoken(means: pd.DataFrame, panel: str) -> str:
    """Lowest and highest cell of a panel."""
    values = means.loc[means["measure"] == panel, "order"].dropna()
    if values.empty:
        return f"{panel} has no number"
    return f"{panel} {values.min():.2f} to {values.max():.2f}"
