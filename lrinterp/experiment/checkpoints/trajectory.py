"""One training run: its snapshots, what is measured of each, and when order sets in.

Measured are order, loss and one head's gradient: order takes one forward pass over the held-out
pairs, slopes take the weights. Sixty snapshots of a default run take some seconds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lrinterp.analysis import check_numbers, numbers
from lrinterp.analysis.positional_gradient_rows import fit_in, plain_fits, slopes_in
from lrinterp.analysis.read import NO_GRADIENT, Place
from lrinterp.checkpoint import METADATA, load_checkpoint, read_metadata
from lrinterp.encoders import DualEncoder
from lrinterp.run import Run, record, using_threads
from lrinterp.scenes import Scenes
from lrinterp.scoring import order_credit
from lrinterp.store import InputError
from lrinterp.training import contrastive_loss
from lrinterp.wording import head_name, head_place

__all__ = [
    "FOLLOWED",
    "Measure",
    "aligned",
    "crossing",
    "followed",
    "headline_of",
    "kept_steps",
    "measure_run",
    "onset_of",
    "order_and_slopes",
    "snapshots",
]

Measure = Callable[[Run], Mapping[str, float | None]]
"""Numbers of one snapshot by name, from a recording of it."""

FOLLOWED = ("unseen_pair_order", "slope", "span", "largest_slope", "loss")
"""What every row of a run holds."""
HEADLINE = "positional_gradient.headline_head"
BATCH_SEED = 0


def kept_steps(run: str | Path) -> list[tuple[int, Path]]:
    """The snapshots of a run: after how many optimiser steps, and in which folder.

    `RUN/steps/000025`, ... in order, and the run itself, whose step is that of its recipe.
    Raises InputError where the run is not finished, has no recipe, or has no snapshots.
    """
    run = Path(run)
    recipe = read_metadata(run).recipe
    if not recipe or "steps" not in recipe:
        raise InputError(f"{run}: has no recipe, so the step of its checkpoint is not known")
    last = int(recipe["steps"])
    folders = run.glob("steps/*")
    found = {int(p.name): p for p in folders if p.name.isdecimal() and (p / METADATA).is_file()}
    if not set(found) - {last}:
        raise InputError(f"{run}: has no snapshots; train with --keep-every N")
    return sorted((found | {last: run}).items())


def snapshots(run: str | Path) -> Iterator[tuple[int, DualEncoder]]:
    """The models of a run by step: at step 0, rebuilt from its recipe, then its snapshots.

    A model without an encoder configuration cannot be rebuilt and begins with the first snapshot.
    """
    steps, last = kept_steps(run), load_checkpoint(run)
    config, recipe = last.model.config, last.metadata.recipe or {}
    if config is not None and steps[0][0] > 0 and "seed" in recipe:
        yield 0, DualEncoder.build(config, last.model.sizes, recipe["seed"])
    for step, folder in steps:
        yield step, load_checkpoint(folder).model


def measure_run(task: Mapping[str, Any], measure: Measure | None = None) -> list[dict[str, Any]]:
    """The rows of one run, one a snapshot, as plain data; an executor may run it anywhere.

    `task` is plain data: `run`, its folder; `name`, what it is called, the name of the folder if
    not given; `scalars`, further numbers as `analysis.key`; `threads` of torch, 1 if not given.
    `measure` adds further numbers, from a recording of all pictures. The head followed is the
    headline head of the last snapshot.

    Each row holds run, seed, step, head, chance, and what FOLLOWED names; `loss` is that of one
    training batch, the same for every snapshot. Raises InputError for a run without snapshots, a
    split without held-out pairs, or an unknown scalar.

    Cost: some 0.2 s a snapshot of the default recipe, without `scalars` and `measure`.
    """
    with using_threads(task.get("threads", 1)):
        return list(measured_rows(task, measure))


def measured_rows(task: Mapping[str, Any], measure: Measure | None) -> Iterator[dict[str, Any]]:
    """`measure_run` with as many threads as there are."""
    last, scalars = load_checkpoint(task["run"]), check_numbers(task.get("scalars", ()))
    scenes = last.scenes()
    pairs = scenes.examples(["unseen_pair"])
    if not len(pairs):
        raise InputError(
            f"{task['run']}: {pairs.empty['unseen_pair']}; swap accuracy cannot be followed"
        )
    place = headline_of(record(last.model, pairs, progress=False))
    head = None if place is None else head_name(*place)
    batch = (last.metadata.recipe or {}).get("batch_size")
    about = {"run": task.get("name", last.name), "seed": last.metadata.seed, "head": head}
    for step, model in snapshots(task["run"]):
        found = order_and_slopes(record(model, pairs, progress=False), place)
        found["loss"] = loss_of(model, scenes, batch)
        if scalars or measure:
            whole = record(model, scenes.examples(), progress=False)
            found |= {**followed(whole, scalars), **(measure(whole) if measure else {})}
        yield {**about, "step": step, "chance": pairs.chance, **found}


def headline_of(run: Run) -> Place | None:
    """The head that `positional_gradient` chooses; None where the tower cannot be decomposed."""
    name = numbers(run, [HEADLINE])[HEADLINE].value
    return None if name is None else head_place(str(name))


def order_and_slopes(pairs: Run, place: Place | None) -> dict[str, float | None]:
    """Order on a recording of held-out pairs, and the key-position row of one head.

    `unseen_pair_order`; `slope` (logits per pixel) and `span` (logits, end to end) of the fitted
    line; `largest_slope`, the largest |slope| of any head. Without a head, order alone.
    """
    found: dict[str, float | None] = dict.fromkeys(FOLLOWED[:-1])
    found["unseen_pair_order"] = float(order_credit(pairs.scores, pairs.examples).mean())
    if place is not None:
        table = plain_fits(pairs)
        found |= {name: fit_in(table, place)[name] for name in ("slope", "span")}
        found["largest_slope"] = max(map(abs, slopes_in(table).values()))
    return found


@torch.no_grad()
def loss_of(model: DualEncoder, scenes: Scenes, size: int | None) -> float:
    """The training loss (nats) on one batch that is the same for every snapshot of a run."""
    pictures, captions = scenes.batch(torch.Generator().manual_seed(BATCH_SEED), size)
    images, texts = model.embed("image", pictures), model.embed("text", captions)
    return float(contrastive_loss(images, texts, model.log_scale))


def followed(recording: Run, names: Sequence[str]) -> dict[str, float | None]:
    """Numbers by `analysis.key`; None where an analysis does not apply. InputError for a name."""
    found = {name: metric.value for name, metric in numbers(recording, names).items()}
    for name, value in found.items():
        if isinstance(value, str):
            raise InputError(f"scalar {name!r}: is a name, {value}, not a number")
    return found  # type: ignore[return-value]


# When order and gradient set in.


def crossing(
    steps: Sequence[int | float], values: Sequence[int | float], threshold: float
) -> float | None:
    """The step at which a curve first reaches a threshold and is still there at the next step.

    Between two steps the curve is a straight line. A rise at the last step counts; a curve that
    begins at or above the threshold, twice in a row, crosses at its first step. None where it never
    does. Undefined values (nan) are left out.

    >>> crossing([0, 100, 200], [0.5, 0.5, 1.0], 0.75)
    150.0
    """
    x, y = np.asarray(steps, float), np.asarray(values, float)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    above = y >= threshold
    for i in np.flatnonzero(above & np.append(above[1:], True)):
        if i == 0:
            return float(x[0])
        if not above[i - 1]:
            part = (threshold - y[i - 1]) / (y[i] - y[i - 1])
            return float(x[i - 1] + part * (x[i] - x[i - 1]))
    return None


def onset_of(rows: pd.DataFrame) -> dict[str, Any]:
    """The events of one run from its rows in the order of their steps.

    `order_step`, the onset: swap accuracy on held-out pairs passes `threshold`, half way from
    chance to 1. `slope_step`: |slope| of the followed head passes half of its last value; None
    where the last row spans less than NO_GRADIENT logits. `lag` = order_step - slope_step, positive
    where the slope comes first. `gradient_step`: the span of the followed head passes NO_GRADIENT
    logits. `every`: the largest distance between two steps.
    """
    first, last = rows.iloc[0], rows.iloc[-1]
    threshold = (1 + first["chance"]) / 2
    steps = rows["step"].tolist()
    slopes, spans = rows["slope"].astype(float).abs().tolist(), rows["span"].astype(float).tolist()
    order = crossing(steps, rows["unseen_pair_order"].tolist(), threshold)
    grown = pd.notna(last["span"]) and last["span"] >= NO_GRADIENT
    slope = crossing(steps, slopes, slopes[-1] / 2) if grown else None
    return {
        **{name: first[name] for name in ("run", "seed", "head")},
        "threshold": threshold,
        "order_step": order,
        "slope_step": slope,
        "lag": None if order is None or slope is None else order - slope,
        "gradient_step": crossing(steps, spans, NO_GRADIENT),
        "final_order": last["unseen_pair_order"],
        "final_slope": last["slope"],
        "final_span": last["span"],
        "every": int(max(np.diff(steps), default=0)),
    }


def aligned(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with `aligned_step`, the steps since the onset in their run, and the events of runs."""
    ordered = rows.sort_values("step", kind="stable")
    runs = [ordered[ordered["run"] == run] for run in rows["run"].drop_duplicates()]
    events = pd.DataFrame([onset_of(run) for run in runs])
    numbers = events.columns.drop(["run", "seed", "head", "every"])
    events = events.astype({"seed": "Int64", **dict.fromkeys(numbers, "float64")})
    table = pd.concat(runs, ignore_index=True).astype({"seed": "Int64"})
    since = table["step"] - table["run"].map(events.set_index("run")["order_step"])
    table.insert(table.columns.get_loc("step") + 1, "aligned_step", since)
    return table, events
