"""Stacks against single fits: the same models, step by step."""

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch

from lrinterp.encoders import DualEncoder, preset
from lrinterp.scenes import Scenes, Split, World
from lrinterp.scoring import order_credit
from lrinterp.training import FitConfig, Fitter, Plan, StackFitter, fit, fit_many
from lrinterp.training.fit_many import stacks_of

SMALL = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8}


def plan(
    seed: int,
    *,
    name: str = "minimal",
    template: Literal["left", "both"] = "left",
    text_layers: int = 1,
    **changes: Any,
) -> Plan:
    """A small plan; `changes` are fields of the recipe."""
    split = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=4, seed=seed)
    return Plan(
        scenes=Scenes(World(n_pixels=4, n_labels=5, template=template), split),
        encoder=preset(name, **SMALL, text_layers=text_layers),
        fit=FitConfig(
            **{"steps": 30, "evaluate_every": 10, "warmup": 5, "learning_rate": 1e-2, **changes},
            seed=seed,
        ),
    )


@pytest.mark.parametrize(
    ("plans", "steps"),
    [
        ([plan(0), plan(1), plan(2)], 60),
        ([plan(0, batch_size=6), plan(1, batch_size=6)], 40),
        ([plan(s, template="both", text_layers=2) for s in range(2)], 40),
        ([plan(s, name="full") for s in range(2)], 40),
        ([plan(0, learning_rate=3e-2), plan(1), plan(2), plan(3, weight_decay=0.5)], 40),
    ],
    ids=["left", "drawn", "deep-text", "full", "recipes"],
)
def test_losses_follow_single_fits_in_double_precision(plans: list[Plan], steps: int):
    stack = StackFitter(plans, [p.build().double() for p in plans])
    alone = [Fitter(watched(p.build().double()), p.scenes, p.fit) for p in plans]
    for _ in range(steps):
        together = stack.advance()
        expected = torch.stack([fitter.advance() for fitter in alone])
        torch.testing.assert_close(together, expected, rtol=0, atol=1e-6)


def watched(model: DualEncoder) -> DualEncoder:
    """The same model, with hooks that change nothing but keep it from being read by tables."""
    for tower in model.towers.values():
        tower.add_hook("hook_embed", lambda tensor, hook: tensor)
    return model


@pytest.mark.slow
def test_losses_of_the_default_recipe_follow_for_300_steps():
    """At full size, where training is not chaotic as it is with eight dimensions.

    A model in a stack, one by its tables and one by its own forward pass.
    """
    plans = [
        Plan(scenes=Scenes(split=Split(seed=s)), encoder=preset("minimal"), fit=FitConfig(seed=s))
        for s in (0, 1)
    ]
    stack = StackFitter(plans, [p.build().double() for p in plans])
    alone, slow = (
        Fitter(model, plans[1].scenes, plans[1].fit)
        for model in (plans[1].build().double(), watched(plans[1].build().double()))
    )
    for _ in range(300):
        expected = pytest.approx(slow.advance().item(), abs=1e-6)
        assert alone.advance().item() == expected
        assert stack.advance()[1].item() == expected


def test_results_are_those_of_single_fits_in_the_order_of_the_plans():
    """Two batch sizes that cannot share a stack, interleaved."""
    plans = [plan(0), plan(1, batch_size=6), plan(2), plan(3, batch_size=6)]
    fitted = fit_many(plans, progress=False)
    for p, got in zip(plans, fitted, strict=True):
        model = p.build()
        history = fit(model, p.scenes, p.fit, progress=False)
        assert [row["step"] for row in got.history] == [row["step"] for row in history]
        for own, alone in zip(got.history, history, strict=True):
            assert own["loss"] == pytest.approx(alone["loss"], abs=1e-3)
        examples = p.scenes.examples(["unseen_pair"])
        scores = (m.score(m.prepare(examples)) for m in (got.model, model))
        torch.testing.assert_close(*scores, rtol=0, atol=1e-2)
        assert got.error is None
        order = order_credit(got.model.score(got.model.prepare(examples)), examples).mean()
        assert got.history[-1]["unseen_pair_order"] == pytest.approx(order)


def test_every_model_is_tested_on_the_held_out_pairs_of_its_own_split():
    """Splits draw layouts of their own; on those of another split the number is another."""
    few = Split(n_pair=3, n_val=4, positions_per_label=2, layouts_per_pair=4, test_layouts=3)
    world, seeds = World(n_pixels=8, n_labels=7), range(3)
    scenes = [Scenes(world, replace(few, seed=seed)) for seed in seeds]
    config = preset("minimal", **SMALL, std_W_E=1.0, std_W_pos=1.0, std_weights=0.5)
    recipe = FitConfig(steps=1)
    plans = [
        Plan(scenes=own, encoder=config, fit=replace(recipe, seed=seed))
        for seed, own in zip(seeds, scenes, strict=True)
    ]
    fitted = fit_many(plans, progress=False)
    pairs = [own.examples(["unseen_pair"]) for own in scenes]
    orders = [
        [order_credit(one.model.score(one.model.prepare(e)), e).mean() for e in pairs]
        for one in fitted
    ]
    own = pytest.approx([orders[k][k] for k in seeds])
    assert [one.history[-1]["unseen_pair_order"] for one in fitted] == own
    assert [row[0] for row in orders] != own


def test_plans_that_differ_in_shape_or_steps_stand_apart():
    base = plan(0)
    wide = replace(base, encoder=replace(base.encoder, std_W_E=1.0, temperature=0.5))
    rarer = plan(4)
    split = replace(rarer.scenes.split, layouts_per_pair=1)
    fewer = replace(rarer, scenes=Scenes(rarer.scenes.world, split))
    other = [plan(0, learning_rate=1e-3), plan(0, steps=31), plan(0, name="full")]
    plans = [base, other[0], wide, other[1], fewer, other[2]]
    assert stacks_of(plans, 8) == [[0, 1, 2, 4], [3], [5]]
    assert stacks_of(plans, 2) == [[0, 1], [2, 4], [3], [5]]


def test_a_model_that_diverges_does_not_stop_the_others():
    good, bad = plan(0), plan(1)
    huge = replace(bad, encoder=replace(bad.encoder, std_W_E=1e30))
    first, second = fit_many([good, huge], progress=False)
    assert first.error is None
    assert second.error == "the loss is not finite at step 10"
    (alone,) = fit_many([good], progress=False)
    assert first.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-3)


def test_models_are_kept_along_the_way_where_a_plan_asks_for_it():
    """Two stacks, one of which keeps; the last step kept is the model that comes out."""
    plans = [plan(0, keep_every=12), plan(1), plan(2, keep_every=12)]
    kept: dict[tuple[int, int], dict[str, torch.Tensor]] = {}

    def keep(index: int, step: int, model: DualEncoder) -> None:
        kept[index, step] = {name: w.detach().clone() for name, w in model.trainable().items()}

    fitted = fit_many(plans, progress=False, keep=keep)
    assert sorted(kept) == [(0, 12), (0, 24), (2, 12), (2, 24)]
    shorter = [replace(p, fit=replace(p.fit, steps=24)) for p in plans]
    for index in (0, 2):
        expected = fit_many([shorter[index]], progress=False)[0].model.trainable()
        for name, weight in kept[index, 24].items():
            torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-3)
        assert not all(
            torch.equal(w, fitted[index].model.trainable()[n]) for n, w in kept[index, 24].items()
        )
