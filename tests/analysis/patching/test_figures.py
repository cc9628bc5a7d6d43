"""What the figures draw where a cell was patched, where it was estimated, and in deep towers."""

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.patching.cells import HEAD_SITES, RESIDUAL_SITES
from lrinterp.analysis.patching.figures import patching_figures, place_of
from lrinterp.run.edit import ALL, MAP_SITES

ROLES = ["CLS", "left", "right", "background"]


def table_of(layers: int, *, exact: bool) -> pd.DataFrame:
    """Random effects; of every second cell only where not all are exact."""
    rng = np.random.default_rng(0)
    places: list[tuple] = []
    for layer in range(layers):
        places += [(s, layer, None, None, r) for s in RESIDUAL_SITES for r in (*ROLES, ALL)]
        for head in range(2):
            places += [(s, layer, head, None, r) for s in HEAD_SITES for r in ROLES]
            places += [(s, layer, head, q, k) for s in MAP_SITES for q in ROLES for k in ROLES]
    columns = ("site", "layer", "head", "query", "role")
    rows = [
        dict(zip(columns, place, strict=True)) | {"direction": direction}
        for direction in ("denoising", "noising")
        for place in places
    ]
    table = pd.DataFrame(rows).astype({"head": "Int64"})
    run = np.ones(len(table), bool) if exact else np.arange(len(table)) % 2 == 0
    return table.assign(
        encoder="image",
        effect=np.where(run, rng.normal(size=len(table)), np.nan),
        attribution=rng.normal(size=len(table)),
        exact=run,
        chosen="all" if exact else np.where(run, "random", "none"),
        known=False,
        identical=False,
    )


def figures_of(table: pd.DataFrame) -> dict:
    return {figure.key: figure for figure in patching_figures(table, mirrored=False)}


def drawn(figure) -> np.ndarray:
    cells = [trace.z for trace in figure.draw().data if trace.type == "heatmap"]
    return np.concatenate([np.asarray(z, float).ravel() for z in cells])


def test_small_towers_are_drawn_row_by_row():
    table = table_of(1, exact=True)
    figures = figures_of(table)
    assert list(figures) == ["sites-image", "maps-image", "agreement-image"]
    part = table[~table["site"].isin(MAP_SITES)]
    values = drawn(figures["sites-image"])
    assert set(values[np.isfinite(values)]) == set(part["effect"])
    assert "estimate" not in figures["sites-image"].how_to_read


@pytest.mark.parametrize("exact", [True, False])
def test_deep_towers_are_drawn_layer_by_layer(exact: bool):  # noqa: FBT001
    table = table_of(3, exact=exact)
    figures = figures_of(table)
    assert list(figures) == ["sites-image", "heads-image", "maps-image", "agreement-image"]
    shown = table["effect"].where(table["exact"], table["attribution"])
    chosen = {
        "sites-image": table["site"].isin(["resid_pre", "attn_out"]),
        "heads-image": table["site"].isin(["z", "v"]) & (table["direction"] == "denoising"),
        "maps-image": (table["site"] == "pattern")
        & (table["query"] == "CLS")
        & (table["direction"] == "denoising"),
    }
    for key, rows in chosen.items():
        values = drawn(figures[key])
        assert sorted(values[np.isfinite(values)]) == sorted(shown[rows])
        assert ("the estimate by attribution" in figures[key].how_to_read) is not exact
        assert figures[key].how_to_read.endswith(".")
        assert "how" not in figures[key].table


def test_agreement_has_a_point_a_cell_and_the_diagonal():
    table = table_of(1, exact=True)
    table.loc[0, "known"] = True
    figure = figures_of(table)["agreement-image"]
    points = sum(len(trace.x) for trace in figure.draw().data)
    assert points == len(table) - 1 == len(figure.table)
    lines = figure.draw().layout.shapes
    assert len(lines) == len(figure.draw().data) == 8
    for line in lines:
        assert (line.x0, line.x1) == (line.y0, line.y1)
    low, high = figure.draw().layout.xaxis.range
    assert low < figure.table[["effect", "attribution"]].to_numpy().min()
    assert figure.draw().layout.yaxis.range == (low, high)
    assert high > 0


def test_places_in_words():
    assert place_of({"site": "z", "layer": 2, "head": 3}) == "L2H3 z"
    assert place_of({"site": "attn_out", "layer": 0, "head": None}) == "L0 attn_out"


def test_a_zero_is_explained_by_what_both_runs_share():
    table = table_of(1, exact=True)
    both = pd.concat([table, table.assign(encoder="text").replace("CLS", "EOT")])
    photographs = {f.key: f.how_to_read for f in patching_figures(both, mirrored=True)}
    assert "mirror image" in photographs["maps-image"]
    assert "same words but one" in photographs["maps-text"]
    assert "objects at the same places" in figures_of(table)["maps-image"].how_to_read
