"""What the analyses say of one model, as plain data: the task that runs wherever an executor is."""

from collections.abc import Mapping
from typing import Any

from lrinterp.analysis import analyze
from lrinterp.analysis.gradient.positional_gradient import PositionalGradient
from lrinterp.checkpoint import load_checkpoint
from lrinterp.encoders import DualEncoder
from lrinterp.recording import record
from lrinterp.result import records
from lrinterp.scenes import Scenes
from lrinterp.study.rows import using_threads
from lrinterp.training import Plan

__all__ = ["ANALYSED", "measure"]

ANALYSED = (
    "accuracy",
    "attention_terms",
    "positional_gradient",
    "term_ablation",
    "similarity_attribution",
    "order_bias",
    "procrustes",
)
"""The analyses that the claims need."""


def measure(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Analyse a model on its held-out pairs.

    `payload` is plain data: `checkpoint`, a folder, or None for the model of `plan` before its
    first step; `threads`. Returns `summaries` by analysis and key, `frames`, the table of every
    analysis, `rows`, the positional rows of every head, and `skipped`, the reasons of analyses that
    do not apply.
    """
    with using_threads(payload["threads"]):
        model, scenes = model_of(payload)
        results = analyze(
            record(model, scenes.examples(["unseen_pair"]), progress=False),
            ANALYSED,
            progress=False,
        )
    done = {name: result for name, result in results.items() if not result.reason}
    gradient = done.get("positional_gradient")
    return {
        "summaries": {
            name: {key: scalar.plain() for key, scalar in result.metrics.items()}
            for name, result in done.items()
        },
        "frames": {name: records(result.frame()) for name, result in done.items()},
        "rows": records(gradient.rows) if isinstance(gradient, PositionalGradient) else [],
        "skipped": {name: result.reason for name, result in results.items() if result.reason},
    }


def model_of(payload: Mapping[str, Any]) -> tuple[DualEncoder, Scenes]:
    """The model of a checkpoint, or a fresh one, with the world it is tested on."""
    if payload["checkpoint"] is None:
        plan = Plan.from_plain(payload["plan"], "untrained")
        return plan.build(), plan.scenes
    loaded = load_checkpoint(payload["checkpoint"])
    return loaded.model, loaded.scenes()
