"""Fitting many models at once: stacks of models that share their shape and their batch size.

Models of a stack may differ in seed, split, learning rate, decay and initial scales. Plans that
differ in more than that go into separate stacks, so any list of plans can be fitted. Nothing is
written on the way, but by a `keep` of the caller's: a stack is the unit that is begun again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.axes import Scores, Tokens
from lrinterp.encoders import DualEncoder, Stack
from lrinterp.training.fit import evaluated, stacked_contrastive_loss
from lrinterp.training.resume import Plan

__all__ = ["STACK", "Fitted", "StackFitter", "fit_many", "shared", "stacks_of"]

STACK = 32
"""Models of a stack: few enough for the cache, enough to share the cost of a step."""


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted in a stack, and its history."""

    model: DualEncoder
    history: list[dict[str, Any]]

    @property
    def error(self) -> str | None:
        """Why the model is no good, the first evaluation at which its loss was not finite."""
        bad = [row["step"] for row in self.history if not np.isfinite(row["loss"])]
        return f"the loss is not finite at step {bad[0]}" if bad else None


def fit_many(
    plans: Sequence[Plan],
    *,
    stack: int = STACK,
    device: str | torch.device = "cpu",
    progress: bool | None = None,
    keep: Callable[[int, int, DualEncoder], None] | None = None,
) -> list[Fitted]:
    """Fit a model for each plan, `stack` at a time, and return them in the order of the plans.

    Each follows `fit` step by step: the same weights at first, the same batches, the same
    optimiser, up to rounding. A model that diverges carries an `error`; the others go on.
    `keep` is called with the index of a plan, the step and the model at every multiple of the
    plan's `keep_every`. Deterministic in (plans, stack) on one device and thread count.

    Cost: see analyses/speed.
    """
    done: dict[int, Fitted] = {}
    with tqdm(
        total=sum(plan.fit.steps for plan in plans),
        unit="model step",
        disable=None if progress is None else not progress,
    ) as bar:
        for members in stacks_of(plans, stack):
            together = [plans[i] for i in members]
            fitter = StackFitter(together, [plan.build().to(device) for plan in together])
            while fitter.step < fitter.config.steps:
                fitter.advance()
                bar.update(len(members))
                if keep is not None and fitter.config.keeps(fitter.step):
                    for index, model in zip(members, fitter.stack.unstack(), strict=True):
                        keep(index, fitter.step, model)
            done |= dict(zip(members, fitter.finish(), strict=True))
    return [done[i] for i in range(len(plans))]


def stacks_of(plans: Sequence[Plan], size: int) -> list[list[int]]:
    """Indices of the plans that are fitted together: at most `size`, in the order of the plans."""
    alike: dict[Any, list[int]] = {}
    for index, plan in enumerate(plans):
        alike.setdefault(shared(plan), []).append(index)
    return [same[i : i + size] for same in alike.values() for i in range(0, len(same), size)]


def shared(plan: Plan) -> tuple[Any, ...]:
    """What the models of a stack have in common."""
    world, split = plan.scenes.world, plan.scenes.split
    encoder = replace(plan.encoder, std_W_E=0.0, std_W_pos=0.0, std_weights=0.0, temperature=1.0)
    recipe = replace(plan.fit, seed=0, learning_rate=0.0, weight_decay=0.0)
    return world, split.n_pair, split.n_val, split.test_layouts, encoder, recipe


def alike(plans: Sequence[Plan]) -> list[slice]:
    """Runs of models, one behind the other, that share learning rate and decay."""
    rates = [(plan.fit.learning_rate, plan.fit.weight_decay) for plan in plans]
    ends = np.cumsum([len(list(run)) for _, run in groupby(rates)]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


class StackFitter:
    """A stack being fitted: as `Fitter`, for all its models at once."""

    def __init__(self, plans: Sequence[Plan], models: Sequence[DualEncoder]) -> None:
        self.scenes = [plan.scenes for plan in plans]
        self.config, self.step = plans[0].fit, 0
        self.stack = Stack(models)
        self.generators = [torch.Generator().manual_seed(plan.fit.seed) for plan in plans]
        self.recipes = [(members, plans[members.start].fit) for members in alike(plans)]
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": self.stack.views(members),
                    "lr": fit.learning_rate,
                    "weight_decay": fit.weight_decay,
                }
                for members, fit in self.recipes
            ],
            fused=True,
        )
        self.history: list[list[dict[str, Any]]] = [[] for _ in plans]
        self.held_out = [scenes.examples(["unseen_pair"]) for scenes in self.scenes]

    def advance(self) -> Float[Tensor, "model"]:
        """One step of every model, each on a fresh batch of its own; evaluates when due."""
        pictures, captions = self.batch()
        images, texts = self.stack.embed("image", *pictures), self.stack.embed("text", *captions)
        loss = stacked_contrastive_loss(images, texts, self.stack.weights["log_scale"])
        self.stack.zero_grad()
        loss.sum().backward()
        self.step += 1
        for group, (members, fit) in zip(self.optimiser.param_groups, self.recipes, strict=True):
            group["lr"] = fit.rate(self.step)
            self.stack.hand_gradients(group["params"], members)
        self.optimiser.step()
        self.stack.clamp_scale()
        if self.config.evaluates(self.step):
            self.evaluate(loss.detach())
        return loss.detach()

    def batch(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(ids, pool) of a batch of pictures and of its captions, models first."""
        size = self.config.batch_size
        drawn = [s.batch(g, size) for s, g in zip(self.scenes, self.generators, strict=True)]
        pictures, captions = map(self.together, zip(*drawn, strict=True))
        return pictures, captions

    def together(self, tokens: Iterable[Tokens]) -> tuple[Tensor, Tensor]:
        """(ids, pool) of what each model reads, models first."""
        ids, pool = zip(*((one.ids, one.pool) for one in tokens), strict=True)
        return torch.stack(ids).to(self.stack.device), torch.stack(pool).to(self.stack.device)

    def evaluate(self, loss: Float[Tensor, "model"]) -> None:
        """Append step, loss and swap accuracy on held-out pairs to each history."""
        scores = self.scores() if len(self.held_out[0]) else [None] * len(self.stack)
        each = zip(self.history, loss.tolist(), scores, self.held_out, strict=True)
        for history, own, found, held_out in each:
            history.append(evaluated(self.step, own, found, held_out))

    def scores(self) -> list[Scores]:
        """What each model scores on the held-out pairs of its own split."""
        sizes = [len(examples) for examples in self.held_out]
        rows = torch.arange(max(sizes))  # some splits hold one picture less: its first comes again
        parts = zip(self.held_out, sizes, strict=True)
        pictures = self.together(examples.image.at(rows % n) for examples, n in parts)
        images = self.stack.embed_all("image", *pictures)
        texts = self.stack.embed_all("text", *self.together(e.text for e in self.held_out))
        found = images @ texts.transpose(1, 2)
        return [own[:n] for own, n in zip(found, sizes, strict=True)]

    def finish(self) -> list[Fitted]:
        """The fitted models."""
        return [Fitted(m, h) for m, h in zip(self.stack.unstack(), self.history, strict=True)]
