"""Figures at depth: what is drawn is in the table, on scales that show no colour for nothing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.attribution.depth_figures import depth_figures, part_label
from lrinterp.result import Figure

LAYERS, HEADS, GRID = 3, 4, (2, 3)


def planted(seed: int = 0) -> pd.DataFrame:
    """A table of one image tower: heads by role and patch, MLPs, biases."""
    rng, rows = np.random.default_rng(seed), []

    def add(kind: str, head: str, role: str, part: str, pixel: Any = None) -> None:
        value = float(rng.normal())
        ends = {"low": value - 0.1, "high": value + 0.1, "n": 9, "n_units": 3}
        place = {"encoder": "image", "kind": kind, "head": head, "role": role, "part": part}
        rows.append({**place, "pixel": pixel, "value": value, **ends})

    for layer in range(LAYERS):
        for head in range(HEADS):
            name = f"L{layer}H{head}"
            add("direct by part", name, "-", "value")
            for role in ("CLS", "left", "right"):
                add("direct", name, role, "value")
        add("direct by part", "direct path", "CLS", f"L{layer} mlp")
    for pixel in range(GRID[0] * GRID[1]):
        for head in ("all", "L0H1"):
            add("direct by patch", head, "-", "value", pixel + 1)
    return pd.DataFrame(rows).astype({"pixel": "Int64"})


def drawn(figure: Figure) -> Any:
    """Plotly's own types do not know what is in a figure."""
    return figure.draw()


def test_every_figure_is_explained_in_one_sentence():
    figures = depth_figures(planted(), "held-out pairs", GRID)
    keys = ["parts-image", "heads-image", "roles-image", "patches-image"]
    assert [figure.key for figure in figures] == keys
    for figure in figures:
        assert figure.how_to_read.endswith(".")
        assert ". " not in figure.how_to_read
        assert "units of cosine" in figure.how_to_read
        assert (
            "does not tell the true order" in figure.how_to_read or "near 0" in figure.how_to_read
        )
        assert len(figure.table)
    text = planted().query("kind != 'direct by patch'").assign(encoder="text")
    assert len(depth_figures(text, "held-out pairs", GRID)) == 3
    assert depth_figures(text[text["kind"] == "direct"], "held-out pairs", GRID) == []


def test_bars_are_the_largest_parts_by_magnitude():
    table = planted()
    figure = depth_figures(table, "held-out pairs", GRID)[0]
    [bar] = drawn(figure).data
    parts = table[table["kind"] == "direct by part"]
    largest = parts["value"].abs().sort_values(ascending=False)[:12]
    np.testing.assert_allclose(np.abs(bar.x), largest)
    assert len(figure.table) == len(parts) == LAYERS * (HEADS + 1)
    named = {part_label(row): row["value"] for row in parts.to_dict("records")}
    assert [named[label] for label in bar.y] == pytest.approx(list(bar.x))


def test_every_head_stands_in_its_layer():
    table = planted()
    [cells] = drawn(depth_figures(table, "held-out pairs", GRID)[1]).data
    parts = table[(table["kind"] == "direct by part") & (table["part"] == "value")]
    for row in parts.to_dict("records"):
        layer, head = row["head"].split("H")
        place = list(cells.y).index(layer), list(cells.x).index(f"H{head}")
        assert cells.z[place] == row["value"]


def test_roles_of_the_strongest_heads_and_patches_on_their_grid():
    table = planted()
    _, _, roles, patches = depth_figures(table, "held-out pairs", GRID)
    parts = table[(table["kind"] == "direct by part") & (table["part"] == "value")]
    order = parts.loc[parts["value"].abs().sort_values(ascending=False).index, "head"]
    [cells] = drawn(roles).data
    assert list(cells.y) == order.tolist()[:8]
    every = drawn(patches).data[0]
    own = table[(table["kind"] == "direct by patch") & (table["head"] == "all")]
    np.testing.assert_allclose(every.z, own["value"].to_numpy(float).reshape(GRID))


def test_a_model_without_margin_shows_no_colour():
    faint = planted().assign(value=lambda t: 1e-9 * t["value"])
    for figure in depth_figures(faint, "held-out pairs", GRID)[1:]:
        assert drawn(figure).layout.coloraxis.cmax == 1e-3
