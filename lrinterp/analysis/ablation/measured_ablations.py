"""Ablations of a run, measured: a table, and by metric the credit of every picture."""

from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from lrinterp.analysis.ablation.ablations import (
    ALONE,
    NUMBERS,
    ORDERS,
    REMOVED,
    Ablation,
    columns_of,
    is_random,
    one_head,
    row_of,
    within_model,
)
from lrinterp.analysis.ablation.order_heads import (
    estimate_note,
    estimate_rows,
    head_estimates,
    strongest_and_random,
)
from lrinterp.analysis.read import Place
from lrinterp.analysis.subject import focus, heads_of, over_pictures, untrained
from lrinterp.axes import Scores
from lrinterp.encoders import DualEncoder
from lrinterp.result import Metric
from lrinterp.run import InputIndependent, Run, knows_objects, record
from lrinterp.run.edit import ATTENTION
from lrinterp.scenes import SETS
from lrinterp.scoring import METRICS, credits, order_credit
from lrinterp.stats import GAP, SHARE, Sample, Scale

__all__ = ["NOTHING", "MeasuredAblations", "comparisons"]

PATIENCE = 2
"""Seconds before a progress bar shows."""
UNTRAINED_SEED = 10_000
LARGEST_SET = 900
"""Pictures of each further set; a seeded sample of larger ones."""
NOTHING = Metric(value=None, n=0, n_units=0, estimator="mean")
NO_OBJECTS = (
    "Left out: what needs the places of objects (objects told from empty patches, "
    "attention exchanged or equalised), because nothing says where in these pictures the "
    "objects are."
)
NO_RECIPE = "No untrained model in the table: this model has no recipe to start from."

Credit = Float[np.ndarray, "draw image"]
Credits = dict[tuple[str, str], Credit]
"""By metric and candidates: the credit of every picture in every draw."""


def ablation_credits(run: Run, ablation: Ablation, draws: int = 1) -> Credits:
    """Credit of every picture by metric and candidates, in each of some seeded draws."""
    runs = (run.under(*within_model(run.model, ablation, seed)) for seed in range(draws))
    return credits_of(run, [edited.scores for edited in runs])


def credits_of(run: Run, scores: Sequence[Scores]) -> Credits:
    """Credit of every picture by metric and candidates, from the scores of each draw."""
    return {
        pair: np.stack([credits(one, run.examples, *pair) for one in scores])
        for pair in METRICS
        if pair[0] != "order" or run.examples.image_set[0] != "single"
    }


def table_rows(run: Run, ablation: Ablation, measured: Credits) -> Iterator[dict[str, Any]]:
    """Table rows of one measured ablation; intervals cover draws and labels."""
    for pair, values in measured.items():
        interval = Sample.mean(values, run.examples.image_units).interval
        yield row_of(run, ablation, pair, vars(interval))


