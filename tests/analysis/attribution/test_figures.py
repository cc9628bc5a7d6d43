"""Figures of the attribution: what is drawn is in the table, and nothing has no colour."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.similarity_attribution_figures import (
    margin_figure,
    table_figures,
)
from lrinterp.analysis.similarity_attribution import (
    SimilarityAttribution,
    similarity_attribution,
)
from lrinterp.result import Figure

pytestmark = pytest.mark.usefixtures("one_thread")

LAYERS, HEADS, GRID = 3, 4, (2, 3)


def drawn(figure: Figure) -> Any:
    """Plotly's own types do not know what is in a figure."""
    return figure.draw()


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
            for role, part in product(("CLS", "left", "right"), ("E", "P", "b")):
                add("direct", name, role, part)
        add("direct by part", "direct path", "CLS", f"L{layer} mlp")
    for pixel in range(GRID[0] * GRID[1]):
        for head in ("all", "L0H1"):
            add("direct by patch", head, "-", "value", pixel + 1)
    return pd.DataFrame(rows).astype({"pixel": "Int64"})


@pytest.fixture(scope="module")
def result(left_right) -> SimilarityAttribution:
    return similarity_attribution(left_right, examples=60)


def explained(figure: Figure) -> bool:
    """One sentence, with the unit, about something."""
    said = figure.how_to_read
    return said.endswith(".") and ". " not in said and "cosine" in said and len(figure.table) > 0


def test_every_figure_is_explained_in_one_sentence(result: SimilarityAttribution):
    figures = result.figures()
    towers = [f"{kind}-{tower}" for tower in ("image", "text") for kind in ("parts", "roles")]
    assert [figure.key for figure in figures] == [*towers, "pixels", "split", "terms", "pictures"]
    assert all(explained(figure) for figure in figures)


def test_many_heads_have_a_map_and_many_rows_of_patches_another():
    figures = table_figures(planted(), "held-out pairs", GRID)
    keys = ["parts-image", "heads-image", "roles-image", "patches"]
    assert [figure.key for figure in figures] == keys
    assert all(explained(figure) for figure in figures)
    text = planted().query("kind != 'direct by patch'").assign(encoder="text")
    assert len(table_figures(text, "held-out pairs", GRID)) == 3
    assert table_figures(text[text["kind"] == "direct"], "held-out pairs", GRID) == []


def test_objects_have_a_line_each_across_the_pixels(result: SimilarityAttribution):
    [figure] = [figure for figure in result.figures() if figure.key == "pixels"]
    assert set(figure.table["role"]) == {"left", "right"}
    assert set(figure.table["head"]) == {"all", "L0H0", "L0H1", "L0H2", "L0H3"}


def test_bars_are_the_largest_parts_by_magnitude():
    table = planted()
    figure = table_figures(table, "held-out pairs", GRID)[0]
    [bar] = drawn(figure).data
    parts = table[table["kind"] == "direct by part"]
    largest = parts["value"].abs().sort_values(ascending=False)[:12]
    np.testing.assert_allclose(np.abs(bar.x), largest)
    assert len(figure.table) == len(parts) == LAYERS * (HEADS + 1)
    beside = parts["head"] == "direct path"
    named = dict(zip(parts["head"].mask(beside, parts["part"]), parts["value"], strict=True))
    assert [named[label] for label in bar.y] == pytest.approx(list(bar.x))


def test_every_head_stands_in_its_layer():
    table = planted()
    [cells] = drawn(table_figures(table, "held-out pairs", GRID)[1]).data
    parts = table[(table["kind"] == "direct by part") & (table["part"] == "value")]
    for row in parts.to_dict("records"):
        layer, head = row["head"].split("H")
        place = list(cells.y).index(layer), list(cells.x).index(f"H{head}")
        assert cells.z[place] == row["value"]


def test_roles_of_the_strongest_heads_and_patches_on_their_grid():
    table = planted()
    _, _, roles, patches = table_figures(table, "held-out pairs", GRID)
    parts = table[(table["kind"] == "direct by part") & (table["part"] == "value")]
    order = parts.loc[parts["value"].abs().sort_values(ascending=False).index, "head"]
    content, *_ = drawn(roles).data
    assert set(content.y) == set(order.tolist()[:8])
    assert drawn(roles).layout.annotations[0].text == "content E"
    direct = table[(table["kind"] == "direct") & (table["part"] == "E")]
    for row in direct[direct["head"].isin(order[:8])].to_dict("records"):
        place = list(content.y).index(row["head"]), list(content.x).index(row["role"])
        assert content.z[place] == row["value"]
    every = drawn(patches).data[0]
    own = table[(table["kind"] == "direct by patch") & (table["head"] == "all")]
    np.testing.assert_allclose(every.z, own["value"].to_numpy(float).reshape(GRID))


def test_a_model_without_margin_shows_no_colour(result: SimilarityAttribution):
    faint = planted().assign(value=lambda t: 1e-9 * t["value"])
    figures = table_figures(faint, "held-out pairs", GRID)[1:]
    path = result.table[result.table["kind"] == "through attention"]
    figures.append(table_figures(path.assign(value=1e-9 * path["value"]), "pairs", GRID)[1])
    for figure in figures:
        assert drawn(figure).layout.coloraxis.cmax == 1e-3


def test_points_are_thinned_and_turned_to_the_preferred_side():
    n = 1000
    rng = np.random.default_rng(0)
    pictures = pd.DataFrame(
        {
            "picture": [f"picture {i}" for i in range(n)],
            "order": "a, b",
            "cluster": 0,
            "twin": np.arange(n)[::-1],
            "margin": np.linspace(0, 1, n),
            "L0H0": -rng.random(n),
        }
    )
    figure = margin_figure(pictures, "L0H0", "left")
    every, both = drawn(figure).data
    assert len(every.x) == len(both.x) == 400
    assert min(every.x) >= 0
    np.testing.assert_allclose(both.y, 0.5)
    assert len(figure.table) == n
    assert drawn(margin_figure(pictures, "L0H0", "left")).to_json() == drawn(figure).to_json()
