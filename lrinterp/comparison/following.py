"""What is measured of every checkpoint of a run: order, loss, and the gradient of one head.

Nothing here needs an analysis: order takes one forward pass over the held-out pairs, slopes take
the weights. Sixty checkpoints of a default run take some seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from lrinterp.analysis import ANALYSES, analyze
from lrinterp.analysis.gradient.fit import first_fits, headline
from lrinterp.checkpoint import load_checkpoint
from lrinterp.comparison.kept import models_of
from lrinterp.decomposition import why_not
from lrinterp.encoders import DualEncoder
from lrinterp.run import Run, record
from lrinterp.scenes import Examples, Scenes
from lrinterp.scoring import order_credit
from lrinterp.store import InputError
from lrinterp.training.loss import contrastive_loss

__all__ = ["FOLLOWED", "Measure", "check_scalars", "follow_head", "headline_of", "measure_run"]

Measure = Callable[[Run], Mapping[str, float | None]]
"""Numbers of one checkpoint by name, from a recording of it."""

FOLLOWED = ("unseen_pair_order", "slope", "span", "largest_slope", "loss")
"""What every row of a run holds."""
BATCH_SEED = 0
GRADIENT = ("slope", "span", "largest_slope")


def follow_head(head: int | None) -> Measure:
    """A measure of order on held-out pairs and of the canonical key-position row of one head.

    `unseen_pair_order`; `slope` (logits per pixel) and `span` (logits, end to end) of the fitted
    line; `largest_slope`, the largest |slope| of any head. Without a head, order alone.
    """

    def measure(recording: Run) -> dict[str, float | None]:
        examples = recording.examples
        index = torch.from_numpy(examples.where("unseen_pair"))
        part = examples.of("unseen_pair")
        order = float(order_credit(recording.scores[index], part).mean())
        if head is None:
            return {"unseen_pair_order": order, **dict.fromkeys(GRADIENT)}
        fits = first_fits(recording.of("unseen_pair"))
        largest = max(abs(fit["slope"]) for fit in fits)
        own = {name: fits[head][name] for name in ("slope", "span")}
        return {"unseen_pair_order": order, **own, "largest_slope": largest}

    return measure


def headline_of(model: DualEncoder, examples: Examples) -> int | None:
    """The head whose key-position removal costs most order, as `positional_gradient` chooses it.

    `examples` are held-out pairs. None where the image tower cannot be decomposed.
    """
    if why_not(model.towers["image"]):
        return None
    return headline(record(model, examples, progress=False))[0]


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
    before = torch.get_num_threads()
    torch.set_num_threads(task.get("threads", 1))
    try:
        return _rows(task, measure)
    finally:
        torch.set_num_threads(before)


def _rows(task: Mapping[str, Any], measure: Measure | None) -> list[dict[str, Any]]:
    last, scalars = load_checkpoint(task["run"]), list(task.get("scalars", ()))
    check_scalars(scalars)
    scenes = last.scenes()
    pairs = scenes.examples(["unseen_pair"])
    if not len(pairs):
        raise InputError(f"{task['run']}: {pairs.empty['unseen_pair']}; order cannot be followed")
    head = headline_of(last.model, pairs)
    batch = (last.metadata.recipe or {}).get("batch_size")
    place = {"run": task.get("name", last.name), "seed": last.metadata.seed}
    rows = []
    for step, model in models_of(task["run"]):
        found = dict(follow_head(head)(record(model, pairs, progress=False)))
        found["loss"] = loss_of(model, scenes, batch)
        if scalars or measure:
            whole = record(model, scenes.examples(), progress=False)
            found |= {**named_scalars(whole, scalars), **(measure(whole) if measure else {})}
        rows.append({**place, "step": step, "head": head, "chance": pairs.chance, **found})
    return rows


@torch.no_grad()
def loss_of(model: DualEncoder, scenes: Scenes, size: int | None) -> float:
    """The training loss (nats) on one batch that is the same for every checkpoint of a run."""
    pictures, captions = scenes.batch(torch.Generator().manual_seed(BATCH_SEED), size)
    images, texts = model.embed("image", pictures), model.embed("text", captions)
    return float(contrastive_loss(images, texts, model.log_scale))


def check_scalars(names: Sequence[str]) -> None:
    """Refuse a name that is not `analysis.key`; the key is known when the analysis has run."""
    for name in names:
        analysis, dot, key = name.partition(".")
        if not (dot and key) or analysis not in ANALYSES:
            expected = "analysis.key, such as accuracy.mixed_pair_order"
            raise InputError(
                f"scalar {name!r}: expected {expected}; analyses: {', '.join(ANALYSES)}"
            )


def named_scalars(recording: Run, names: Sequence[str]) -> dict[str, float | None]:
    """Numbers of summaries by `analysis.key`; None where an analysis does not apply."""
    parts = [name.split(".", 1) for name in names]
    results = analyze(recording, {analysis for analysis, _ in parts}, progress=False)
    found: dict[str, float | None] = {}
    for analysis, key in parts:
        result, name = results[analysis], f"{analysis}.{key}"
        if not result.reason and key not in result.metrics:
            keys = ", ".join(result.metrics)
            raise InputError(f"scalar {name!r}: {analysis} has no {key!r}; expected one of {keys}")
        value = None if result.reason else result.metrics[key].value
        if isinstance(value, str):
            raise InputError(f"scalar {name!r}: is a name, {value}, and no number to follow")
        found[name] = value
    return found
