"""Ablations of a run, kept as a table and as the order credit of every picture."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from lrinterp.analysis.ablation.estimate import (
    agreement_rows,
    estimate_rows,
    exact_rows,
    head_estimates,
    strongest_and_random,
)
from lrinterp.analysis.ablation.rows import (
    Ablation,
    Listed,
    cells_of,
    is_random,
    label_of,
    seeded,
)
from lrinterp.analysis.subject import focus, untrained
from lrinterp.encoders import DualEncoder
from lrinterp.run import InputIndependent, Run, knows_objects, record
from lrinterp.run.edit import ATTENTION
from lrinterp.scenes import SETS
from lrinterp.scoring import METRICS, credits, margin_weights
from lrinterp.stats import Sample
from lrinterp.wording import plain_number

__all__ = ["Runs", "comparisons", "measure"]

PATIENCE = 2
"""Seconds before a progress bar shows."""
UNTRAINED_SEED = 10_000
LARGEST_SET = 900
"""Pictures of each further set; a seeded sample of larger ones."""

Measured = dict[tuple[str, str], Float[np.ndarray, "draw image"]]
"""By metric and candidates: the credit of every picture in every draw."""


def measure(run: Run, ablation: Ablation, draws: int = 1) -> Measured:
    """Credit of every picture by metric and candidates, in each of some seeded draws."""
    runs = [run.under(*seeded(ablation, seed)).scores for seed in range(draws)]
    return {
        pair: np.stack([credits(scores, run.examples, *pair) for scores in runs])
        for pair in METRICS
        if pair[0] != "order" or run.examples.image_set[0] != "single"
    }


def table_rows(run: Run, ablation: Ablation, measured: Measured) -> Iterator[dict[str, Any]]:
    """Table rows of one measured ablation; intervals cover draws and labels."""
    cells, name = cells_of(ablation, run.model), run.examples.image_set[0]
    for (metric, candidates), values in measured.items():
        interval = vars(Sample.mean(values, run.examples.image_units).interval)
        yield {**cells, "set": name, "metric": metric, "candidates": candidates, **interval}


class Runs:
    """What has been measured so far of one model on the pictures of one set."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.table: list[dict[str, Any]] = []
        self.measured: dict[str, Measured] = {}
        """By the label of an ablation."""
        self.notes: list[str] = []

    def measure(
        self, ablations: Sequence[Ablation], draws: int, asked: Sequence[Ablation] = ()
    ) -> None:
        """Every ablation, random ones in some draws; `asked` for may not be left out.

        Others are left out, with a note, where the inputs do not allow them.
        """
        bar = tqdm((*ablations, *asked), unit="ablation", delay=PATIENCE, disable=None, leave=False)
        for one in bar:
            bar.set_description(label_of(one, self.run.model), refresh=False)  # it would not wait
            if needs_objects(one) and not self.tells_objects(one):
                continue
            try:
                self.keep(one, measure(self.run, one, draws if is_random(one) else 1))
            except InputIndependent as error:
                if one in asked:
                    raise
                self.notes.append(f"Left out: {error}.")

    def keep(self, ablation: Ablation, measured: Measured) -> None:
        """Keep one ablation."""
        label = label_of(ablation, self.run.model)
        if label not in self.measured:
            self.measured[label] = measured
            rows = table_rows(self.run, ablation, measured)
            self.table += [{"model": "trained", **cells} for cells in rows]

    def tells_objects(self, ablation: Ablation) -> bool:
        """Is it known where the objects of the pictures are? Where not, a note says so, once."""
        if ablation[0].tower == "text" or knows_objects(self.run.towers["image"]):
            return True
        note = (
            "Left out: what needs the places of objects (objects told from empty patches, "
            "attention exchanged or equalised), because nothing says where in these pictures the "
            "objects are."
        )
        self.notes += [note] if note not in self.notes else []
        return False

    def estimate(self) -> None:
        """Rank all heads of the image tower by an estimate, and measure some of them."""
        run, listed = self.run, Listed(model=self.run.model)
        estimates, weights = head_estimates(run), margin_weights(run.examples)
        before = run.scores.cpu()
        chosen, changes = strongest_and_random(estimates), []
        rows = list(estimate_rows(run, estimates))
        bar = tqdm(chosen, unit="head", delay=PATIENCE, disable=None, leave=False)
        for place in bar:
            ablation = listed.head(*place)
            scores = run.under(*ablation).scores
            found = {pair: credits(scores, run.examples, *pair)[None] for pair in METRICS}
            self.keep(ablation, found)
            change = ((scores.cpu() - before) * weights).sum(1).double().numpy()
            changes.append(change.mean())
            rows += exact_rows(run, place, change)
        both = np.array([estimates[place] for place in chosen]), np.array(changes)
        agreed = list(agreement_rows(run, *both))
        self.table += [{"model": "trained", **row} for row in (*rows, *agreed)]
        self.notes.append(estimate_note(estimates.size, agreed))


