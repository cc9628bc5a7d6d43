"""Does the model know left from right, and on which pictures?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from lrinterp.analysis.order_parts import (
    by_distance,
    by_template,
    distance_figure,
    label_figure,
    mean_of,
    order_by_label,
    word_credits,
)
from lrinterp.analysis.subject import as_index
from lrinterp.charts import bars
from lrinterp.grades import phrase_of
from lrinterp.metric import joined
from lrinterp.result import Figure, Metric, Result, records
from lrinterp.run import Run
from lrinterp.scenes import SETS
from lrinterp.scenes.natural import PICTURES
from lrinterp.scoring import METRICS, accuracy_rows, credits
from lrinterp.stats import mean_interval
from lrinterp.wording import counted

__all__ = ["Accuracy", "accuracy", "some_accuracies"]

INTERVAL = ["value", "low", "high", "n", "n_units"]
COLUMNS = ["set", "metric", "candidates", *INTERVAL, "reason"]
WORD = "word"
"""Candidates of order: the caption with the other relation word."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Accuracy(Result):
    """Accuracy by set, metric and candidates."""

    name: ClassVar[str] = "accuracy"
    question: ClassVar[str] = "Does the model know left from right, and on which pictures?"

    chance: float
    """Order accuracy of a guess."""
    distances: pd.DataFrame
    """Order on held-out pairs by the smallest distance between objects, in pixels."""
    table: pd.DataFrame
    """One row for each set, metric and candidates, with its interval."""
    labels: pd.DataFrame
    """Swap accuracy on the pictures of each label of the focus set, the lowest first."""
    metrics: Mapping[str, Metric] = field()
    """Swap accuracy on each set of pairs, and what else tells a model's state at a glance; then by
    template where there are several. With samples."""

    @cached_property
    def more(self) -> Mapping[str, Metric]:
        """Every row of the table that the summary leaves out, named as in the summary."""
        rows = {key_of(row): row for row in records(self.table)}
        return {key: Metric.of(row) for key, row in rows.items() if key not in self.metrics}

    @property
    def natural(self) -> bool:
        """Are the pictures those of a suite, and not of the toy world?"""
        return PICTURES in set(self.table["set"])

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return "pictures_order" if self.natural else "unseen_pair_order"

    @property
    def finding(self) -> str:
        """Swap accuracy and object-set accuracy on held-out pairs."""
        order, labels, *rest = self.metrics.values()
        apart = "".join(
            f" With captions that say “{key.removeprefix(f'{self.primary}_')}” it is {one.phrase}."
            for key, one in self.metrics.items()
            if key not in SUMMARY + NATURAL_SUMMARY
        )
        if self.natural:
            return (
                f"On {counted(order.n, 'picture')} of {counted(order.n_units, 'object')}, "
                "pictures and their mirror images, the true caption beats the one with its "
                f"objects exchanged in {order.phrase} of cases, "
                f"{phrase_of(order, self.chance, unit='object')}, and the one with left and right "
                f"exchanged in {rest[0].phrase}; the first of all captions names the objects "
                f"correctly in {labels.phrase}.{apart}"
            )
        if order.value is None:
            reason = self.table.query("set == 'unseen_pair'")["reason"].iloc[0]
            return f"There are no held-out pairs: {reason}."
        return (
            f"On {counted(order.n, 'picture')} of pairs of {counted(order.n_units, 'label')} that "
            f"training never showed in a pair, the true caption beats its swap in {order.phrase} "
            f"of cases, {phrase_of(order, self.chance)}; the first caption names the objects "
            f"correctly in {labels.phrase}.{apart}{self._labels()}{self._distances()}"
        )

    def _labels(self) -> str:
        """The labels with the lowest and highest swap accuracy."""
        if len(self.labels) < FEWEST_LABELS:
            return ""
        low, *_, high = records(self.labels)
        return (
            f" By label swap accuracy runs from {low['value']:.2f} ({low['label']}) to "
            f"{high['value']:.2f} ({high['label']})."
        )

    def _distances(self) -> str:
        """Where swap accuracy is lower at some distance than at others."""
        near, *rest = records(self.distances) or [{}]
        least = min(rest, key=lambda row: row["low"] or 0, default=None)
        if least is None or (near["high"] or 1) >= (least["low"] or 0):
            return ""
        return (
            f" Neighbouring objects are hardest: swap accuracy is {Metric.of(near).phrase} at "
            f"distance {near['distance']}, and reliably above {least['low']:.2f} at each larger "
            "one."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """How intervals and ties are made."""
        many = (
            "With more than two objects a “pair” is all the labels of a picture, and its swaps are "
            "all other orders."
        )
        return (
            "Intervals are 95 % and cover other labels: each label is left out in turn "
            "(jackknife, on the log odds), because pictures that share a label are not "
            "independent. They do not cover other training seeds. Where every picture is right "
            "the interval is the one that a single error would give. Two labels give none.",
            "If captions tie for the first place, the credit is the share of the tied captions "
            "that are right. Where two captions are true (left and right), either counts.",
            *([many] if self.chance < TWO_OBJECTS else []),
            *([MIRRORED] if self.natural else []),
        )

    def figures(self) -> tuple[Figure, ...]:
        """One panel a metric, one bar a set."""
        shown, many = self.table.dropna(subset=["value"]), len(self.labels) >= FEWEST_LABELS
        pairs = zip(shown["metric"], shown["candidates"], strict=True)
        place = np.array([SHOWN.index(pair) for pair in pairs], dtype=int)
        columns = {
            "measure": [f"{METRIC_WORDS[SHOWN[i][0]]} ({SHOWN[i][1]})" for i in place],
            "pictures": shown["set"].map(SET_WORDS),
            "share of pictures right": shown["value"],
            **shown[["low", "high", "n"]],
        }
        panels = pd.DataFrame(columns).iloc[np.argsort(place, kind="stable")]
        return (
            Figure(
                key="sets",
                title="Accuracy on "
                + ("a suite's pictures" if self.natural else "the four sets of pictures"),
                how_to_read="Each bar is the share of pictures that one metric counts as right, "
                f"with its 95 % interval; a model that guesses the order scores {self.chance:.2g} "
                "in the first panel, and near zero where the candidates are many.",
                plot=bars(panels, x="share of pictures right", y="pictures", facet="measure"),
                table=shown[COLUMNS[:-1]],
            ),
            *([label_figure(self.labels, self.chance)] if many else []),
            *([distance_figure(self.distances, self.chance)] if len(self.distances) else []),
        )


FEWEST_LABELS = 3
"""Labels from which swap accuracy is shown by label."""
TWO_OBJECTS = 0.5
"""Chance of swap accuracy with two objects."""
SUMMARY = (
    "unseen_pair_order",
    "unseen_pair_label_set_closed",
    "unseen_pair_retrieval_open",
    "seen_pair_order",
    "mixed_pair_order",
    "single_retrieval_closed",
)
NATURAL_SUMMARY = (
    "pictures_order",
    "pictures_label_set_closed",
    "pictures_order_word",
    "pictures_retrieval_closed",
)
SHOWN = (*METRICS, ("order", WORD))
"""Panels of the figure: the metrics, and the caption against that with one word exchanged."""
MIRRORED = (
    "Each picture is tested together with its mirror image, and all captions have one template: a "
    "model that always prefers one of two captions is right on half of the pictures. A suite's "
    "own captions are scored by the benchmark."
)
METRIC_WORDS = {
    "order": "swap accuracy",
    "retrieval": "retrieval",
    "label_set": "object-set accuracy",
}
SET_WORDS = {
    "single": "one object, new position",
    "seen_pair": "trained pair, new layout",
    "unseen_pair": "held-out pair",
    "mixed_pair": "one trained, one held out",
    PICTURES: "pictures and mirror images",
}


def accuracy(recording: Run) -> Accuracy:
    """Swap accuracy, retrieval and object-set accuracy on the four sets, by kind of candidates.

    On pictures of a suite there is one set, and swap accuracy also against the caption in which
    left and right change places (candidates `word`), mean over the two true captions.

    Definitions: `lrinterp.scoring`. Intervals: `lrinterp.stats.mean_interval` over labels.
    """
    natural = PICTURES in recording.examples.image_set
    rows = accuracy_rows(recording.scores, recording.examples, (PICTURES,) if natural else SETS)
    if natural:
        interval = mean_interval(word_credits(recording), recording.examples.image_units)
        place = {"set": PICTURES, "metric": "order", "candidates": WORD}
        rows.append({**place, **vars(interval), "reason": None})
    by_key = {key_of(row): row for row in rows}
    chosen = {key: by_key[key] for key in (NATURAL_SUMMARY if natural else SUMMARY)}
    return Accuracy(
        chance=recording.examples.chance,
        distances=pd.DataFrame(by_distance(recording), columns=["distance", *INTERVAL]),
        table=pd.DataFrame(rows, columns=COLUMNS),
        labels=pd.DataFrame(order_by_label(recording), columns=["label", "value", "n"]),
        metrics=joined(
            {key: sampled(recording, row) for key, row in chosen.items()},
            by_template(recording, PICTURES if natural else "unseen_pair"),
        ),
    )


def some_accuracies(recording: Run, keys: Sequence[str]) -> dict[str, Metric]:
    """The accuracies of the four sets that are asked for, and nothing by label or distance."""
    if PICTURES in recording.examples.image_set:
        return {}
    rows = {key_of(row): row for row in accuracy_rows(recording.scores, recording.examples, SETS)}
    return {key: Metric.of(rows[key]) for key in keys if key in rows}


def sampled(recording: Run, row: Mapping[str, Any]) -> Metric:
    """The number of a table row, with its sample where pictures were recorded for it."""
    if row["value"] is None:
        return Metric.of(row)
    index = recording.examples.where(row["set"])
    part, scores = recording.examples.at(index), recording.scores[as_index(index)]
    if row["candidates"] == WORD:
        return mean_of(part, word_credits(recording), part.chance)
    values = credits(scores, part, row["metric"], row["candidates"])
    return mean_of(part, values, part.chance if row["metric"] == "order" else None)


def key_of(row: Mapping[str, Any]) -> str:
    """The summary key of a row: set and metric, and the candidates where a metric has several."""
    parts = (row["set"], row["metric"], row["candidates"])
    return "_".join(str(part) for part in parts if part != "pair")
