"""Training and measuring a stack of models: one row of plain data for each.

A row holds `model`, `arm`, `seed`, `stack`; the configuration by dotted name; `numbers`, by
`analysis.key` with interval and n; `loss`, `error`, `seconds`, `started`, `finished`, `host`,
versions.
"""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lrinterp.analysis import numbers
from lrinterp.checkpoint import save_checkpoint, versions
from lrinterp.encoders import DualEncoder
from lrinterp.experiment.design import Study, dotted
from lrinterp.experiment.numbers import NUMBERS
from lrinterp.result import finite_or_none
from lrinterp.run import Run, record, using_threads
from lrinterp.scenes import Scenes
from lrinterp.store import InputError
from lrinterp.training import Fitted, Plan, fit_many

__all__ = ["check_known", "measure", "run_stack"]


def run_stack(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Train and measure the models of a stack; runs wherever an executor puts it.

    `payload` is plain data: `stack` (its number), `models` (each with `model`, `arm`, `seed` and
    the `plan`), the names of `numbers` to measure, `threads`, `device`, and `checkpoints`, a folder
    or None. A model that fails is a
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
            kept = folder_of(payload["checkpoints"], one["model"])
            found = outcome(result, plan, kept, payload["numbers"])
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
        found["numbers"] = measure(result.model, plan.scenes, names)
    except Exception as error:
        return {**found, "error": f"{type(error).__name__}: {error}".splitlines()[0]}
    if checkpoint:
        save_checkpoint(checkpoint, result.model, recipe=plan.plain(), history=result.history)
    return found


def measure(model: DualEncoder, scenes: Scenes, names: Sequence[str]) -> dict[str, Any]:
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
    refused: dict[str, InputError] = {}
    for arm in study.arm_names if left else ():
        setting = next(one for one in study.settings() if one.arm == arm)
        plan = setting.plan(study.first_seed)
        run = record(plan.build(), plan.scenes.examples(), progress=False)
        refused = refusals(run, left)
        left = list(refused)
    if left:
        raise InputError(f"study: {refused[left[0]]}")


def refusals(run: Run, names: Sequence[str]) -> dict[str, InputError]:
    """Of some numbers those that the analyses of a run do not have, and what they say."""
    found = {}
    for name in names:
        try:
            numbers(run, [name])
        except InputError as error:
            found[name] = error
    return found


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
