"""What the figures of a deep tower show, and where."""

from typing import Any

import pandas as pd
import pytest

from lrinterp.analysis.attention_terms_figures import heads_figure, layer_of_position, parts_figure
from lrinterp.analysis.attention_terms_shares import SPLIT
from lrinterp.result import Figure

POSITION = list(SPLIT)[1]


def traces(figure: Figure) -> Any:
    """The panels of a plot."""
    plot: Any = figure.draw()
    return plot.data


def shares(layers: int) -> pd.DataFrame:
    """Key-position of two heads a layer, most in the second layer from the top."""
    rows = []
    for layer in range(layers):
        for head in (0, 1, None):
            value = 0.9 if layer == layers - 2 else 0.1 * (head or 0)
            gauge = "canonical" if layer == 0 else "means"
            place = {"encoder": "image", "layer": layer, "head": head, "gauge": gauge}
            rows.append({**place, "term": POSITION, "value": value})
    return pd.DataFrame(rows).astype({"head": "Int64"})


def written(layers: int) -> pd.DataFrame:
    """Every part of a tower with one head a layer, 0.25 each."""
    rows = []
    for layer in range(layers):
        below = [name for k in range(layer) for name in (f"L{k}H0", f"L{k} b_O", f"L{k} mlp")]
        for name in ("embed", "pos", "ln_pre.b", *below, "bias"):
            place = {"encoder": "image", "layer": layer, "head": None, "term": name}
            rows.append({**place, "value": 0.25})
    return pd.DataFrame(rows)


def test_key_position_by_layer_and_head():
    plot = traces(heads_figure(shares(3)))[0]
    assert (list(plot.y), list(plot.x)) == (["L0", "L1", "L2"], ["H0", "H1"])
    assert plot.z[1].tolist() == [0.9, 0.9]
    assert plot.z[2].tolist() == pytest.approx([0, 0.1])


def test_the_layer_that_owes_most_to_position():
    assert layer_of_position(shares(4)) == 2
    assert layer_of_position(shares(4)[:0]) == 0


def test_few_layers_show_every_part_and_many_show_sums():
    few = traces(parts_figure(written(3)))[0]
    parts = ["L0H0", "L0 b_O", "L0 mlp", "L1H0", "L1 b_O", "L1 mlp"]
    assert list(few.x) == ["embed", "pos", "ln_pre.b", *parts, "bias"]
    assert list(few.y) == ["L0", "L1", "L2"]
    many = traces(parts_figure(written(6)))[0]
    assert list(many.x)[:5] == ["embed", "pos", "ln_pre.b", "L0 heads", "L0 MLP"]
    assert list(many.x)[-1] == "bias"
    assert many.z[5].tolist()[3:5] == [0.5, 0.25]  # a head and its output bias are one
    assert pd.isna(many.z[0]).tolist() == [*[False] * 3, *[True] * 10, False]
