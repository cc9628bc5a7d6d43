"""Fitting: the first step by hand, history, a micro world that is learnt, and the loss."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lrinterp.encoders import DualEncoder, preset
from lrinterp.scenes import Scenes, Split, World
from lrinterp.scoring import order_credit
from lrinterp.training import FitConfig, Fitter, contrastive_loss, fit, stacked_contrastive_loss

SCENES = Scenes(
    World(n_pixels=4, n_labels=5),
    Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=4),
)
CONFIG = FitConfig(steps=12, evaluate_every=5, warmup=4, learning_rate=1e-2)


def build(scenes: Scenes = SCENES, kind: str = "minimal", **changes: Any) -> DualEncoder:
    sizes = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8, **changes}
    return DualEncoder.build(preset(kind, **sizes), scenes.sizes, 0)


def weights(model: DualEncoder) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.trainable().items()}


def fitted(config: FitConfig, kind: str = "minimal") -> dict[str, Tensor]:
    model = build(kind=kind)
    fit(model, SCENES, config, progress=False)
    return weights(model)


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(a[name].equal(b[name]) for name in a)


def test_the_first_step_by_hand():
    """AdamW's first step moves each weight by the rate against its sign, after the decay."""
    config = replace(CONFIG, warmup=10, learning_rate=0.05, weight_decay=0.3)
    model = build()
    before = weights(model)
    Fitter(model, SCENES, config).advance()
    rate = 0.05 / 10
    pictures, captions = SCENES.batch(torch.Generator().manual_seed(config.seed))
    twin = build()
    embedded = twin.embed("image", pictures), twin.embed("text", captions)
    contrastive_loss(*embedded, twin.log_scale).backward()
    for name, weight in twin.trainable().items():
        if weight.grad is not None:
            step = weight.grad / (weight.grad.abs() + 1e-8)
            expected = before[name] * (1 - rate * 0.3) - rate * step
            torch.testing.assert_close(model.trainable()[name], expected, rtol=0, atol=2e-5)


