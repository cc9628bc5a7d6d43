"""Fitting one model in place: AdamW on the contrastive loss, evaluated along the way."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.encoders import DualEncoder
from lrinterp.scenes import LARGEST_SEED, Examples, Scenes
from lrinterp.scoring import order_credit
from lrinterp.store import InputError
from lrinterp.training.loss import contrastive_loss

__all__ = ["FitConfig", "Fitter", "fit"]


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
    """Steps between checkpoints kept along the way; 0 keeps none."""

    def __post_init__(self) -> None:
        for name in ("steps", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("warmup", "seed", "keep_every", "learning_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if self.seed > LARGEST_SEED:
            raise ValueError(f"seed: expected at most {LARGEST_SEED}, got {self.seed}")
        if self.batch_size is not None and self.batch_size < 2:
            raise ValueError(f"batch_size: expected at least 2, got {self.batch_size}")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 1: a linear rise, then constant."""
        return self.learning_rate * min(1.0, step / max(1, self.warmup))


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
        """Append step, loss and unseen-pair order to the history.

        Raises InputError where training has diverged.
        """
        if not math.isfinite(loss):
            rate = self.config.learning_rate
            raise InputError(
                f"the loss is not finite at step {self.step}; train again with a lower "
                f"fit.learning_rate than {rate}"
            )
        order = None
        if len(self.held_out):
            scores = self.model.score(self.model.prepare(self.held_out))
            order = float(order_credit(scores, self.held_out).mean())
        row = {"step": self.step, "loss": float(loss), "unseen_pair_order": order}
        self.history.append(row)
        return row


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
    every = config.evaluate_every
    hidden = None if progress is None else not progress
    with tqdm(total=config.steps, initial=fitter.step, unit="step", disable=hidden) as bar:
        while fitter.step < config.steps:
            loss = fitter.advance()
            bar.update()
            last = fitter.step == config.steps
            if last or fitter.step % every == 0:
                row = fitter.evaluate(loss)
                order = row["unseen_pair_order"]
                shown = "no held-out pairs" if order is None else f"{order:.3f}"
                bar.set_postfix({"loss": f"{row['loss']:.3f}", "unseen-pair order": shown})
            kept = config.keep_every and fitter.step % config.keep_every == 0
            if after_evaluation and (last or kept or fitter.step % every == 0):
                after_evaluation(fitter)
    return fitter.history
