"""What a sweep measures of each model: one flat row of plain data.

Columns: `model`, `arm`, `seed`, `stack`; the configuration by dotted name; accuracies by set,
named as in the summary of `accuracy` (`unseen_pair_order`, `mixed_pair_retrieval_open`, ...); the
gradient of the image tower (`headline_head`, `headline_slope`, `headline_span`,
`headline_spearman`, `largest_slope`); accuracies on held-out pairs after an ablation
(`without_EP_order`, ...); `loss`, `error`, `seconds`, `started`, `finished`, `host`, versions.
"""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from lrinterp.analysis.accuracy import key_of
from lrinterp.analysis.gradient.fit import headline
from lrinterp.checkpoint import save_checkpoint, versions
from lrinterp.decomposition import why_not
from lrinterp.encoders import DualEncoder
from lrinterp.result import finite_or_none
from lrinterp.run import Edit, Run, record
from lrinterp.run.edit import POOLED
from lrinterp.scenes import SETS, Examples, Scenes
from lrinterp.scoring import METRICS, accuracy_rows, credits
from lrinterp.study.design import dotted
from lrinterp.training import Fitted, Plan, fit_many
from lrinterp.wording import head_name

__all__ = ["ABLATIONS", "measure", "run_stack"]

RAW = ("EP", "PP", "bP")
ABLATIONS = {
    **{t: Edit(what=t, how="zero", layers=(0,), gauge="raw", queries=POOLED) for t in RAW},
    "key_position": Edit(layers=(0,), queries=POOLED),
}
"""By the name in their columns: the raw split, to compare with the paper, and the fact."""


def run_stack(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Train and measure the models of a stack; runs wherever an executor puts it.

    `payload` is plain data: `stack` (its number), `models` (each with `model`, `arm`, `seed` and
    the `plan`), `threads`, `device`, and `checkpoints`, a folder or None. A model that fails is a
    row with its `error`; the others go on.
    """
    plans = [Plan.from_plain(one["plan"], f"model {one['model']}") for one in payload["models"]]
    with using_threads(payload["threads"]):
        start, started = time.perf_counter(), now()
        try:
            fitted = fit_many(
                plans,
                stack=len(plans),
                device=payload["device"],
                progress=False,
                keep=keeper(payload, plans) if payload["checkpoints"] else None,
            )
        except Exception as error:  # whatever a configuration makes of torch, memory included
            fitted = [f"{type(error).__name__}: {error}".splitlines()[0]] * len(plans)
        each = (time.perf_counter() - start) / len(plans)
        rows = []
        for one, plan, result in zip(payload["models"], plans, fitted, strict=True):
            start = time.perf_counter()
            found = outcome(result, plan, folder_of(payload["checkpoints"], one["model"]))
            cost = {"seconds": round(each + time.perf_counter() - start, 3), "started": started}
            place = {name: one[name] for name in ("model", "arm", "seed")}
            place["stack"] = payload["stack"]
            rows.append({**place, **dotted(plan.plain()), **found, **cost, **whereabouts()})
    return rows


def keeper(
    payload: Mapping[str, Any], plans: Sequence[Plan]
) -> Callable[[int, int, DualEncoder], None]:
    """Writes what is kept along the way: `steps/000100` in the checkpoint of a model."""

    def keep(index: int, step: int, model: DualEncoder) -> None:
        own = Path(payload["checkpoints"]) / f"{payload['models'][index]['model']:05d}"
        save_checkpoint(own / "steps" / f"{step:06d}", model, recipe=plans[index].plain())

    return keep


def outcome(result: Fitted | str, plan: Plan, checkpoint: Path | None) -> dict[str, Any]:
    """Measures of a fitted model, or its error."""
    if isinstance(result, str):
        return {"loss": None, "error": result}
    found = {"loss": finite_or_none(result.history[-1]["loss"]), "error": result.error}
    if result.error:
        return found
    try:
        found |= measure(result.model, plan.scenes)
    except Exception as error:
        return {**found, "error": f"{type(error).__name__}: {error}".splitlines()[0]}
    if checkpoint:
        save_checkpoint(checkpoint, result.model, recipe=plan.plain(), history=result.history)
    return found


def measure(model: DualEncoder, scenes: Scenes) -> dict[str, Any]:
    """Accuracies on the four sets, the gradient, and accuracies after each ablation."""
    examples = scenes.examples()
    scores = model.score(model.prepare(examples))
    rows = accuracy_rows(scores, examples, SETS)
    found = {key_of(row): row["value"] for row in rows}
    del found["single_order"]  # is not defined
    if why_not(model.towers["image"]) is None and len(examples.where("unseen_pair")):
        found |= mechanism(model, examples.of("unseen_pair"))
    return found


def mechanism(model: DualEncoder, examples: Examples) -> dict[str, Any]:
    """What is measured of the first image layer on held-out pairs."""
    run = record(model, examples, progress=False)
    found: dict[str, Any] = {}
    for name, edit in ABLATIONS.items():
        scores = run.under(edit).scores
        for metric, candidates in METRICS:
            key = metric if candidates == "pair" else f"{metric}_{candidates}"
            credit = credits(scores, examples, metric, candidates)
            found[f"without_{name}_{key}"] = float(credit.mean())
    return found | gradient(run)


def gradient(run: Run) -> dict[str, Any]:
    """The headline head of the canonical key-position rows, and the steepest of all."""
    head, fits = headline(run)
    return {
        "headline_head": head_name(0, head),
        **{f"headline_{key}": fits[head][key] for key in ("slope", "span", "spearman")},
        "largest_slope": max(abs(fit["slope"]) for fit in fits),
    }


def whereabouts() -> dict[str, str]:
    """When and where a row was made, and with which versions."""
    used = {f"version.{name}": number for name, number in versions().items()}
    return {"finished": now(), "host": platform.node(), **used}


def now() -> str:
    """The time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def folder_of(checkpoints: str | None, model: int) -> Path | None:
    """Where the checkpoint of a model goes, if it is kept."""
    return Path(checkpoints) / f"{model:05d}" if checkpoints else None


@contextmanager
def using_threads(count: int):
    """Inside, torch uses so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
