"""Which terms of the attention scores does left-right discrimination need?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lrinterp.analysis.ablation_bench import Bench, Row, objects, standard_rows
from lrinterp.analysis.ablation_figures import (
    heads_figure,
    order_figure,
    order_rows,
    split_figure,
)
from lrinterp.analysis.subject import SET_WORDS, decomposable, focus, head_name, untrained
from lrinterp.decomposition import KEY_POSITION, InputIndependent
from lrinterp.recording import Recording
from lrinterp.result import Figure, Result, Scalar, records
from lrinterp.scenes import SETS
from lrinterp.stats import crossed_interval
from lrinterp.wording import counted

__all__ = ["TermAblation", "term_ablation"]

PLACEBO_DRAWS = 20
UNTRAINED_SEED = 10_000
LARGEST_SET = 900
"""Pictures of each further set; a seeded sample of larger ones."""
ENOUGH = 0.1
"""Order that key-position alone may lose and still count as sufficient."""

INTACT, WITHOUT, PLACEBO, ONLY, OBJECTS = standard_rows(0)[:5]
NAMED = {
    "order_intact": (INTACT, None),
    "order_without_key_position": (WITHOUT, None),
    "order_placebo": (PLACEBO, None),
    "order_placebo_minus_without": (PLACEBO, WITHOUT),
    "order_key_position_only": (ONLY, None),
    "order_intact_minus_key_position_only": (INTACT, ONLY),
    "order_key_position_and_objects": (OBJECTS, None),
}
"""Summary keys: an ablation's mean order, or its paired difference from another's."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TermAblation(Result):
    """Accuracy after taking terms of the pooled row away, and order lost by head."""

    name: ClassVar[str] = "term_ablation"
    question: ClassVar[str] = "Which terms of the attention scores does the model need?"

    table: pd.DataFrame
    """One row for each model, ablation, set, metric and candidates."""
    chance: float
    """Order accuracy of a guess."""
    ablations: tuple[str, ...]
    """The ablations of the trained model on the focus set, by `name_of`, once for each draw."""
    credits: Float[np.ndarray, "run image"]
    """Order credit of each picture in each of them, kept so that ablations can be paired."""
    clusters: Int[np.ndarray, "image"]
    on_objects: Float[np.ndarray, "case head"]
    """Mean attention of the pooled token on the objects: intact, and with key-position alone."""
    focus: str
    normed: bool
    """Does LayerNorm scale the keys of the image tower?"""
    notes: tuple[str, ...]

    def order(self, row: Row, minus: Row | None = None) -> Scalar:
        """Mean order under an ablation, or its paired difference from another."""
        values = self.runs(row)
        if minus is not None:
            values = values - self.runs(minus).mean(0)
        return Scalar(**vars(crossed_interval(values, self.clusters)))

    def runs(self, row: Row) -> Float[np.ndarray, "draw image"]:
        """Order credit of every picture in every draw of an ablation."""
        return self.credits[np.array(self.ablations) == name_of(row)]

    @property
    def order_lost(self) -> dict[int, Scalar]:
        """By head: intact minus ablated order when its key-position is flattened, paired."""
        named = {name.split("/")[2] for name in self.ablations}
        heads = sorted(int(head) for head in named if head.isdecimal())
        rows = {h: Row(terms=KEY_POSITION, kind="flatten", heads=(h,)) for h in heads}
        return {head: self.order(INTACT, row) for head, row in rows.items()}

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The ablations of the image tower's pooled row, all heads, on held-out pairs."""
        if self.focus != "unseen_pair":
            keys = (*NAMED, "label_set_closed_without_key_position")
            return {key: Scalar(value=None, n=0, n_clusters=0) for key in keys}
        orders = {key: self.order(row, minus) for key, (row, minus) in NAMED.items()}
        return {**orders, "label_set_closed_without_key_position": self.label_set(WITHOUT)}

    def label_set(self, row: Row) -> Scalar:
        """Closed label-set accuracy of the trained model under an ablation."""
        wanted = {**row.cells, "model": "trained", "set": self.focus}
        wanted |= {"metric": "label_set", "candidates": "closed"}
        return Scalar.of(next(row for row in records(self.table) if wanted.items() <= row.items()))

    @property
    def finding(self) -> str:
        """What removal and sufficiency of key-position did."""
        intact, without, placebo, only = map(self.order, (INTACT, WITHOUT, PLACEBO, ONLY))
        spread, lost = self.order(PLACEBO, WITHOUT), self.order(INTACT, ONLY)
        text = (
            f"Order on pictures of {SET_WORDS[self.focus]} is {intact.phrase} intact, "
            f"{without.phrase} without key-position, {placebo.phrase} under a placebo of the same "
            f"size ({spread.phrase} above the removal, paired), and {only.phrase} with "
            f"key-position alone ({counted(intact.n, 'picture')}, "
            f"{counted(intact.n_clusters, 'label pair')})."
        )
        if float(lost.value or 0) > ENOUGH and not self.normed:
            head = max(self.order_lost, key=lambda h: float(self.order_lost[h].value or 0))
            before, after = self.on_objects[:, head]
            text += (
                f" Key-position alone loses {lost.phrase} of order: nothing tells objects from "
                f"empty pixels any more, and the objects hold {after:.2f} of the attention of "
                f"{head_name(0, head)} instead of {before:.2f}. Where the scores still tell that "
                "something stands at a pixel, though not what, order is "
                f"{self.order(OBJECTS).phrase}."
            )
        return text

    @property
    def caveats(self) -> tuple[str, ...]:
        """Kinds of ablation, and why the raw split moves."""
        whole = (
            "with LayerNorm, whose scale differs by key, even the result for key-position as a "
            "whole depends on the gauge."
            if self.normed
            else "for key-position as a whole the result does not depend on the gauge."
        )
        return (
            "Flatten replaces a term on the patch keys by its mean over them and leaves CLS alone: "
            + whole,
            "The raw rows (zero) divide key-position into EP, PP and bP as the weights happen to "
            "stand. Initial scales and weight decay decide how much of one and the same positional "
            "preference ends up in the query's token, position or bias part, so it can look like "
            "“EP alone” in one model and like a shared effort in another"
            + ("." if self.normed else ". Only their sum is a fact about the model."),
            "“Objects told from empty pixels” keeps key-position and replaces all else by its mean "
            "over the objects and its mean over the empty pixels of each picture.",
            f"The placebo keeps the term and subtracts a random row, orthogonal to it and of the "
            f"same size: the mean of {len(self.runs(PLACEBO))} seeded draws, which its interval "
            "resamples as well as label pairs.",
            *self.notes,
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """Order under each ablation, the raw split beside the canonical one, order by head."""
        rows = order_rows(self.table, self.focus)
        return (
            order_figure(rows, self.focus, self.chance),
            split_figure(rows, self.chance),
            heads_figure(self.order_lost),
        )


def term_ablation(
    recording: Recording, *, extra: Sequence[Row] = (), draws: int = PLACEBO_DRAWS
) -> TermAblation:
    """Edit the first layer's scores before the softmax and measure every accuracy again.

    Kinds and their formulas: `lrinterp.decomposition.ablation`; the standard list of ablations:
    `standard_rows`, with `extra` behind it. Raises NotApplicable where a tower cannot be split,
    ValueError, naming the term, for resampling one that does not depend on the input.
    Source: arXiv 2601.12809, section 5.
    """
    for tower in recording.model.towers:
        decomposable(recording, tower)
    examples = recording.examples.of(focus(recording.examples))
    bench = Bench(recording.model, examples)
    n_heads = recording.model.towers["image"].cfg.n_heads
    rows, orders, names, notes = [], [], [], []
    for row in (*standard_rows(n_heads), *extra):
        try:
            measured = bench.measure(row, draws if row.kind == "placebo" else 1)
        except InputIndependent as error:
            if row in extra:
                raise
            notes.append(f"Left out: {error}.")
            continue
        orders.append(measured["order", "pair"])
        names += [name_of(row)] * len(orders[-1])
        rows += [{"model": "trained", **cells} for cells in bench.table(row, measured)]
    more, further = comparisons(recording, examples)
    return TermAblation(
        table=pd.DataFrame([*rows, *more]),
        chance=examples.chance,
        ablations=tuple(names),
        credits=np.concatenate(orders),
        clusters=examples.image_label_set,
        on_objects=np.stack([on_objects(bench, row) for row in (INTACT, ONLY)]),
        focus=examples.image_set[0],
        normed=recording.model.towers["image"].cfg.normalization_type is not None,
        notes=(*notes, *further),
    )


def comparisons(recording: Recording, examples: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The main ablations on the other sets, and on a model that was never trained."""
    rows, notes = [], []
    for part in other_sets(recording):
        bench = Bench(recording.model, part)
        for row in (INTACT, WITHOUT, ONLY):
            rows += [{"model": "trained", **c} for c in bench.table(row, bench.measure(row))]
    fresh = untrained(recording.model, UNTRAINED_SEED)
    if fresh is None:
        notes.append("No untrained model in the table: this model has no recipe to start from.")
    else:
        bench = Bench(fresh, examples)
        for row in (INTACT, WITHOUT):
            rows += [{"model": "untrained", **c} for c in bench.table(row, bench.measure(row))]
    if any(t.cfg.n_layers > 1 for t in recording.model.towers.values()):
        notes.append("Only the first layer of each tower is edited; deeper layers run on.")
    return rows, notes


def other_sets(recording: Recording) -> Iterator[Any]:
    """Pictures of the sets beside the focus, at most LARGEST_SET of each."""
    rng = np.random.default_rng(0)
    for name in SETS:
        index = recording.examples.where(name)
        if name != focus(recording.examples) and len(index):
            chosen = rng.permutation(len(index))[:LARGEST_SET]
            yield recording.examples.at(index[np.sort(chosen)])


def on_objects(bench: Bench, row: Row) -> Float[np.ndarray, "head"]:
    """Mean attention of the pooled token on all objects, by head, under an ablation."""
    there = objects(bench.examples.roles["image"]).numpy()
    return (bench.attention(row) * there[:, None]).sum(-1).mean(0).astype(float)


def name_of(row: Row) -> str:
    """An ablation as one string: encoder/terms/heads/kind/gauge."""
    return "/".join(row.cells.values())
