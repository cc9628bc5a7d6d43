"""Which models of a study share a stack: decided before the first step, by the study alone.

Neither the number nor the kind of workers enters, so a sweep that is resumed elsewhere trains the
same stacks and ends with the same table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrinterp.experiment.design import Setting, Study
from lrinterp.training import Plan
from lrinterp.training.fit_many import shared

__all__ = ["Member", "members", "memory_of", "pack"]

MEMORY = 2 * 2**30
"""Bytes that a stack may take, by the estimate of `memory_of`."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model of a study: its number, its combination and its seed."""

    model: int
    setting: Setting
    seed: int


def members(study: Study) -> Iterator[Member]:
    """All models of a study, numbered by arm, combination, seed."""
    number = 0
    for setting in study.settings():
        for seed in study.all_seeds():
            yield Member(model=number, setting=setting, seed=seed)
            number += 1


def pack(study: Study) -> list[list[int]]:
    """The models of each stack: arms in their order, inside an arm the longest work first.

    Models of one arm that can be trained together are divided into the fewest stacks that hold
    at most `study.stack` models and, by estimate, 2 GiB; stacks of one kind differ by at most one
    model in size.
    """
    alike: dict[tuple[str, Any], list[int]] = {}
    plans: dict[tuple[str, Any], Plan] = {}
    for k, setting in enumerate(study.settings()):
        plan = setting.plan(study.first_seed)
        key = setting.arm, shared(plan)
        plans.setdefault(key, plan)
        numbers = range(k * study.seeds, (k + 1) * study.seeds)
        alike.setdefault(key, []).extend(numbers)
    order = {arm: place for place, arm in enumerate(study.arm_names)}
    keys = sorted(alike, key=lambda key: (order[key[0]], -work(plans[key])))
    return [stack for key in keys for stack in divided(alike[key], most(study, plans[key]))]


def divided(numbers: list[int], size: int) -> list[list[int]]:
    """A list in the fewest parts of at most some size, as equal as can be."""
    parts = np.array_split(numbers, -(-len(numbers) // size))
    return [part.tolist() for part in parts]


def most(study: Study, plan: Plan) -> int:
    """Models that a stack may hold."""
    return max(1, min(study.stack, MEMORY // memory_of(plan)))


def batch_of(plan: Plan) -> int:
    """Items of a training batch."""
    items = len(plan.scenes.training.labels)
    return min(items, plan.fit.batch_size or items)


def work(plan: Plan) -> int:
    """Items that a model sees in training, the measure of its cost."""
    return plan.fit.steps * batch_of(plan)


def memory_of(plan: Plan) -> int:
    """Bytes that one model takes in a stack, roughly and rather too many.

    Weights with gradient and two moments, and for a step the activations of both towers at every
    position and the score matrices, each with its gradient.
    """
    cfg, batch = plan.encoder, batch_of(plan)
    wide = (12 + 3 * cfg.mlp_ratio) * cfg.d_model + 4 * cfg.n_heads * cfg.d_head
    weights, activations = 0, 3 * batch**2
    for tower, (d_vocab, n_ctx) in plan.scenes.sizes.items():
        layers = getattr(cfg, f"{tower}_layers")
        block = 4 * cfg.n_heads * cfg.d_head + 2 * cfg.mlp_ratio * cfg.d_model + cfg.d_embed
        weights += cfg.d_model * (d_vocab + n_ctx + layers * block)
        activations += batch * n_ctx * layers * (wide + 3 * cfg.n_heads * n_ctx)
    return 4 * (4 * weights + 2 * activations)
