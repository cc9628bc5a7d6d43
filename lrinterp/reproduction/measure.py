"""What the analyses say of one model, as plain data: the task that runs wherever an executor is."""

from collections.abc import Mapping, Sequence
from typing import Any

from lrinterp.analysis import ANALYSES, analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.encoders import DualEncoder
from lrinterp.result import Result, records
from lrinterp.run import record, using_threads
from lrinterp.scenes import Scenes
from lrinterp.training import Plan

__all__ = ["DRAWN", "measure"]

DRAWN = {
    "positional_gradient": ("rows", ["gauge", "term", "head", "pixel", "value"]),
    "similarity_attribution": ("table", ["encoder", "kind", "role", "part", "head", "value"]),
}
"""By analysis: the table that sections draw, and its columns."""


def measure(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Analyse a model on its held-out pairs.

    `payload` is plain data: `checkpoint`, a folder, or None for the model of `plan` before its
    first step; `numbers`, the names that are asked for; `threads`. Returns `numbers` by
    `analysis.key`, with interval and n; the tables that DRAWN names; and `skipped`, the reasons of
    analyses that do not apply. A number that this model does not have is left out.
    """
    names: Sequence[str] = payload["numbers"]
    asked = {name.partition(".")[0] for name in names} | DRAWN.keys()
    with using_threads(payload["threads"]):
        model, scenes = model_of(payload)
        run = record(model, scenes.examples(["unseen_pair"]), progress=False)
        results = analyze(run, [name for name in ANALYSES if name in asked], progress=False)
    done = {name: result for name, result in results.items() if not result.reason}
    known = {
        f"{name}.{key}": metric.plain()
        for name, result in done.items()
        for key, metric in {**result.metrics, **result.more}.items()
    }
    return {
        "numbers": {name: known[name] for name in names if name in known},
        "tables": {name: drawn(done[name], *DRAWN[name]) for name in DRAWN if name in done},
        "skipped": {name: result.reason for name, result in results.items() if result.reason},
    }


def drawn(result: Result, table: str, columns: list[str]) -> list[dict[str, Any]]:
    """Some columns of a table of a Result."""
    return records(getattr(result, table)[columns])


def model_of(payload: Mapping[str, Any]) -> tuple[DualEncoder, Scenes]:
    """The model of a checkpoint, or a fresh one, with the world it is tested on."""
    if payload["checkpoint"] is None:
        plan = Plan.from_plain(payload["plan"], "untrained")
        return plan.build(), plan.scenes
    loaded = load_checkpoint(payload["checkpoint"])
    return loaded.model, loaded.scenes()
