"""Does the model know left from right, and on which pictures?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch

from lrinterp.analysis.accuracy_figures import distance_figure, label_figure
from lrinterp.analysis.order_parts import (
    WORD,
    by_distance,
    by_label,
    by_template,
    word_credits,
    word_row,
)
from lrinterp.analysis.subject import over_pictures
from lrinterp.charts import bars
from lrinterp.grades import phrase_of
from lrinterp.metric import joined
from lrinterp.result import Figure, Metric, Result, records
from lrinterp.run import Run
from lrinterp.scenes import SETS
from lrinterp.scenes.natural import PICTURES
from lrinterp.scoring import METRICS, accuracy_rows, credits, order_credit
from lrinterp.stats import Sample
from lrinterp.wording import counted

__all__ = ["Accuracy", "accuracy"]

COLUMNS = ["set", "metric", "candidates", "value", "low", "high", "n", "n_units", "reason"]


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
    templates: pd.DataFrame
    """Order by set and template, where there are several."""
    labels: pd.DataFrame
    """Order on the pictures of each label of the focus set, the lowest first."""
    measured: Mapping[str, Metric]
    """The numbers of the summary that pictures were recorded for, with their samples."""

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Order on each set of pairs, and what else tells a model's state at a glance."""
        rows = {key_of(row): row for row in records(self.table)}
        shown = {key: rows[key] for key in (NATURAL_SUMMARY if self.natural else SUMMARY)}
        apart = {f"{self.focus}_order_{name}": row for name, row in self.by_template.items()}
        found = joined(shown, apart)
        return {key: self.measured.get(key) or Metric.of(found[key]) for key in found}

    @property
    def focus(self) -> str:
        """The set that the finding speaks of."""
        return PICTURES if self.natural else "unseen_pair"

    @property
    def by_template(self) -> dict[str, dict[str, Any]]:
        """Order with the captions of each template, where there are several."""
        part = self.templates[self.templates["set"] == self.focus]
        return {row["template"]: row for row in records(part)}

    @property
    def natural(self) -> bool:
        """Are the pictures those of a suite, and not of the toy world?"""
        return PICTURES in set(self.table["set"])

    @property
    def primary(self) -> str:
        """Key of the number that is tested between models."""
        return f"{self.focus}_order"

    @property
    def finding(self) -> str:
        """Order and label set on held-out pairs."""
        order, labels, *rest = (self.metrics[k] for k in self.metrics)
        apart = "".join(
            f" With captions that say “{name}” it is {Metric.of(row).phrase}."
            for name, row in self.by_template.items()
        )
        if self.natural:
            return (
                f"On {counted(order.n, 'picture')} of {counted(order.n_units, 'object')}, "
                "photographs and their mirror images, the true caption beats the one with its "
                f"objects exchanged in {order.phrase} of cases, "
                f"{phrase_of(order, self.chance, unit='object')}, and the one with left and right "
                f"exchanged in {rest[0].phrase}; the first of all captions names the objects "
                f"correctly in {labels.phrase}.{apart}"
            )
        if order.value is None:
            row = self.table.query("set == 'unseen_pair'").iloc[0]
            return f"There are no held-out pairs: {row['reason']}."
        return (
            f"On {counted(order.n, 'picture')} of pairs of {counted(order.n_units, 'label')} that "
            f"training never showed in a pair, the true caption beats its swap in {order.phrase} "
            f"of cases, {phrase_of(order, self.chance)}; the first caption names the objects "
            f"correctly in {labels.phrase}.{apart}{self._labels()}{self._distances()}"
        )

    def _labels(self) -> str:
        """The labels that order fails most and least with."""
        if len(self.labels) < FEWEST_LABELS:
            return ""
        low, *_, high = records(self.labels)
        return (
            f" By label order runs from {low['value']:.2f} ({low['label']}) to "
            f"{high['value']:.2f} ({high['label']})."
        )

    def _distances(self) -> str:
        """Where order is lost, if it is lost at some distance more than at others."""
        near, *rest = records(self.distances) or [{}]
        least = min(rest, key=lambda row: row["low"] or 0, default=None)
        if least is None or (near["high"] or 1) >= (least["low"] or 0):
            return ""
        return (
            f" Neighbouring objects are hardest: order is {Metric.of(near).phrase} at distance "
            f"{near['distance']}, and surely above {least['low']:.2f} at each larger one."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """How intervals and ties are made."""
        many = (
            "With more than two objects a “pair” is all the labels of a picture, and its swaps are "
            "all other orders."
        )
        return (
            "Intervals are 95 % and speak of other labels: each label is left out in turn "
            "(jackknife, on the log odds), because pictures that share a label are not "
            "independent. They say nothing about other training seeds. Where every picture is "
            "right the interval is the one that a single error would give. Two labels give none.",
            "A tie for the first place earns the share of the tied captions that are right. Where "
            "two captions are true (left and right), either counts.",
            *([many] if self.chance < TWO_OBJECTS else []),
            *([MIRRORED] if self.natural else []),
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """One panel a metric, one bar a set."""
        shown = self.table.dropna(subset=["value"]).copy()
        place = [
            SHOWN.index(pair) for pair in zip(shown["metric"], shown["candidates"], strict=True)
        ]
        panels = shown.assign(
            measure=[f"{METRIC_WORDS[SHOWN[i][0]]} ({SHOWN[i][1]})" for i in place],
            pictures=[SET_WORDS[name] for name in shown["set"]],
        ).iloc[np.argsort(place, kind="stable")]
        panels = panels.rename(columns={"value": "share of pictures right"})
        columns = ["measure", "pictures", "share of pictures right", "low", "high", "n"]
        plot = bars(panels[columns], x="share of pictures right", y="pictures", facet="measure")
        return (
            Figure(
                key="sets",
                title=f"Accuracy on {THE_SUITES if self.natural else THE_FOUR} pictures",
                how_to_read="Each bar is the share of pictures that one metric counts as right, "
                f"with its 95 % interval; a model that guesses order scores {self.chance:.2g} in "
                "the first panel, and near zero where the candidates are many.",
                plot=plot,
                table=shown[COLUMNS[:-1]],
            ),
            *(
                [label_figure(self.labels, self.chance)]
                if len(self.labels) >= FEWEST_LABELS
                else []
            ),
            *([distance_figure(self.distances, self.chance)] if len(self.distances) else []),
        )


FEWEST_LABELS = 3
"""Labels from which order is shown by label."""
TWO_OBJECTS = 0.5
"""Chance of order with two objects."""
TEMPLATE_COLUMNS = ["set", "template", "value", "low", "high", "n", "n_units"]
DISTANCE_COLUMNS = ["distance", "value", "low", "high", "n", "n_units"]
SUMMARY = (
    "unseen_pair_order",
    "unseen_pair_label_set_closed",
    "unseen_pair_retrieval_open",
    "seen_pair_order",
    "mixed_pair_order",
    "single_retrieval_closed",
)
THE_SUITES, THE_FOUR = "a suite's", "the four sets of"
NATURAL_SUMMARY = (
    "pictures_order",
    "pictures_label_set_closed",
    "pictures_order_word",
    "pictures_retrieval_closed",
)
SHOWN = (*METRICS, ("order", WORD))
"""Panels of the figure: the metrics, and order against the caption with one word exchanged."""
MIRRORED = (
    "Each photograph is beside its mirror image, and captions are of one template: who always "
    "prefers one caption of two is right on one picture of two. A suite's own captions are scored "
    "by the benchmark."
)
METRIC_WORDS = {"order": "order", "retrieval": "retrieval", "label_set": "label set"}
SET_WORDS = {
    "single": "one object, new position",
    "seen_pair": "trained pair, new layout",
    "unseen_pair": "held-out pair",
    "mixed_pair": "one trained, one held out",
    PICTURES: "photographs and mirror images",
}


def accuracy(recording: Run) -> Accuracy:
    """Order, retrieval and label set on the four sets, under each kind of candidates.

    On photographs of a suite there is one set, and order also against the caption in which left
    and right change places (candidates `word`), mean over the two true captions.

    Definitions: `lrinterp.scoring`. Intervals: `lrinterp.stats.mean_interval` over labels.
    """
    natural = PICTURES in recording.examples.image_set
    rows = accuracy_rows(recording.scores, recording.examples, (PICTURES,) if natural else SETS)
    rows += [word_row(recording)] if natural else []
    return Accuracy(
        chance=recording.examples.chance,
        distances=pd.DataFrame(list(by_distance(recording)), columns=DISTANCE_COLUMNS),
        table=pd.DataFrame(rows, columns=COLUMNS),
        templates=pd.DataFrame(list(by_template(recording)), columns=TEMPLATE_COLUMNS),
        labels=pd.DataFrame(list(by_label(recording)), columns=["label", "value", "n"]),
        measured=dict(sampled(recording, rows)),
    )


def sampled(recording: Run, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Metric]]:
    """By summary key: the numbers of some table rows, and of each template, with their samples."""
    examples, parts = recording.examples, {}
    for name in dict.fromkeys(row["set"] for row in rows if row["value"] is not None):
        index = examples.where(name)
        scores = recording.scores[torch.from_numpy(index).to(recording.scores.device)]
        parts[name] = examples.at(index), scores
    for row in rows:
        if row["value"] is None or key_of(row) not in (*SUMMARY, *NATURAL_SUMMARY):
            continue
        part, scores = parts[row["set"]]
        if row["candidates"] == WORD:
            values = word_credits(recording)
        else:
            values = credits(scores, part, row["metric"], row["candidates"])
        chance = part.chance if row["metric"] == "order" else None
        sample = Sample.mean(values[None], part.image_units)
        yield key_of(row), over_pictures(part, sample, chance=chance)
    several = examples.templates if len(examples.templates) > 1 else ()
    for name, (part, scores) in parts.items():
        for template in several if name in (PICTURES, "unseen_pair") else ():
            values = order_credit(scores, part, template)
            sample = Sample.mean(values[None], part.image_units)
            yield f"{name}_order_{template}", over_pictures(part, sample, chance=part.chance)


def key_of(row: Mapping[str, Any]) -> str:
    """The summary key of a row: set and metric, and the candidates where a metric has several."""
    parts = (row["set"], row["metric"], row["candidates"])
    return "_".join(str(part) for part in parts if part != "pair")
