"""No input goes through the intact model twice, whatever is asked of it."""

from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lrinterp import DualEncoder, Run, Scenes, Split, World, analyze, preset, record
from lrinterp.analysis import ANALYSES
from lrinterp.encoders import Tower

Passes = Counter[tuple[int, bytes]]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    """How often each input went through each tower from its start, without gradients."""
    counted, forward = Counter(), Tower.forward

    def counting(self: Tower, values, *args, **options):
        whole = options.get("start_at_layer") is None and options.get("stop_at_layer") != 0
        if whole and not torch.is_grad_enabled():
            counted.update((id(self), unpadded(row)) for row in values)
        return forward(self, values, *args, **options)

    monkeypatch.setattr(Tower, "forward", counting)
    return counted


def unpadded(row: Tensor) -> bytes:
    """An input without the number that is repeated at its end: captions are cut and padded."""
    flat = row.flatten()
    same = int((flat.flip(0) != flat[-1]).int().argmax())
    return flat[: len(flat) - same + 1].numpy().tobytes()


def of_layers(n_layers: int) -> Run:
    scenes = Scenes(
        World(n_pixels=5, n_labels=6),
        Split(n_pair=4, n_val=2, positions_per_label=2, layouts_per_pair=4),
    )
    sizes = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
    config = preset("full", **sizes, image_layers=n_layers, text_layers=n_layers)
    return record(DualEncoder.build(config, scenes.sizes, 0), scenes.examples(), progress=False)


@pytest.fixture(params=["one layer", "two layers", "photographs"])
def asked(request: pytest.FixtureRequest, photographs) -> Iterator[Run]:
    if request.param == "photographs":
        yield record(*photographs, progress=False)
    else:
        yield of_layers(1 if request.param == "one layer" else 2)


@pytest.mark.parametrize("turn", [iter, reversed])
def test_every_input_goes_through_its_tower_once(asked, passes, turn, monkeypatch):
    """Whatever is asked first."""
    monkeypatch.setattr(
        "lrinterp.analysis.ANALYSES", {name: ANALYSES[name] for name in turn(ANALYSES)}
    )
    analyze(asked, progress=False)
    for name, tower in asked.model.towers.items():
        own = [n for (weights, _), n in passes.items() if weights == id(tower)]
        assert len(own) >= len({unpadded(row) for row in asked.inputs[name].values})
        assert set(own) == {1}


def test_another_run_is_counted_again(passes: Passes):
    run = of_layers(1)
    for again in (run, record(run.model, run.examples, progress=False)):
        assert again.scores.isfinite().all()
    assert set(passes.values()) == {2}
