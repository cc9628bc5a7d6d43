"""Random models with every weight at work, on small pictures, and a count of whole passes."""

from collections.abc import Callable

import pytest
import torch

from lrinterp import DualEncoder, Run, Scenes, Split, World, preset, record
from lrinterp.encoders import Tower

SIZES = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
SCALES = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
"""Large enough that attention is far from even."""
SCENES = Scenes(
    World(n_pixels=4, n_labels=5),
    Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2),
)

Made = Callable[..., Run]


@pytest.fixture(scope="session")
def made(noisy) -> Made:
    """Makes a run of a random model of some layers, fresh for each call.

    Pictures of held-out pairs unless told otherwise: all layouts, both orders.
    """

    def make(
        layers: int = 1,
        name: str = "minimal",
        *,
        sets: tuple[str, ...] = ("unseen_pair",),
        seed: int = 0,
        double: bool = False,
    ) -> Run:
        config = preset(name, **SIZES, **SCALES, image_layers=layers, text_layers=layers)
        model = DualEncoder.build(config, SCENES.sizes, seed)
        noisy(model, seed + 1)
        if double:
            for tower in model.towers.values():
                tower.double().cfg.dtype = torch.float64
        return record(model, SCENES.examples(list(sets)), progress=False)

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
