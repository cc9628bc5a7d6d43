"""What the figures draw where a cell was patched, where it was estimated; agreement by scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from lrinterp.analysis.patching.cells import RESIDUAL_SITES
from lrinterp.analysis.patching.patching_figures import (
    agreed_metrics,
    agreement,
    compared,
    patching_figures,
)
from lrinterp.run.edit import ALL, HEAD_SITES, MAP_SITES

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
        encoder="image", effect=np.where(run, rng.normal(size=len(table)), np.nan),
        attribution=rng.normal(size=len(table)), exact=run,
        chosen="all" if exact else np.where(run, "random", "none"), known=False, identical=False,
    )  # fmt: skip


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


def numbers_of(n: int = 40, chosen: str = "all") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    effect = rng.normal(size=n)
    table = pd.DataFrame({"effect": effect, "attribution": 0.5 * effect + 0.1 * rng.normal(size=n)})
    site = np.where(np.arange(n) % 2, "z", "k")
    return table.assign(encoder="image", site=site, chosen=chosen, exact=True, known=False)


def test_numbers_are_those_of_scipy():
    table = numbers_of()
    rows = agreement(table).set_index("site")
    assert rows["n"].tolist() == [40, 20, 20]
    for site, part in {"all sites": table, "z": table[table["site"] == "z"]}.items():
        x, y = part["effect"], part["attribution"]
        assert rows.loc[site, "pearson"] == pytest.approx(pearsonr(x, y)[0])
        assert rows.loc[site, "spearman"] == pytest.approx(spearmanr(x, y)[0])
        slope = np.linalg.lstsq(x.to_numpy()[:, None], y.to_numpy(), rcond=None)[0][0]
        assert rows.loc[site, "slope"] == pytest.approx(slope)
    summary = agreed_metrics(agreement(table))
    assert list(summary) == [f"image_attribution_{k}" for k in ("pearson", "spearman", "slope")]
    assert summary["image_attribution_slope"].n == 40


def test_cells_known_by_construction_or_not_patched_do_not_count():
    table = numbers_of()
    table.loc[:4, "known"] = True
    table.loc[5:9, "exact"] = False
    table.loc[:9, "attribution"] = 100.0
    assert len(compared(table)) == 30
    kept = agreement(table)
    assert kept["n"].tolist()[0] == 30
    assert kept["slope"].tolist()[0] == pytest.approx(0.5, abs=0.1)
    assert agreed_metrics(agreement(table.assign(exact=False))) == {}


def test_the_sample_and_the_strongest_are_kept_apart():
    table = numbers_of()
    table.loc[:9, "chosen"] = "strongest"
    table.loc[10:29, "chosen"] = "random"
    table.loc[30:, "chosen"] = "both"
    whole = agreement(table)[lambda rows: rows["site"] == "all sites"].set_index("cells")["n"]
    assert whole.to_dict() == {"random sample": 30, "strongest cells": 20}
    assert {"image_attribution_slope", "image_strongest_attribution_slope"} <= set(
        agreed_metrics(agreement(table))
    )
