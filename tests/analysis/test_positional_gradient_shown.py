"""Maps lie as the picture does; lines are those of the headline's layer."""

import numpy as np
import pytest

from lrinterp import record
from lrinterp.analysis.positional_gradient import PositionalGradient, positional_gradient
from lrinterp.result import Metric


@pytest.fixture
def on_patches(photographs, losing) -> PositionalGradient:
    """The gradient of head L1H0, whose removal costs most."""
    needed = {(1, 0): Metric(value=0.2, low=0.1, high=0.3)}
    return positional_gradient(record(*photographs), term_ablation=losing(needed))


def test_the_map_has_the_picture_s_orientation(on_patches: PositionalGradient):
    figure = {f.key: f for f in on_patches.figures()}["map"]
    plot = figure.draw().data[0]
    assert (list(plot.x), list(plot.y)) == (["1", "2", "3", "4"], ["1", "2", "3"])
    rows = on_patches.headline_rows.query("head == 'L1H0'")
    values = rows.sort_values("pixel")["value"].to_numpy().reshape(3, 4)
    np.testing.assert_allclose(plot.z, values - values.mean(), atol=1e-9)
    assert figure.draw().layout.yaxis.autorange == "reversed"  # the first row on top


def test_slopes_of_all_heads_in_both_directions(on_patches: PositionalGradient):
    figure = {f.key: f for f in on_patches.figures()}["slopes"]
    right, down = figure.draw().data
    for layer in (0, 1):
        for head in (0, 1):
            fit = on_patches.fit_of(head, layer=layer)
            assert right.z[layer, head] == pytest.approx(fit["slope"])
            assert down.z[layer, head] == pytest.approx(fit["slope_y"])
