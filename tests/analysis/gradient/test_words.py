"""The words of a gradient: a row of pixels, a grid of patches, halves instead of objects."""

from typing import Any
from unittest.mock import Mock

import pytest

from lrinterp.analysis.positional_gradient import PositionalGradient
from lrinterp.analysis.positional_gradient_figures import found, notes, null_words
from lrinterp.result import Metric


def result(**changes: Any) -> PositionalGradient:
    """A headline head of a grid of patches that rises to the left and downwards."""
    row = {"slope": -0.5, "span": 3.0, "spearman": -0.9, "null_span": 0.4}
    row |= {"slope_y": 0.25, "span_y": 1.5, "null_span_y": 0.3}
    gain = Metric(value=0.1, low=0.05, high=0.15, n=64, n_units=5)
    spans = {"headline_span": Metric(value=3.0), "null_span": Metric(value=0.4)}
    fields = {
        "headline_row": row,
        "metrics": {"right_object_attention_gain": gain, **spans},
        "grid": (7, 7),
        "unit": "patch",
        "side": "object",
        "null": "permuted",
        "headline_name": "L3H1",
        "headline_layer": 3,
        "headline_by": "its removal costs most order",
        "normed": False,
        "layers": 4,
    }
    return Mock(spec=PositionalGradient, **(fields | changes))


def test_a_grid_is_spoken_of_by_columns_and_rows():
    text = found(result())
    assert "rises towards the left by 0.50 logits a column of patches" in text
    assert "the fitted plane spans 3 logits over the width" in text
    assert "From top to bottom it spans 1.5 logits, rising towards the bottom (null 0.3)." in text
    assert "when the patches of these rows change places" in text
    assert "(64 pictures, 5 labels)" in text


def test_a_row_is_spoken_of_by_pixels():
    row = {**result().headline_row, "slope_y": None}
    text = found(result(grid=(1, 10), unit="pixel", headline_row=row))
    assert "by 0.50 logits a pixel: the fitted line spans 3 logits over the row" in text
    assert "top" not in text
    assert "when the pixels of these rows change places" in text


def test_nothing_is_called_nothing_and_halves_are_halves():
    flat = {**result().metrics, "headline_span": Metric(value=0.05)}
    text = found(result(metrics=flat, side="half"))
    assert "has no gradient from left to right to speak of" in text
    assert "Attention to the right half minus attention to the left half" in text


@pytest.mark.parametrize("layer", [0, 3])
def test_only_first_layers_are_exact_and_deep_ones_a_convention(layer: int):
    text = " ".join(notes(result(headline_layer=layer)))
    assert ("depend on weights alone" in text) == (layer == 0)
    assert "mean of the residual stream at each position" in text
    assert "100 untrained models" in null_words(result(null="untrained"))
