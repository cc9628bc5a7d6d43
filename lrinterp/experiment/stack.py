"""Stacks of models: which models share one, and training and measuring it as one task.

Models are packed before the first step, by the study alone: neither the number nor the kind of
workers enters, so a sweep that is resumed elsewhere trains the same stacks and ends with the same
table. A row holds `model`, `arm`, `seed`, `stack`; the configuration by dotted name; `numbers`, by
`analysis.key` with interval and n; `loss`, `error`, `seconds`, `started`, `finished`, `host`,
versions.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from lrinterp.analysis import numbers
from lrinterp.checkpoint import save_checkpoint, versions
from lrinterp.encoders import DualEncoder
from lrinterp.experiment.numbers import NUMBERS
from lrinterp.experiment.study import Study, dotted
from lrinterp.experiment.tasks import reason
from lrinterp.result import finite_or_none
from lrinterp.run import Run, record, using_threads
from lrinterp.scenes import Scenes
from lrinterp.store import InputError
from lrinterp.training import Fitted, Plan, fit_many
from lrinterp.training.fit_many import shared

__all__ = ["check_known", "measured_numbers", "memory_of", "pack", "run_stack"]

MEMORY = 2 * 2**30
"""Bytes that a stack may take, by the estimate of `memory_of`."""


def pack(study: Study) -> list[list[int]]:
    """The models of each stack: arms in their order, inside an arm the longest work first.

    Models of one arm that can be trained together are divided into the fewest stacks that hold
    at most `study.stack` models and, by estimate, 2 GiB; stacks of one kind differ by at most one
    model in size.
    """
    alike: dict[Any, tuple[tuple[int, int], Plan, list[int]]] = {}
    for k, setting in enumerate(study.settings()):
        plan = setting.plan(study.first_seed)
        place = study.arm_names.index(setting.arm), -plan.fit.steps * batch_of(plan)
        *_, models = alike.setdefault((setting.arm, shared(plan)), (place, plan, []))
        models.extend(range(k * study.seeds, (k + 1) * study.seeds))
    stacks = []
    for _, plan, models in sorted(alike.values(), key=itemgetter(0)):
        most = max(1, min(study.stack, MEMORY // memory_of(plan)))
        stacks += [part.tolist() for part in np.array_split(models, -(-len(models) // most))]
    return stacks


def batch_of(plan: Plan) -> int:
    """Items of a training batch."""
    items = len(plan.scenes.training.labels)
    return min(items, plan.fit.batch_size or items)


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


def run_stack(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Train and measure the models of a stack; runs wherever an executor puts it.

    `payload` is plain data: `stack` (its number), `models` (each with `model`, `arm`, `seed` and
    the `plan`), the names of `numbers` to measure, `threads`, `device`, and `checkpoints`, a folder
    or None. A model that fails is a row with its `error`; the others go on.
    """
    models = payload["models"]
    plans = [Plan.from_plain(one["plan"], f"model {one['model']}") for one in models]
    with using_threads(payload["threads"]):
        start, started = time.perf_counter(), now()
        fitted = fitted_stack(payload, plans)
        each = (time.perf_counter() - start) / len(plans)
        used = {f"version.{name}": number for name, number in versions().items()}
        rows = []
        for one, plan, result in zip(models, plans, fitted, strict=True):
            start = time.perf_counter()
            found = outcome(result, plan, folder_of(payload, one), payload["numbers"])
            cost = {"seconds": round(each + time.perf_counter() - start, 3), "started": started}
            place = {"model": one["model"], "arm": one["arm"], "seed": one["seed"]}
            place |= {"stack": payload["stack"], **dotted(plan.plain()), **found, **cost}
            rows.append({**place, "finished": now(), "host": platform.node(), **used})
    return rows


def fitted_stack(payload: Mapping[str, Any], plans: Sequence[Plan]) -> Sequence[Fitted | str]:
    """Every model trained, or for each the reason why none could be.

    Its snapshots go to `steps/000100` in the checkpoint of its model.
    """

    def keep(index: int, step: int, model: DualEncoder) -> None:
        own = Path(payload["checkpoints"]) / f"{payload['models'][index]['model']:05d}"
        save_checkpoint(own / "steps" / f"{step:06d}", model, recipe=plans[index].plain())

    try:
        return fit_many(
            plans,
            stack=len(plans),
            device=payload["device"],
            progress=False,
            keep=keep if payload["checkpoints"] else None,
        )
    except Exception as error:  # whatever a configuration makes of torch, memory included
        return [reason(error)] * len(plans)


def folder_of(payload: Mapping[str, Any], one: Mapping[str, Any]) -> Path | None:
    """Where the checkpoint of a model goes, if it is kept."""
    return Path(payload["checkpoints"]) / f"{one['model']:05d}" if payload["checkpoints"] else None


def outcome(
    result: Fitted | str, plan: Plan, checkpoint: Path | None, names: Sequence[str]
) -> dict[str, Any]:
    """Numbers of a fitted model, or its error."""
    if isinstance(result, str):
        return {"loss": None, "error": result}
    found = {"loss": finite_or_none(result.history[-1]["loss"]), "error": result.error}
    if result.error:
        return found
    try:
        found["numbers"] = measured_numbers(result.model, plan.scenes, names)
    except Exception as error:
        return {**found, "error": reason(error)}
    if checkpoint:
        save_checkpoint(checkpoint, result.model, recipe=plan.plain(), history=result.history)
    return found


def measured_numbers(model: DualEncoder, scenes: Scenes, names: Sequence[str]) -> dict[str, Any]:
    """Numbers by `analysis.key`, each with interval and n, as `analyze` gives them.

    One that an analysis does not have for this model has no value.
    """
    run = record(model, scenes.examples(), progress=False)
    return {name: one.plain() for name, one in numbers(run, names, strict=False).items()}


def check_known(study: Study) -> None:
    """Refuse a number that no analysis of the study's models has, before any is trained.

    Asked of a fresh model of each arm, where the study asks for more than the usual numbers.
    """
    left = [name for name in study.numbers if name not in NUMBERS]
    refused: dict[str, str] = {}
    for arm in study.arm_names if left else ():
        plan = next(one for one in study.settings() if one.arm == arm).plan(study.first_seed)
        run = record(plan.build(), plan.scenes.examples(), progress=False)
        refused = {name: why for name in left if (why := refusal(run, name))}
        left = list(refused)
    if left:
        raise InputError(f"study: {refused[left[0]]}")


def refusal(run: Run, name: str) -> str:
    """Why the analyses of a run do not have a number; empty where they do."""
    try:
        numbers(run, [name])
    except InputError as error:
        return str(error)
    return ""


def now() -> str:
    """The time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
