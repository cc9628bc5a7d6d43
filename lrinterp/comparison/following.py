"""What is measured of every checkpoint of a run: order, loss, and the gradient of one head.

Order takes one forward pass over the held-out pairs, slopes take the weights. Sixty checkpoints of
a default run take some seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from lrinterp.analysis import check_numbers, numbers
from lrinterp.analysis.positional_gradient_rows import fit_in, plain_fits, slopes_in
from lrinterp.analysis.read import Place
from lrinterp.checkpoint import load_checkpoint
from lrinterp.comparison.kept import models_of
from lrinterp.encoders import DualEncoder
from lrinterp.run import Run, record, using_threads
from lrinterp.scenes import Scenes
from lrinterp.scoring import order_credit
from lrinterp.store import InputError
from lrinterp.training import contrastive_loss
from lrinterp.wording import head_name, head_place

__all__ = ["FOLLOWED", "Measure", "follow_head", "headline_of", "measure_run"]

Measure = Callable[[Run], Mapping[str, float | None]]
"""Numbers of one checkpoint by name, from a recording of it."""

FOLLOWED = ("unseen_pair_order", "slope", "span", "largest_slope", "loss")
"""What every row of a run holds."""
HEADLINE = "positional_gradient.headline_head"
BATCH_SEED = 0
GRADIENT = ("slope", "span", "largest_slope")


def follow_head(place: Place | None) -> Measure:
    """A measure of order on held-out pairs and of the key-position row of one head.

    `unseen_pair_order`; `slope` (logits per pixel) and `span` (logits, end to end) of the fitted
    line; `largest_slope`, the largest |slope| of any head. Without a head, order alone.
    """

    def measure(recording: Run) -> dict[str, float | None]:
        part = recording.of("unseen_pair")
        order = float(order_credit(part.scores, part.examples).mean())
        if place is None:
            return {"unseen_pair_order": order, **dict.fromkeys(GRADIENT)}
        table = plain_fits(part)
        own = fit_in(table, place)
        largest = max(map(abs, slopes_in(table).values()))
        gradient = {"slope": own["slope"], "span": own["span"], "largest_slope": largest}
        return {"unseen_pair_order": order, **gradient}

    return measure


def headline_of(run: Run) -> Place | None:
    """The head that `positional_gradient` chooses; None where the tower cannot be decomposed."""
    name = numbers(run, [HEADLINE])[HEADLINE].value
    return None if name is None else head_place(str(name))


def measure_run(task: Mapping[str, Any], measure: Measure | None = None) -> list[dict[str, Any]]:
    """The rows of one run, one a checkpoint, as plain data; an executor may run it anywhere.

    `task` is plain data: `run`, its folder; `name`, what it is called, the name of the folder if
    not given; `scalars`, further numbers as `analysis.key`; `threads` of torch, 1 if not given.
    `measure` adds numbers of its own, from a recording of all pictures. The head followed is the
    headline head of the last checkpoint.

    Each row holds run, seed, step, head, chance, and what FOLLOWED names; `loss` is that of one
    training batch, the same for every checkpoint. Raises InputError for a run that kept nothing, a
    split without held-out pairs, or an unknown scalar.

    Cost: some 0.2 s a checkpoint of the default recipe, without `scalars` and `measure`.
    """
    with using_threads(task.get("threads", 1)):
        return _rows(task, measure)


def _rows(task: Mapping[str, Any], measure: Measure | None) -> list[dict[str, Any]]:
    last, scalars = load_checkpoint(task["run"]), list(task.get("scalars", ()))
    check_numbers(scalars)
    scenes = last.scenes()
    pairs = scenes.examples(["unseen_pair"])
    if not len(pairs):
        raise InputError(f"{task['run']}: {pairs.empty['unseen_pair']}; order cannot be followed")
    place = headline_of(record(last.model, pairs, progress=False))
    head = None if place is None else head_name(*place)
    batch = (last.metadata.recipe or {}).get("batch_size")
    run = {"run": task.get("name", last.name), "seed": last.metadata.seed, "head": head}
    rows = []
    for step, model in models_of(task["run"]):
        found = dict(follow_head(place)(record(model, pairs, progress=False)))
        found["loss"] = loss_of(model, scenes, batch)
        if scalars or measure:
            whole = record(model, scenes.examples(), progress=False)
            found |= {**followed(whole, scalars), **(measure(whole) if measure else {})}
        rows.append({**run, "step": step, "chance": pairs.chance, **found})
    return rows


@torch.no_grad()
def loss_of(model: DualEncoder, scenes: Scenes, size: int | None) -> float:
    """The training loss (nats) on one batch that is the same for every checkpoint of a run."""
    pictures, captions = scenes.batch(torch.Generator().manual_seed(BATCH_SEED), size)
    images, texts = model.embed("image", pictures), model.embed("text", captions)
    return float(contrastive_loss(images, texts, model.log_scale))


def followed(recording: Run, names: Sequence[str]) -> dict[str, float | None]:
    """Numbers by `analysis.key`; None where an analysis does not apply. InputError for a name."""
    found = {name: metric.value for name, metric in numbers(recording, names).items()}
    for name, value in found.items():
        if isinstance(value, str):
            raise InputError(f"scalar {name!r}: is a name, {value}, and no number to follow")
    return found  # type: ignore[return-value]
