"""Runs of ablations on a bench, kept as a table and as the order credit of every picture."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from lrinterp.analysis.ablation.bench import Bench, Measured, knows_objects
from lrinterp.analysis.ablation.estimate import (
    agreement_rows,
    estimate_rows,
    exact_rows,
    head_estimates,
    margin_weights,
    strongest_and_random,
)
from lrinterp.analysis.ablation.rows import KEEP_OBJECTS, RANDOM, Row, head_row, main_rows
from lrinterp.analysis.subject import focus, untrained
from lrinterp.decomposition import InputIndependent
from lrinterp.recording import Recording
from lrinterp.scenes import SETS, Examples
from lrinterp.wording import plain_number

__all__ = ["Runs", "comparisons"]

PATIENCE = 2
"""Seconds before a progress bar shows."""
UNTRAINED_SEED = 10_000
LARGEST_SET = 900
"""Pictures of each further set; a seeded sample of larger ones."""


class Runs:
    """What has been measured so far of one model on the pictures of one set."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.table: list[dict[str, Any]] = []
        self.orders: list[Float[np.ndarray, "draw image"]] = []
        self.labels: list[str] = []
        """Of the ablations, once for each draw."""
        self.label_sets: dict[str, Float[np.ndarray, "draw image"]] = {}
        """Closed label-set credit of every picture, by ablation."""
        self.notes: list[str] = []

    def measure(self, rows: Sequence[Row], draws: int, asked: Sequence[Row] = ()) -> None:
        """Every ablation, random ones in some draws; `asked` for may not be left out.

        Others are left out, with a note, where the inputs do not allow them.
        """
        bar = tqdm((*rows, *asked), unit="ablation", delay=PATIENCE, disable=None, leave=False)
        for row in bar:
            bar.set_description(row.label, refresh=False)  # a refresh would not wait
            if row.kind == KEEP_OBJECTS and not self.tells_objects(row):
                continue
            try:
                self.keep(row, self.bench.measure(row, draws if row.kind in RANDOM else 1))
            except InputIndependent as error:
                if row in asked:
                    raise
                self.notes.append(f"Left out: {error}.")

    def keep(self, row: Row, measured: Measured) -> None:
        """Keep one ablation."""
        orders = measured["order", "pair"]
        self.orders.append(orders)
        self.labels += [row.label] * len(orders)
        self.label_sets[row.label] = measured["label_set", "closed"]
        self.table += [{"model": "trained", **cells} for cells in self.bench.table(row, measured)]

    def tells_objects(self, row: Row) -> bool:
        """Is it known where the objects of the pictures are? Where not, a note says so, once."""
        if row.encoder == "text" or knows_objects(self.bench.examples.roles["image"]):
            return True
        note = (
            "Left out: objects told from empty patches (keep_objects), because nothing says where "
            "in these pictures the objects are."
        )
        self.notes += [note] if note not in self.notes else []
        return False

    def estimate(self) -> None:
        """Rank all heads of the image tower by an estimate, and measure some of them."""
        bench = self.bench
        estimates, weights = head_estimates(bench), margin_weights(bench.examples).cpu()
        before = bench.scores(Row()).cpu()
        chosen, changes = strongest_and_random(estimates), []
        rows = list(estimate_rows(bench, estimates))
        bar = tqdm(chosen, unit="head", delay=PATIENCE, disable=None, leave=False)
        for place in bar:
            row = head_row(*place, len(estimates))
            scores = bench.scores(row)
            self.keep(row, bench.credits([scores]))
            change = ((scores.cpu() - before) * weights).sum(1).double().numpy()
            changes.append(change.mean())
            rows += exact_rows(bench, place, change)
        both = np.array([estimates[place] for place in chosen]), np.array(changes)
        agreed = list(agreement_rows(bench, *both))
        self.table += [{"model": "trained", **row} for row in (*rows, *agreed)]
        self.notes.append(estimate_note(estimates.size, agreed))


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


def comparisons(recording: Recording, examples: Examples) -> tuple[list[dict[str, Any]], list[str]]:
    """The main ablations on the other sets, and on a model that was never trained."""
    rows, notes = [], []
    tower = recording.model.towers["image"].cfg
    main = main_rows(tower.n_layers)
    for part in other_sets(recording):
        bench = Bench(recording.model, part)
        for row in (main.intact, main.without, main.only):
            rows += [{"model": "trained", **c} for c in bench.table(row, bench.measure(row))]
    fresh = untrained(recording.model, UNTRAINED_SEED)
    if fresh is None:
        notes.append("No untrained model in the table: this model has no recipe to start from.")
    else:
        bench = Bench(fresh, examples)
        for row in (main.intact, main.without):
            rows += [{"model": "untrained", **c} for c in bench.table(row, bench.measure(row))]
    return rows, [*notes, *depth_notes(recording, len(examples))]


def depth_notes(recording: Recording, n: int) -> Iterator[str]:
    """What is edited where a tower has several layers, and what position means there."""
    image, text = (recording.model.towers[name] for name in ("image", "text"))
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
            f"{where} position is a convention: the mean of the stream at each position over the "
            f"{n} analysed pictures (over the captions in the text tower), centred over the "
            "positions of a component. Other pictures give other means."
        )


def other_sets(recording: Recording) -> Iterator[Examples]:
    """Pictures of the sets beside the focus, at most LARGEST_SET of each."""
    rng = np.random.default_rng(0)
    for name in SETS:
        index = recording.examples.where(name)
        if name != focus(recording.examples) and len(index):
            chosen = rng.permutation(len(index))[:LARGEST_SET]
            yield recording.examples.at(index[np.sort(chosen)])
