"""What a folder holds of a reproduction, finished or not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrinterp.experiment import LoadedSweep, load_sweep
from lrinterp.experiment.tasks import Task, read_result, result_file
from lrinterp.reproduction.design import Design
from lrinterp.reproduction.folder import (
    DIVERSITY,
    EMERGENCE,
    MEASURES,
    MODELS,
    PLAN,
    SCALES,
    read_plan,
)
from lrinterp.reproduction.measures import Measures, gather
from lrinterp.reproduction.run import analysed, followed

__all__ = ["Made", "load_reproduction"]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a folder holds of a reproduction."""

    design: Design
    frozen: Mapping[str, str | None]
    """The commit at which the run began, and the hash of its criteria."""
    models: LoadedSweep
    measures: Measures
    emergence: list[dict[str, Any]]
    """One row for each kept step of each standard model, as `measure_run` makes it."""
    scales: LoadedSweep
    diversity: LoadedSweep | None


def load_reproduction(out: Path, study: LoadedSweep | None = None) -> Made:
    """What a folder holds; `study` is the sweep of diversity that its plan names, if it names one.

    Raises InputError where the folder is no reproduction, or its models are not trained yet.
    """
    plan = read_plan(out)
    models = load_sweep(out / MODELS)
    diversity = study
    if study is None and (out / DIVERSITY / PLAN).is_file():
        diversity = load_sweep(out / DIVERSITY)
    measured = done(out / MEASURES, analysed(plan, out))
    return Made(
        design=plan.design,
        frozen={"commit": plan.commit, "criteria_sha256": plan.criteria},
        models=models,
        measures=gather((t.payload["arm"], t.payload["seed"], found) for t, found in measured),
        emergence=[row for _, rows in done(out / EMERGENCE, followed(out)) for row in rows],
        scales=load_sweep(out / SCALES),
        diversity=diversity,
    )


def done(folder: Path, tasks: Iterable[Task]) -> list[tuple[Task, Any]]:
    """The tasks that have a result, with it."""
    files = [(task, result_file(folder, task)) for task in tasks]
    return [(task, read_result(folder, task)) for task, path in files if path.exists()]
