"""Random models of several layers, with every bias and norm weight at work."""

from collections.abc import Callable

import pytest
import torch

from lrinterp import FitConfig, Scenes, Split, World, fit
from lrinterp.decomposition import Streams
from lrinterp.encoders import DualEncoder, preset
from lrinterp.run import Places, TowerRun

SIZES = {"d_model": 12, "n_heads": 2, "d_head": 6, "d_embed": 8}
SCALES = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
"""Large enough that attention is far from even."""


def small_scenes() -> Scenes:
    return Scenes(
        World(n_pixels=4, n_labels=4),
        Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2),
    )


@pytest.fixture(scope="session")
def deep() -> Callable[..., tuple[DualEncoder, Scenes]]:
    """Makes a model of some layers, trained for some steps."""

    def make(layers: int, name: str = "full", *, steps: int = 0) -> tuple[DualEncoder, Scenes]:
        scenes = small_scenes()
        config = preset(name, **SIZES, **SCALES, image_layers=layers, text_layers=layers)
        model = DualEncoder.build(config, scenes.sizes, 0)
        if steps:
            fit(model, scenes, FitConfig(steps=steps), progress=False)
        generator = torch.Generator().manual_seed(1)
        for key, weight in model.trainable().items():
            if key.rsplit(".", 1)[-1][:2] in ("b_", "w", "b"):
                weight.data += 0.2 * torch.randn(weight.shape, generator=generator)
        return model, scenes

    return make


@pytest.fixture(scope="session")
def streams_of() -> Callable[[DualEncoder, Scenes, str], Streams]:
    """The streams of one tower on all examples of some scenes, without clusters."""

    def read(model: DualEncoder, scenes: Scenes, tower: str) -> Streams:
        examples = scenes.examples()
        places = Places(occurs=examples.occurs[tower])
        return TowerRun(model, tower, model.prepare(examples)[tower], places).streams

    return read
