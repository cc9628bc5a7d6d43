"""Random models with every weight at work, on small pictures, and a count of whole passes."""

from collections.abc import Callable
from typing import Any

import pytest

from lrinterp import Run
from lrinterp.encoders import Tower

SCALES = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
"""Large enough that attention is far from even."""

Made = Callable[..., Run]


@pytest.fixture(scope="session")
def made(small) -> Made:
    """Makes a run of a random model of some layers, fresh for each call."""

    def make(layers: int = 1, name: str = "minimal", *, seed: int = 0, **options: Any) -> Run:
        depth = {"image_layers": layers, "text_layers": layers}
        return small(name, seed=seed, noise=(seed + 1, 0.2), **SCALES, **depth, **options)

    return make


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inputs of every pass that starts at the inputs and goes through a layer."""
    counted: list[int] = []
    forward = Tower.forward

    def counting(self: Tower, values, *args, **options):
        if options.get("start_at_layer") is None and options.get("stop_at_layer") != 0:
            counted.append(len(values))
        return forward(self, values, *args, **options)

    monkeypatch.setattr(Tower, "forward", counting)
    return counted
