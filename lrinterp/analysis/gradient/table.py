"""Fits to the positional rows as a table, and its numbers that depend on the weights alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.analysis.gradient.fit import (
    WHOLE,
    LayerRows,
    Null,
    choose,
    family,
    lost_by_head,
    tower_rows,
)
from lrinterp.analysis.gradient.plane_fit import Grid, fit_plane
from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import decomposable, focus, is_large
from lrinterp.decomposition import KEY_POSITION, gauges_at
from lrinterp.result import Metric, records
from lrinterp.run import Run
from lrinterp.wording import head_name

__all__ = [
    "EXACT",
    "exact_numbers",
    "fit_in",
    "fits",
    "plain_fits",
    "slopes_in",
    "some_gradients",
    "whole_rows",
]

EXACT = ("headline_head", "headline_slope", "headline_span", "widest_span", "headline_spearman")
"""Numbers of the summary that depend on the weights alone."""
NO_NULL: tuple[str, Null] = ("", defaultdict(lambda: np.full(2, np.nan)))
DOWN = ("slope_y", "span_y", "null_high_y", "null_span_y")
"""Columns that a single row of pixels leaves empty."""
GAINED = {
    "attention_gain": "value", "gain_low": "low", "gain_high": "high",
    "n": "n", "n_units": "n_units",
}  # fmt: skip
"""Columns of the attention gained, beside key-position as a whole."""


def fits(
    rows: LayerRows,
    grid: Grid,
    null: tuple[str, Null] = NO_NULL,
    gains: Mapping[Place, Metric] | None = None,
) -> pd.DataFrame:
    """The fits by layer, gauge, term and head as a table."""
    kinds = {"n": "Int64", "n_units": "Int64", **dict.fromkeys(DOWN, float)}
    return pd.DataFrame(list(fitted(rows, grid, null, gains or {}))).astype(kinds)


def fitted(
    rows: LayerRows, grid: Grid, null: tuple[str, Null], gains: Mapping[Place, Metric]
) -> Iterator[dict[str, Any]]:
    """One table row for each layer, gauge, term and head, with the kind of the null and itself."""
    kind, highs = null
    for (layer, gauge, term), values in rows.items():
        x, y = highs[family(gauge), term].tolist()
        down = (y, y * (grid[0] - 1)) if grid[0] > 1 else (None, None)
        against = {"null": kind, "null_high": x, "null_span": x * (grid[1] - 1)}
        against |= {"null_high_y": down[0], "null_span_y": down[1]}
        whole = term == WHOLE and gauge != "raw"
        for head, row in enumerate(values):
            place = {"encoder": "image", "layer": layer, "head": head, "term": term}
            found = gains.get((layer, head), Metric(value=None))
            gain = {name: getattr(found, field) for name, field in GAINED.items()}
            yield {
                **place,
                "gauge": gauge,
                **fit_plane(row, grid),
                **against,
                **(gain if whole else {}),
            }


def plain_fits(part: Run) -> pd.DataFrame:
    """The table of fits without null and attention gained, of pictures of one set."""
    return fits(tower_rows(part.towers["image"].streams), part.examples.grid)


def whole_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of key-position as a whole, in each layer's own gauge."""
    return table[(table["term"] == WHOLE) & (table["gauge"] != "raw")]


def slopes_in(table: pd.DataFrame) -> dict[Place, float]:
    """By layer and head: the slope of key-position as a whole."""
    return {(row["layer"], row["head"]): row["slope"] for row in records(whole_rows(table))}


def fit_in(
    table: pd.DataFrame, place: Place, term: str = WHOLE, gauge: str | None = None
) -> dict[str, Any]:
    """The table row of one head and term; gauge None is the layer's first."""
    layer, head = place
    here = (table["layer"] == layer) & (table["head"] == head) & (table["term"] == term)
    [row] = records(table[here & (table["gauge"] == (gauge or gauges_at(layer)[0]))])
    return row


def exact_numbers(table: pd.DataFrame, place: Place) -> dict[str, Metric]:
    """What the weights alone say of the headline head, and of the steepest of all."""
    row, whole = fit_in(table, place), whole_rows(table)
    largest = {"widest_span": whole["span"].max(), "largest_slope": whole["slope"].abs().max()}
    rho = {"": row["spearman"]} | {
        f"_{term}": fit_in(table, place, term, "raw")["spearman"] if place[0] == 0 else None
        for term in KEY_POSITION
    }
    return {
        "headline_head": Metric(value=head_name(*place), estimator="name"),
        "headline_slope": Metric(value=row["slope"], estimator="slope"),
        "headline_span": Metric(value=row["span"], estimator="slope"),
        **{key: Metric(value=float(found), estimator="slope") for key, found in largest.items()},
        **{
            f"headline_spearman{term}": Metric(value=found, estimator="correlation")
            for term, found in rho.items()
        },
    }


def some_gradients(recording: Run, keys: Sequence[str]) -> dict[str, Metric]:
    """The exact numbers of `positional_gradient` that are asked for, and nothing else run.

    None of large towers, of which `term_ablation` removes some heads alone. Raises as
    `positional_gradient` does.
    """
    decomposable(recording, "image")
    part = recording.of(focus(recording.examples))
    if is_large(recording.model):
        return {}
    table = plain_fits(part)
    place, _ = choose(lost_by_head(part), slopes_in(table))
    known = exact_numbers(table, place)
    return {key: known[key] for key in keys if key in known}
