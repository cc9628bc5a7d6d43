"""Figures of the attribution: one scale, words in full, a bounded number of points."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.attribution.figures import margin_figure, roles_figures, terms_figure
from lrinterp.analysis.attribution.similarity_attribution import (
    SimilarityAttribution,
    similarity_attribution,
)
from lrinterp.result import Figure

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(figure: Figure) -> Any:
    """Plotly's own types do not know what is in a figure."""
    return figure.draw()


@pytest.fixture(scope="module")
def result(left_right) -> SimilarityAttribution:
    return similarity_attribution(left_right, examples=60)


def test_every_figure_is_explained_in_one_sentence(result: SimilarityAttribution):
    figures = result.figures()
    keys = ["roles-image", "roles-text", "split", "terms", "pixels", "pictures"]
    assert [figure.key for figure in figures] == keys
    for figure in figures:
        assert figure.how_to_read.endswith(".")
        assert ". " not in figure.how_to_read
        assert "cosine" in figure.how_to_read
        assert len(figure.table)


def test_maps_of_both_towers_share_a_scale_centred_at_zero(result: SimilarityAttribution):
    scales = [drawn(f).layout.coloraxis for f in roles_figures(result.table, "pictures")]
    direct = result.table[result.table["kind"] == "direct"]["value"]
    for scale in scales:
        assert (scale.cmin, scale.cmax) == pytest.approx((-direct.abs().max(), direct.abs().max()))


def test_a_model_without_margin_shows_no_colour(result: SimilarityAttribution):
    faint = result.table.assign(value=1e-9 * result.table["value"])
    for figure in (*roles_figures(faint, "pictures"), terms_figure(faint)):
        assert drawn(figure).layout.coloraxis.cmax == 1e-3


def test_biases_of_the_direct_path_stand_in_one_cell(result: SimilarityAttribution):
    panel = drawn(roles_figures(result.table, "pictures")[0]).data[2]
    row = list(panel.y).index("direct path")
    biases = [
        entry["value"]
        for entry in result.rows(encoder="image", head="direct path")
        if entry["part"] in ("b_O", "b_U")
    ]
    assert panel.z[row][list(panel.x).index("CLS")] == pytest.approx(sum(biases))


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
