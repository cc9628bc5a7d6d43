"""Which roles are the two sides, and gains summed over them."""

from dataclasses import replace

import numpy as np
import pytest

from lrinterp import record
from lrinterp.analysis.gradient.attention_gain import attention_gains

pytestmark = pytest.mark.usefixtures("one_thread")


def renamed(examples, names: dict[str, str]):
    """The pictures' roles under other names."""
    roles = {names.get(name, name): mask for name, mask in examples.roles["image"].items()}
    return replace(examples, roles={**examples.roles, "image": roles})


def test_gains_by_layer_and_head_against_a_loop(photographs):
    model, examples = photographs
    recording = record(model, renamed(examples, {"left": "left half", "right": "right half"}))
    gains = attention_gains(recording)
    assert set(gains) == {(layer, head) for layer in (0, 1) for head in (0, 1)}
    for (layer, head), gain in gains.items():
        rows = recording.cache["image"]["pattern", layer].numpy()[:, head, 0, 1:]
        by_column = rows.reshape(-1, 3, 4).sum(1)
        expected = by_column[:, 2] + by_column[:, 3] - by_column[:, 0]
        assert gain["attention_gain"] == pytest.approx(np.mean(expected), abs=1e-6)
        assert (gain["n"], gain["n_units"]) == (24, 3)


def test_reversed_roles_reverse_the_gain(photographs):
    model, examples = photographs
    here = attention_gains(record(model, examples))
    there = attention_gains(record(model, renamed(examples, {"left": "right", "right": "left"})))
    for place, gain in here.items():
        assert there[place]["attention_gain"] == pytest.approx(-gain["attention_gain"])
