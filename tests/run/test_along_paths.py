"""What two or more Edits make together: path patching, and gradients integrated along a dose."""

import numpy as np
import pytest
import torch

from lrinterp.run import Edit, gradient, under
from lrinterp.run.hooks import term_change

pytestmark = pytest.mark.usefixtures("one_thread")

SCORES = "blocks.{}.attn.hook_attn_scores"


def test_path_patching_is_two_edits(made):
    """Sender L0H0 to the queries of receiver L1H1, against the same by plain hooks."""
    image = made(2, "full").towers["image"]
    swap = torch.arange(len(image)).flip(0)
    sent = Edit(what="z", how="patch", layers=(0,), heads=(0,), source=image.at(swap))
    received = under(image, sent)
    path = under(image, Edit(what="q", how="patch", layers=(1,), heads=(1,), source=received))

    tower, z = image.tower, image.cache["z", 0]
    written = (z.flip(0) - z)[:, :, 0] @ tower.blocks[0].attn.W_O[0]
    mlp = tower.blocks[0].mlp(tower.blocks[0].ln2(image.cache["resid_mid", 0] + written))
    read = image.cache["resid_mid", 0] + written + mlp
    attn = tower.blocks[1].attn
    q = tower.blocks[1].ln1(read) @ attn.W_Q[1] + attn.b_Q[1]

    def take(activation, hook):
        return torch.cat([activation[:, :, :1], q[:, :, None]], dim=2)

    last = tower.run_with_hooks(
        image.inputs.values, stop_at_layer=2, fwd_hooks=[("blocks.1.attn.hook_q", take)]
    )
    expected = image.model.project("image", last, image.inputs.pool)
    torch.testing.assert_close(path.embeddings, expected, atol=1e-5, rtol=1e-4)
    apart = [(path.embeddings - one.embeddings).abs().max() for one in (image, received)]
    assert min(apart) > 1e-3


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_along_a_dose_add_up_to_what_removal_does(made, layers):
    """Integral over the dose of slope . change of the scores, in one layer and all heads."""
    run = made(layers, double=True)
    image, direction = run.towers["image"], run.direction
    layer = layers - 1
    edit, name = Edit(layers=(layer,)), SCORES.format(layer)
    split = image.streams.split(layer, "canonical" if layer == 0 else "means")
    change = term_change(edit, image.at(slice(None)), layer, split)
    places, weights = np.polynomial.legendre.leggauss(16)
    total = torch.zeros(len(image), dtype=torch.float64)
    for place, weight in zip(places, weights, strict=True):
        there = under(image, edit.scaled((place + 1) / 2))
        slope = gradient(there, direction, [name])[name]
        total += weight / 2 * (slope * change).sum((1, 2, 3))
    moved = run.under(edit).margin - run.margin
    torch.testing.assert_close(total, moved, atol=1e-9, rtol=1e-6)
    assert moved.abs().max() > 1e-3
