"""No input goes through the intact model twice, whatever is asked of it."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from lrinterp import Run, analyze, record
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


def of_layers(small, layers: int) -> Run:
    of = {"n_pixels": 5, "n_labels": 6, "n_pair": 4, "n_val": 2, "layouts_per_pair": 4}
    return small("full", **of, sets=None, image_layers=layers, text_layers=layers)


@pytest.mark.parametrize(("layers", "turn"), [(1, iter), (2, reversed), (0, iter)])
def test_every_input_passes_its_tower_once(small, photographs, passes, layers, turn, monkeypatch):
    """Whatever is asked first; 0 stands for photographs."""
    asked = of_layers(small, layers) if layers else record(*photographs, progress=False)
    monkeypatch.setattr(
        "lrinterp.analysis.ANALYSES", {name: ANALYSES[name] for name in turn(ANALYSES)}
    )
    analyze(asked, progress=False)
    for name, tower in asked.model.towers.items():
        own = [n for (weights, _), n in passes.items() if weights == id(tower)]
        assert len(own) >= len({unpadded(row) for row in asked.inputs[name].values})
        assert set(own) == {1}


def test_another_run_is_counted_again(small, passes):
    run = of_layers(small, 1)
    for again in (run, record(run.model, run.examples, progress=False)):
        assert again.scores.isfinite().all()
    assert set(passes.values()) == {2}
