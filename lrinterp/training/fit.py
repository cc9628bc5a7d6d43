"""Fitting one model in place: AdamW on the contrastive loss, evaluated along the way."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.axes import Scores
from lrinterp.encoders import DualEncoder
from lrinterp.scenes import LARGEST_SEED, Examples, Scenes
from lrinterp.scoring import order_credit
from lrinterp.store import InputError, within

__all__ = [
    "FitConfig",
    "Fitter",
    "contrastive_loss",
    "evaluated",
    "fit",
    "stacked_contrastive_loss",
]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """The recipe."""

    steps: int = 1500
    """Optimiser steps."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    """Steps over which the learning rate rises linearly."""
    batch_size: int | None = None
    """Training items a step, drawn without replacement; None takes every one."""
    seed: int = 0
    """Draws the initial weights and the batches."""
    evaluate_every: int = 100
    """Steps between evaluations, which are also the points a killed run resumes from."""
    keep_every: int = 0
    """Steps between snapshots; 0 keeps none."""

    def __post_init__(self) -> None:
        within(self, 1, math.inf, "steps", "evaluate_every")
        within(self, 0, math.inf, "warmup", "keep_every", "learning_rate", "weight_decay")
        within(self, 0, LARGEST_SEED, "seed")
        if self.batch_size is not None:
            within(self, 2, math.inf, "batch_size")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 1: a linear rise, then constant."""
        return self.learning_rate * min(1.0, step / max(1, self.warmup))

    def evaluates(self, step: int) -> bool:
        """Is this a step after which the model is evaluated? The last one always is."""
        return step == self.steps or step % self.evaluate_every == 0

    def keeps(self, step: int) -> bool:
        """Is this a step of which a snapshot is kept?"""
        return self.keep_every > 0 and step % self.keep_every == 0


class Fitter:
    """A model being fitted: its optimiser, its random state, the step it has reached."""

    def __init__(self, model: DualEncoder, scenes: Scenes, config: FitConfig) -> None:
        self.model, self.scenes, self.config = model, scenes, config
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self.generator = torch.Generator().manual_seed(config.seed)
        self.parameters = {k: v for k, v in model.trainable().items() if v.requires_grad}
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=model.device.type != "mps",  # which older torch does not fuse
        )
        self.held_out: Examples = scenes.examples(["unseen_pair"])

    def advance(self) -> Tensor:
        """One step on a fresh batch; returns its loss."""
        pictures, captions = self.scenes.batch(self.generator, self.config.batch_size)
        images = self.model.embed("image", pictures.to(self.model.device))
        texts = self.model.embed("text", captions.to(self.model.device))
        loss = contrastive_loss(images, texts, self.model.log_scale)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.rate(self.step)
        self.optimiser.step()
        self.model.clamp_scale()
        return loss.detach()

    def evaluate(self, loss: Tensor) -> dict[str, Any]:
        """Append step, loss and swap accuracy on held-out pairs to the history.

        Raises InputError where training has diverged.
        """
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is not finite at step {self.step}; train again with a lower "
                f"fit.learning_rate than {self.config.learning_rate}"
            )
        scores = None
        if len(self.held_out):
            scores = self.model.score(self.model.prepare(self.held_out))
        self.history.append(evaluated(self.step, float(loss), scores, self.held_out))
        return self.history[-1]


def evaluated(step: int, loss: float, scores: Scores | None, held_out: Examples) -> dict[str, Any]:
    """A row of a history; without scores of held-out pairs there is no swap accuracy."""
    order = None if scores is None else float(order_credit(scores, held_out).mean())
    return {"step": step, "loss": loss, "unseen_pair_order": order}


def fit(
    model: DualEncoder,
    scenes: Scenes,
    config: FitConfig,
    *,
    fitter: Fitter | None = None,
    after_evaluation: Callable[[Fitter], None] | None = None,
    progress: bool | None = None,
) -> list[dict[str, Any]]:
    """Train a model in place; returns its history. The last weights stay, whatever they score.

    `fitter` continues an earlier fit; `after_evaluation` is called at every evaluation and every
    multiple of `keep_every`. `progress` shows a bar (None: only on a terminal or in a notebook).
    Deterministic in (weights, scenes, config) on one device and thread count.

    Source: mechanics of arXiv 2601.12809, section 3, with our own initial scales.
    """
    fitter = fitter or Fitter(model, scenes, config)
    with tqdm(
        total=config.steps,
        initial=fitter.step,
        unit="step",
        disable=None if progress is None else not progress,
    ) as bar:
        while fitter.step < config.steps:
            loss = fitter.advance()
            bar.update()
            if due := config.evaluates(fitter.step):
                order = fitter.evaluate(loss)["unseen_pair_order"]
                shown = "no held-out pairs" if order is None else f"{order:.3f}"
                bar.set_postfix({"loss": f"{float(loss):.3f}", "held-out pairs": shown})
            if after_evaluation and (due or config.keeps(fitter.step)):
                after_evaluation(fitter)
    return fitter.history


def contrastive_loss(
    images: Float[Tensor, "batch d_embed"],
    captions: Float[Tensor, "batch d_embed"],
    log_scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE: the i-th caption belongs to the i-th picture, all others do not.

    Formula: with S = exp(log_scale) * images @ captions.T, the mean of the two cross entropies of
    S against its diagonal, by rows and by columns. Embeddings are unit vectors.

    Source: Radford et al., "Learning transferable visual models" (arXiv 2103.00020), fig. 3.
    """
    scores = log_scale.exp() * images @ captions.T
    target = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2


def stacked_contrastive_loss(
    images: Float[Tensor, "model batch d_embed"],
    captions: Float[Tensor, "model batch d_embed"],
    log_scale: Float[Tensor, "model"],
) -> Float[Tensor, "model"]:
    """`contrastive_loss` of each model of a stack."""
    scores = (log_scale.exp()[:, None, None] * images) @ captions.transpose(1, 2)
    return _CrossEntropies.apply(scores)


class _CrossEntropies(torch.autograd.Function):
    """Both cross entropies against the diagonal, in few passes over the scores.

    d loss / d S = (softmax over rows + softmax over columns - 2 I) / (2 batch).
    """

    @staticmethod
    def forward(ctx: Any, scores: Float[Tensor, "model batch batch"]) -> Float[Tensor, "model"]:
        rows, columns = scores.softmax(2), scores.softmax(1)
        ctx.save_for_backward(rows, columns)
        right = torch.stack([p.diagonal(dim1=1, dim2=2) for p in (rows, columns)])
        return -right.clamp(min=torch.finfo(right.dtype).tiny).log().mean((0, 2))

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Float[Tensor, "model batch batch"]:
        rows, columns = ctx.saved_tensors
        change = rows + columns
        change.diagonal(dim1=1, dim2=2).sub_(2)
        return change.mul_((outer[0] / (2 * rows.shape[1]))[:, None, None])
