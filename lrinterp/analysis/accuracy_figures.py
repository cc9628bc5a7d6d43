"""Order by label and by distance, drawn."""

import pandas as pd

from lrinterp.charts import bars, lines, reference
from lrinterp.result import Figure

__all__ = ["MOST_LABELS", "distance_figure", "label_figure"]

MOST_LABELS = 30
"""Labels that are drawn, those with the lowest order."""


def label_figure(labels: pd.DataFrame, chance: float) -> Figure:
    """Order on the pictures of each label, the lowest first."""
    shown = labels.head(MOST_LABELS).rename(columns={"value": "order accuracy"})
    plot = bars(shown, x="order accuracy", y="label", mark="dot")
    return Figure(
        key="labels",
        title="Order by label, the lowest first",
        how_to_read="Each dot is the share right of the pictures that hold a label; "
        f"{chance:.2g} is chance. The interval over labels does not allow for a rare label on "
        "which the model fails outright.",
        plot=reference(plot, chance, "chance"),
        table=labels,
    )


def distance_figure(distances: pd.DataFrame, chance: float) -> Figure:
    """Order by the smallest distance between objects."""
    table = distances.rename(columns={"value": "order accuracy"})
    plot = lines(table, x="distance", y="order accuracy")
    return Figure(
        key="distance",
        title="Order on held-out pairs by the distance between the objects",
        how_to_read="Across: pixels between the two nearest objects, 1 for neighbours; up: share "
        f"of pictures whose true caption beats its swap, with a 95 % interval; {chance:.2g} is "
        "chance.",
        plot=reference(plot, chance, "chance"),
        table=distances,
    )
