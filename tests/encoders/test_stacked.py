"""Stacks: what many models on one axis have in common with each of them alone."""

from typing import Any

import pytest
import torch

from lrinterp.encoders import DualEncoder, Stack, preset
from lrinterp.encoders.dual import MAX_SCALE
from lrinterp.scenes import Scenes, Split, World

SCENES = Scenes(
    World(n_pixels=4, n_labels=5),
    Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=3),
)
SMALL = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}


def models(name: str = "minimal", n: int = 3, **changes: Any) -> list[DualEncoder]:
    config = preset(name, **{**SMALL, **changes})
    return [DualEncoder.build(config, SCENES.sizes, seed) for seed in range(n)]


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [("minimal", {}), ("full", {}), ("full", {"image_layers": 2, "text_layers": 3})],
)
def test_every_model_reads_as_it_does_alone(name: str, changes: dict[str, Any], tower: str):
    own = models(name, **changes)
    tokens = getattr(SCENES.examples(["unseen_pair"]), tower)
    ids, pool = (part.expand(len(own), *part.shape) for part in (tokens.ids, tokens.pool))
    got = Stack(own).embed_all(tower, ids, pool, batch_size=7)
    expected = torch.stack([model.embed_all(tower, tokens) for model in own])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def test_models_are_independent_of_each_other():
    """A gradient of the second model's embeddings touches no other model."""
    stack = Stack(models())
    tokens = SCENES.examples(["unseen_pair"]).image
    ids, pool = tokens.ids.expand(3, -1, -1), tokens.pool.expand(3, -1)
    stack.embed("image", ids, pool)[1, :, 0].sum().backward()
    grad = stack.weights["image.embed.W_E"].grad
    assert grad is not None
    assert grad[1].any()
    assert not grad[[0, 2]].any()


def test_unstacking_gives_the_models_their_weights():
    own = models()
    stack = Stack(own)
    before = stack.weights["text.unembed.W_U"].detach().clone()
    with torch.no_grad():
        for weight in stack.trained:
            weight += 1
    again = stack.unstack()
    assert all(one is other for one, other in zip(again, own, strict=True))
    for index, model in enumerate(again):
        torch.testing.assert_close(model.trainable()["text.unembed.W_U"], before[index] + 1)
        assert not model.trainable()["text.unembed.b_U"].any()


def test_the_scale_is_clamped_in_every_model():
    stack = Stack(models())
    with torch.no_grad():
        stack.weights["log_scale"][1] = 9.0
    stack.clamp_scale()
    assert stack.weights["log_scale"].max().item() == pytest.approx(MAX_SCALE)


@pytest.mark.parametrize("bad", [[], [*models(n=1), *models("full", n=1)]])
def test_models_of_several_shapes_are_refused(bad: list[DualEncoder]):
    with pytest.raises(ValueError, match="models: expected at least one, all of one shape"):
        Stack(bad)