def needs_objects(ablation: Ablation) -> bool:
    """Can it be made only where the places of objects are known?"""
    return any(edit.how == "keep_objects" or edit.what == ATTENTION for edit in ablation)


def estimate_note(n_heads: int, agreed: Sequence[Mapping[str, Any]]) -> str:
    """Which heads were measured, and how far the estimate can be trusted for the others."""
    pearson, spearman = (
        "undefined" if row["value"] is None else plain_number(row["value"]) for row in agreed
    )
    measured = agreed[0]["n"]
    return (
        f"Of the {n_heads} heads of the image tower {measured} are measured, too many to measure "
        "all: the strongest by a first-order estimate of the mean order margin (gradient at the "
        "intact scores times what flattening adds to them), and others drawn at random. Order lost "
        f"is known of these alone. Over the {measured} measured heads, estimated and exact change "
        f"of the margin agree with Pearson's r {pearson} and Spearman's rho {spearman} (1: the "
        "estimate ranks heads as removal does; 0: it says nothing)."
    )


def comparisons(recording: Run) -> tuple[list[dict[str, Any]], list[str]]:
    """The main ablations on the other sets, and on a model that was never trained."""
    rows, notes = [], []
    listed = Listed(model=recording.model)
    for part in other_sets(recording):
        for ablation in ((), listed.without, listed.whole("keep")):
            found = table_rows(part, ablation, measure(part, ablation))
            rows += [{"model": "trained", **cells} for cells in found]
    examples = recording.examples.of(focus(recording.examples))
    fresh = untrained(recording.model, UNTRAINED_SEED)
    if fresh is None:
        notes.append("No untrained model in the table: this model has no recipe to start from.")
    else:
        run = record(fresh, examples, progress=False)
        for ablation in ((), listed.without):
            found = table_rows(run, ablation, measure(run, ablation))
            rows += [{"model": "untrained", **cells} for cells in found]
    return rows, [*notes, *depth_notes(recording.model, len(examples))]


def depth_notes(model: DualEncoder, n: int) -> Iterator[str]:
    """What is edited where a tower has several layers, and what position means there."""
    image, text = (model.towers[name] for name in ("image", "text"))
    if image.cfg.n_layers > 1:
        yield (
            f"“In all layers” edits all {image.cfg.n_layers} layers of the image tower in one run "
            "and every query row, because information moves between patches below the last layer; "
            "each layer's edit is made of the stream that it reads in that run. The summary and "
            "the order lost by head speak of all query rows. Rows of the pooled row alone say so: "
            "those of terms other than key-position edit the first layer only, and deeper layers "
            "run on."
        )
    if text.cfg.n_layers > 1:
        yield (
            f"The text tower is edited in the pooled row of its first layer, and, where the row "
            f"says all layers, in all {text.cfg.n_layers} layers and rows."
        )
    if max(image.cfg.n_layers, text.cfg.n_layers) > 1:
        first = hasattr(image, "ln_pre")
        where = (
            "Behind the pre-norm and above the first layer" if first else "Above the first layer"
        )
        yield (
            f"{where} position is a convention: the mean of the stream at each position over those "
            f"of the {n} analysed pictures (of the captions in the text tower) that show other "
            "objects, centred over the positions of a component. Other pictures give other means."
        )


def other_sets(recording: Run) -> Iterator[Run]:
    """Pictures of the sets beside the focus, at most LARGEST_SET of each."""
    rng = np.random.default_rng(0)
    for name in SETS:
        n = len(recording.examples.where(name))
        if name != focus(recording.examples) and n:
            chosen = rng.permutation(n)[:LARGEST_SET]
            yield recording.of(name).at(np.sort(chosen))
