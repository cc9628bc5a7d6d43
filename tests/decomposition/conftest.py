"""Random models of several layers, with every bias and norm weight at work."""

from collections.abc import Callable, Mapping
from functools import cache

import pytest

from lrinterp import FitConfig, Scenes, Split, World, fit
from lrinterp.encoders import DualEncoder, preset
from lrinterp.run import Places, TowerRun

SIZES = {"d_model": 12, "n_heads": 2, "d_head": 6, "d_embed": 8}
SCALES = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
"""Large enough that attention is far from even."""
SCENES = Scenes(
    World(n_pixels=4, n_labels=4),
    Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2),
)


@pytest.fixture(scope="session")
def deep(noisy) -> Callable[..., Mapping[str, TowerRun]]:
    """Both towers of a model of some layers, trained for some steps, on all examples.

    Without clusters: position is a mean over all inputs. Made once.
    """

    @cache
    def make(layers: int, name: str = "full", steps: int = 0) -> dict[str, TowerRun]:
        config = preset(name, **SIZES, **SCALES, image_layers=layers, text_layers=layers)
        model, examples = DualEncoder.build(config, SCENES.sizes, 0), SCENES.examples()
        if steps:
            fit(model, SCENES, FitConfig(steps=steps), progress=False)
        noisy(model)
        return {
            tower: TowerRun(model, tower, inputs, Places(occurs=examples.occurs[tower]))
            for tower, inputs in model.prepare(examples).items()
        }

    return make
