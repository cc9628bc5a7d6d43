"""Numbers along training, one line a run, against the step and against the breaking."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lrinterp.charts import bars, lines, reference
from lrinterp.result import Figure

__all__ = ["curves", "lags"]

WORDS = {
    "unseen_pair_order": "order accuracy",
    "slope": "slope (logits per pixel)",
    "span": "span (logits)",
    "largest_slope": "largest slope (logits per pixel)",
    "loss": "loss (nats)",
}
TITLES = {
    "unseen_pair_order": "Order on held-out pairs",
    "slope": "Slope of the head that matters at the end",
    "largest_slope": "Largest slope of any head",
    "loss": "Training loss",
}
NULLS = {
    "unseen_pair_order": "a model that guesses stays at chance",
    "slope": "a run without a gradient stays at 0, and either sign may win",
    "largest_slope": "a run without a gradient stays next to 0",
    "loss": "a model that learns nothing stays where it began",
}
STEP, SINCE = "step", "steps since the breaking"


def curves(table: pd.DataFrame, scalars: Sequence[str]) -> tuple[Figure, ...]:
    """For each scalar one figure against the step, and one against the steps since the breaking.

    Runs that never break are in the first alone.
    """
    return tuple(figure for name in scalars for figure in _of(table, name))


def _of(table: pd.DataFrame, name: str) -> Iterator[Figure]:
    words = WORDS.get(name, name)
    shown = table.rename(columns={name: words, "aligned_step": SINCE}).dropna(subset=[words])
    chance = table["chance"].unique() if name == "unseen_pair_order" else ()
    for x, title in ((STEP, "by training step"), (SINCE, "by steps since order broke")):
        part = shown.dropna(subset=[x])[["run", x, words]]
        if part.empty:
            continue
        plot = lines(part, x=x, y=words, by="run", headroom=True)
        if len(chance) == 1:
            plot = reference(plot, float(chance[0]), "chance")
        null = NULLS.get(name, "a run in which nothing changes draws a flat line")
        where = "optimiser steps" if x == STEP else "optimiser steps since order passed half way"
        yield Figure(
            key=f"{name.replace('.', '-')}-{'step' if x == STEP else 'aligned'}",
            title=f"{TITLES.get(name, name)}, {title}",
            how_to_read=f"Each line is one run; across: {where}; up: {words}; {null}.",
            plot=plot,
            table=part,
        )


def lags(events: pd.DataFrame) -> tuple[Figure, ...]:
    """When order broke and when half the slope was there, run by run, and how far apart."""
    known = events.dropna(subset=["lag"])
    if known.empty:
        return ()
    shown = known.rename(columns={"lag": "lag (steps)"})
    shown = shown[["run", "lag (steps)", "order_step", "slope_step"]]
    plot = bars(shown, x="lag (steps)", y="run", mark="dot")
    return (
        Figure(
            key="lags",
            title="By how many steps half of the slope came before order",
            how_to_read="Each dot is one run: the step at which order passes half way minus the "
            "step at which |slope| of the head that matters at the end passes half its last value; "
            "right of 0 half of the slope came first, and at 0 neither did.",
            plot=reference(plot, 0.0, "at once"),
            table=events,
        ),
    )
