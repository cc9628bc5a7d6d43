"""What the figures show of a table of geometry."""

import numpy as np
import pandas as pd

from lrinterp.analysis.relation_geometry_figures import KINDS, cosine_figures, direction_figures

MEASURES = [*KINDS, "consistency"]


def table(layers: int, *, paraphrase: bool = True) -> pd.DataFrame:
    """A made-up table: the value of a measure is its place plus a tenth of the layer."""
    rows = [
        {
            "layer": layer,
            "relation": axis,
            "measure": name,
            "value": np.nan if name == "paraphrase" and not paraphrase else k + layer / 10,
            "low": k - 0.1,
            "high": k + 0.2,
            "n": 8,
            "n_units": 2,
            "null_mean": 0.0,
            "null_low": -0.3,
            "null_high": 0.3,
        }
        for layer in range(layers)
        for axis in ("left_right", "above_below")
        for k, name in enumerate(MEASURES)
    ]
    return pd.DataFrame(rows)


def test_the_last_layer_is_drawn_by_kind():
    (figure,) = cosine_figures(table(1))
    drawn = figure.table
    assert list(dict.fromkeys(drawn["captions"])) == list(KINDS.values())
    assert drawn["mean cosine"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert set(drawn["relation"]) == {"left / right", "above / below"}
    assert "template" in figure.how_to_read


def test_layers_make_lines():
    last, lines = cosine_figures(table(3))
    assert set(last.table["layer"]) == {2}
    assert len(lines.table) == 3 * 2 * len(KINDS)
    assert [figure.key for figure in direction_figures(table(3))] == [
        "direction",
        "direction-by-layer",
    ]


def test_without_paraphrases_none_are_spoken_of():
    (figure,) = cosine_figures(table(1, paraphrase=False))
    assert "paraphrase" not in set(figure.table["captions"])
    assert "template" not in figure.how_to_read


def test_the_null_lies_as_a_shade_behind_each_dot():
    (figure,) = direction_figures(table(1))
    shades = [s for s in figure.draw().layout.shapes if s.type != "line"]
    assert [(s.x0, s.x1) for s in shades] == [(-0.3, 0.3)] * 2
    assert not direction_figures(table(1).assign(value=np.nan))