def test_the_rate_warms_up_and_stays():
    fitter = Fitter(build(), SCENES, CONFIG)
    rates = []
    for _ in range(6):
        fitter.advance()
        rates.append(fitter.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    assert replace(CONFIG, warmup=0).rate(1) == CONFIG.learning_rate


def test_the_temperature_learns_within_its_bound():
    model = build(temperature=1 / 99)
    before = model.log_scale.item()
    fit(model, SCENES, replace(CONFIG, steps=3, warmup=0, learning_rate=1.0), progress=False)
    assert model.log_scale.item() != before
    assert model.log_scale.item() <= math.log(100) + 1e-6


def test_the_bias_of_the_projection_does_not_train():
    before, after = weights(build(kind="full")), fitted(CONFIG, "full")
    still = {name for name in before if before[name].equal(after[name])}
    assert still == {"image.unembed.b_U", "text.unembed.b_U"}
    assert (after["image.unembed.b_U"] == 0).all()


def test_a_fit_is_deterministic():
    one, same, other = (fitted(replace(CONFIG, seed=seed)) for seed in (0, 0, 1))
    assert equal(one, same)
    assert not equal(one, other)
    assert equal(one, fitted(replace(CONFIG, evaluate_every=1)))


def test_global_random_state_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    for module, name in ((torch, "manual_seed"), (np.random, "seed"), (random, "seed")):
        monkeypatch.setattr(module, name, never)
    before = torch.get_rng_state(), numpy_state()
    fit(build(), Scenes(SCENES.world, SCENES.split), CONFIG, progress=False)
    assert torch.get_rng_state().equal(before[0])
    assert numpy_state() == before[1]


def numpy_state() -> list[int]:
    return np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002


def never(*_: Any) -> None:
    raise AssertionError("global random state was seeded")


def test_history_has_a_row_for_each_evaluation_and_the_end():
    model = build()
    history = fit(model, SCENES, CONFIG, progress=False)
    assert [row["step"] for row in history] == [5, 10, 12]
    held_out = SCENES.examples(["unseen_pair"])
    order = order_credit(model.score(model.prepare(held_out)), held_out).mean()
    assert history[-1]["unseen_pair_order"] == order
    assert all(math.isfinite(row["loss"]) for row in history)


def test_more_steps_go_on_from_fewer():
    model = build()
    fitter = Fitter(model, SCENES, CONFIG)
    fit(model, SCENES, replace(CONFIG, steps=7), fitter=fitter, progress=False)
    fit(model, SCENES, CONFIG, fitter=fitter, progress=False)
    assert equal(weights(model), fitted(CONFIG))


def test_a_caller_hears_of_evaluations_and_kept_steps():
    heard: list[int] = []
    config = replace(CONFIG, keep_every=4)
    fit(
        build(), SCENES, config, progress=False,
        after_evaluation=lambda fitter: heard.append(fitter.step),
    )  # fmt: skip
    assert heard == [4, 5, 8, 10, 12]


def test_a_world_without_held_out_pairs_has_no_order():
    split = Split(n_pair=3, n_val=0, positions_per_label=2, layouts_per_pair=4)
    scenes = Scenes(World(n_pixels=4, n_labels=5), split)
    history = fit(build(scenes), scenes, replace(CONFIG, steps=2), progress=False)
    assert [row["unseen_pair_order"] for row in history] == [None]


def test_a_micro_world_is_learnt():
    scenes = Scenes(
        World(n_pixels=5, n_labels=7),
        Split(n_pair=5, n_val=2, positions_per_label=3, layouts_per_pair=6),
    )
    scales: dict[str, Any] = {"std_W_E": 0.28, "std_W_pos": 0.05, "std_weights": 0.28}
    model = build(scenes, d_model=16, d_head=8, d_embed=16, **scales)
    config = FitConfig(
        steps=150, evaluate_every=30, warmup=5, learning_rate=1e-2, weight_decay=0.01
    )
    history = fit(model, scenes, config, progress=False)
    assert history[-1]["loss"] < 0.1 * math.log(7 + 5 * 4)
    assert history[0]["unseen_pair_order"] < 0.7
    assert np.mean([row["unseen_pair_order"] for row in history[-2:]]) > 0.8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"warmup": -1}, "warmup: expected at least 0, got -1"),
        ({"learning_rate": math.nan}, "learning_rate: expected at least 0, got nan"),
        ({"seed": -1}, "seed: expected 0 to 9223372036854775807, got -1"),
        ({"batch_size": 1}, "batch_size: expected at least 2, got 1"),
    ],
)
def test_an_impossible_recipe_is_refused_by_field(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^{message}$"):
        FitConfig(**changes)


def unit(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)


@pytest.mark.parametrize("log_scale", [0.0, 1.5, math.log(100)])
def test_the_loss_agrees_with_numpy(log_scale: float):
    images, captions = unit(7, 5, seed=0), unit(7, 5, seed=1)
    got = contrastive_loss(images, captions, torch.tensor(log_scale)).item()
    scores = math.exp(log_scale) * images.numpy() @ captions.numpy().T
    rows = [np.log(np.exp(scores[i]).sum()) - scores[i, i] for i in range(7)]
    columns = [np.log(np.exp(scores[:, i]).sum()) - scores[i, i] for i in range(7)]
    assert got == pytest.approx(float(np.mean(rows) + np.mean(columns)) / 2, rel=1e-5)


@pytest.mark.parametrize("n", [2, 6])
def test_a_perfect_batch(n: int):
    """Orthogonal pairs: each item has one score of s and n - 1 of 0."""
    eye = torch.eye(n)
    expected = math.log(math.exp(2.5) + n - 1) - 2.5
    got = contrastive_loss(eye, eye, torch.tensor(math.log(2.5))).item()
    assert got == pytest.approx(expected, rel=1e-5)


def test_a_stack_loses_what_each_model_loses_alone():
    """Values and gradients, also at the steepest temperature that training allows."""
    images, captions = (unit(3, 7, 5, seed=seed).requires_grad_() for seed in (0, 1))
    log_scale = torch.tensor([0.0, 2.7, 4.6], dtype=torch.float64, requires_grad=True)
    losses = stacked_contrastive_loss(images, captions, log_scale)
    alone = torch.stack([contrastive_loss(images[k], captions[k], log_scale[k]) for k in range(3)])
    torch.testing.assert_close(losses, alone)
    outer = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    leaves = (images, captions, log_scale)
    got, expected = (torch.autograd.grad((x * outer).sum(), leaves) for x in (losses, alone))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)
