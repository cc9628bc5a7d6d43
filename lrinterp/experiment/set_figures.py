"""A set of pictures over a grid of one or two factors: a map of all cells, and lines."""

from collections.abc import Sequence

import pandas as pd

from lrinterp.charts import heatmap, lines
from lrinterp.experiment.naming import factor_named, factor_words, seeds_words
from lrinterp.result import Figure

__all__ = ["set_lines", "set_map"]


WHOLE = (-0.03, 1.03)
"""The range of an axis of accuracies; an interval over few seeds can reach beyond."""


def set_map(cells: pd.DataFrame, factors: Sequence[str], place: int, null: str) -> Figure:
    """The cells of one arm, a panel a measure: first factor down, second across, colours 0 to 1.

    `place` is the number of the arm, `null` a sentence that says what a guess scores.
    """
    down, across = map(factor_words, factors)
    ends = (0.0, 1.0)
    plot = heatmap(_shown(cells), x=across, y=down, z="accuracy", facet="measure", ends=ends)
    return Figure(
        key=f"map-{place}",
        title=f"Arm {cells['arm'].iloc[0]}: every cell of the grid",
        how_to_read=f"Down: {factor_named(factors[0])}; across: {factor_named(factors[1])}. Each "
        f"cell is a mean over {_sample(cells)}, as the share of pictures right; colours run from "
        f"0 to 1 in every map of this page. {null}",
        plot=plot,
        table=cells,
    )


def set_lines(cells: pd.DataFrame, factors: Sequence[str], place: int, null: str) -> Figure:
    """The cells of one arm along the first factor, a line for each value of the second."""
    across, *others = map(factor_words, factors)
    shown, by = _shown(cells), next(iter(others), None)
    last = shown[by].iloc[-1] if by else None
    plot = lines(
        shown, x=across, y="accuracy", by=by, facet="measure", highlight=last, y_range=WHOLE
    )
    each = "one point a value"
    if by:
        named = factor_named(factors[1])
        each = f"a line for each value of {named}, named at its end, the last one accented"
    return Figure(
        key=f"lines-{place}",
        title=f"Arm {cells['arm'].iloc[0]}: by {across}",
        how_to_read=f"Across: {factor_named(factors[0])}; up: share of pictures right, {each}; "
        f"bands are 95 % intervals over {_sample(cells)}. {null}",
        plot=plot,
        table=cells,
    )


def _sample(cells: pd.DataFrame) -> str:
    return seeds_words(cells["n"].tolist())


def _shown(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with columns in words, as the reader sees them."""
    words = {str(name): factor_words(str(name)) for name in cells}
    words |= {"value": "accuracy", "n": "seeds"}
    return cells.drop(columns="arm").rename(columns=words)