class MeasuredAblations:
    """What has been measured so far of one model on the pictures of one set."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.table: list[dict[str, Any]] = []
        self.measured: dict[Ablation, Credits] = {}
        """By ablation, as the towers know it (`within_model`)."""
        self.notes: list[str] = []

    def measure(self, ablations: Sequence[Ablation], draws: int) -> None:
        """Every ablation, random ones in some draws.

        What the inputs do not allow is left out, with a note.
        """
        placed = knows_objects(self.run.towers["image"])
        bar = tqdm(ablations, unit="ablation", delay=PATIENCE, disable=None, leave=False)
        for one in bar:
            label = "/".join(columns_of(one, self.run.model).values())
            bar.set_description(label, refresh=False)  # it would not wait
            if needs_objects(one) and not placed:
                self.notes += [] if NO_OBJECTS in self.notes else [NO_OBJECTS]
                continue
            try:
                self.keep(one, ablation_credits(self.run, one, draws if is_random(one) else 1))
            except InputIndependent as error:
                self.notes.append(f"Left out: {error}.")

    def keep(self, ablation: Ablation, measured: Credits) -> None:
        """Keep one ablation."""
        if (own := within_model(self.run.model, ablation)) not in self.measured:
            self.measured[own] = measured
            self.table += table_rows(self.run, ablation, measured)

    def estimate(self) -> None:
        """Rank all heads of the image tower by an estimate, and measure some of them."""
        estimates = head_estimates(self.run)
        chosen = strongest_and_random(estimates)
        bar = tqdm(chosen, unit="head", delay=PATIENCE, disable=None, leave=False)
        rows = list(estimate_rows(self.run, estimates, {p: self.margin_change(p) for p in bar}))
        self.table += rows
        self.notes.append(estimate_note(estimates.size, rows))

    def margin_change(self, place: Place) -> Float[np.ndarray, "image"]:
        """Measure one head: what its removal does to the order margin of each picture."""
        ablation = one_head(*place)
        edited = self.run.under(*within_model(self.run.model, ablation))
        self.keep(ablation, credits_of(self.run, [edited.scores]))
        return (edited.margin - self.run.margin).cpu().numpy()

    def accuracy(
        self, *of: Ablation, pair: tuple[str, str] = METRICS[0], chance: float | None = None
    ) -> Metric:
        """Mean accuracy under an ablation, or of two the paired difference.

        Order, where nothing else is asked; NOTHING where an ablation is not measured.
        """
        own = [within_model(self.run.model, one) for one in of]
        if not self.measured.keys() >= set(own):
            return NOTHING
        one, *others = (self.measured[known][pair] for known in own)
        if not others:
            return self.over(one, SHARE, chance=chance)
        return self.over(one - others[0].mean(0), GAP, estimator="difference")

    def numbers(self, keys: Container[str]) -> dict[str, Metric]:
        """Some of NUMBERS by key; NOTHING for one that is not measured."""
        chance = self.run.examples.chance
        return {
            key: self.accuracy(*of, pair=pair, chance=chance if key in ORDERS else None)
            for key, (of, pair) in NUMBERS.items()
            if key in keys
        }

    def gaps(self) -> dict[str, Metric]:
        """Order under each control that algebra predicts, less the prediction: `_gap` in its key.

        One layer and two objects: 1 - intact where the picture is reversed or the attention on its
        objects exchanged, chance where it is a bag. All else is evidence: nothing predicts it.
        """
        run, found = self.run, {}
        if run.model.image.cfg.n_layers > 1 or run.examples.image_labels.shape[1] > 2:
            return {}
        turned = 1 - order_credit(run.scores, run.examples)
        bag = np.full_like(turned, run.examples.chance)
        predicted = {"reversed": turned, "exchanged": turned, "equalised": bag}
        for name, wanted in predicted.items():
            own = within_model(run.model, ORDERS[f"order_{name}"][0])
            if own in self.measured:
                gap = self.measured[own][METRICS[0]] - wanted
                found[f"order_{name}_gap"] = self.over(gap, GAP, estimator="difference")
        return found

    def lost(self, **kind: Any) -> dict[Place, Metric]:
        """By layer and head: intact minus ablated order, paired; of large towers some heads."""
        places = heads_of(self.run.model)
        found = {place: self.accuracy((), one_head(*place, **kind)) for place in places}
        return {place: metric for place, metric in found.items() if metric is not NOTHING}

    @property
    def credits(self) -> dict[Ablation, Float[np.ndarray, "image"]]:
        """By ablation: the order credit of every picture in the first draw."""
        return {own: found[METRICS[0]][0] for own, found in self.measured.items()}

    def over(self, values: Credit, scale: Scale, **about: Any) -> Metric:
        """The mean of some values over draws and pictures."""
        sample = Sample.mean(values, self.run.examples.image_units, scale)
        return over_pictures(self.run.examples, sample, **about)


def needs_objects(ablation: Ablation) -> bool:
    """Can it be made only where the places of objects in pictures are known?"""
    return any(
        edit.tower == "image" and (edit.how == "keep_objects" or edit.what == ATTENTION)
        for edit in ablation
    )


def comparisons(recording: Run) -> tuple[list[dict[str, Any]], list[str]]:
    """The main ablations on the other sets, and on a model that was never trained."""
    examples = recording.examples.of(focus(recording.examples))
    rows = [row for part in other_sets(recording) for row in main_rows(part, (), REMOVED, ALONE)]
    notes = list(depth_notes(recording.model, len(examples)))
    fresh = untrained(recording.model, UNTRAINED_SEED)
    if fresh is None:
        return rows, [NO_RECIPE, *notes]
    known = main_rows(record(fresh, examples, progress=False), (), REMOVED)
    return [*rows, *({**row, "model": "untrained"} for row in known)], notes


def main_rows(run: Run, *ablations: Ablation) -> list[dict[str, Any]]:
    """Table rows of some ablations without random draws."""
    return [row for one in ablations for row in table_rows(run, one, ablation_credits(run, one))]


def other_sets(recording: Run) -> Iterator[Run]:
    """Pictures of the sets beside the focus, at most LARGEST_SET of each."""
    rng = np.random.default_rng(0)
    for name in SETS:
        n = len(recording.examples.where(name))
        if name != focus(recording.examples) and n:
            chosen = rng.permutation(n)[:LARGEST_SET]
            yield recording.of(name).at(np.sort(chosen))


def depth_notes(model: DualEncoder, n: int) -> Iterator[str]:
    """What is edited where a tower has several layers, and what position means there."""
    image, text = (model.towers[name].cfg.n_layers for name in ("image", "text"))
    if image > 1:
        yield (
            f"“In all layers” edits all {image} layers of the image tower in one run and every "
            "query row, because information moves between patches below the last layer; each "
            "layer's edit is made of the stream that it reads in that run. The summary and the "
            "swap accuracy lost by head are those of all query rows. Edits of the pooled row "
            "alone are named so; edits of terms other than key-position are made in the first "
            "layer only, and deeper layers run on."
        )
    if text > 1:
        yield (
            f"The text tower is edited in the pooled row of its first layer, and, where the row "
            f"says all layers, in all {text} layers and rows."
        )
    if max(image, text) > 1:
        behind = "Behind the pre-norm and above" if hasattr(model.image, "ln_pre") else "Above"
        yield (
            f"{behind} the first layer position is a convention (the dataset-mean basis): the "
            f"mean of the stream at each position over those of the {n} analysed pictures (of the "
            "captions in the text tower) that show other objects, centred over the positions of a "
            "component. Other pictures give other means."
        )
