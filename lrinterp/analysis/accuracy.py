"""Does the model know left from right, and on which pictures?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import pandas as pd

from lrinterp.charts import bars
from lrinterp.recording import Recording
from lrinterp.result import Figure, Result, Scalar
from lrinterp.scenes import SETS
from lrinterp.scoring import accuracy_rows

__all__ = ["Accuracy", "accuracy"]

COLUMNS = ["set", "metric", "candidates", "value", "low", "high", "n", "n_clusters", "reason"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Accuracy(Result):
    """Accuracy by set, metric and candidates."""

    name: ClassVar[str] = "accuracy"
    question: ClassVar[str] = "Does the model know left from right, and on which pictures?"

    table: pd.DataFrame
    """One row for each set, metric and candidates, with a clustered interval."""

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """Order on each set of pairs, and what else tells a model's state at a glance."""
        keyed = {key_of(row): scalar_of(row) for row in self.table.to_dict("records")}
        return {key: keyed[key] for key in SUMMARY}

    @property
    def finding(self) -> str:
        """Order and label set on held-out pairs."""
        order, labels = (self.summary[k] for k in list(self.summary)[:2])
        if order.value is None:
            row = self.table.query("set == 'unseen_pair'").iloc[0]
            return f"There are no held-out pairs: {row['reason']}."
        return (
            f"On {order.n} pictures of {order.n_clusters} label pairs never seen together, the true "
            f"caption beats its swap in {order} {order.interval} of cases (chance 0.5), and the "
            f"first caption names the right objects in {labels} {labels.interval}."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """How intervals and ties are made."""
        return (
            "Intervals are 95 %, from a bootstrap over unordered label pairs: pictures of one pair "
            "are not independent. They say nothing about other training seeds, and where every "
            "picture is right they shrink to a point.",
            "A tie for the first place earns the share of the tied captions that are right. Where "
            "two captions are true (left and right), either counts.",
        )

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        """One panel a metric, one bar a set."""
        shown = self.table.dropna(subset=["value"]).copy()
        shown["metric and candidates"] = [
            f"{METRIC_WORDS[m]}, {c} candidates"
            for m, c in zip(shown["metric"], shown["candidates"], strict=True)
        ]
        shown["pictures"] = [SET_WORDS[name] for name in shown["set"]]
        columns = {"value": "share of pictures right"}
        panels = shown.rename(columns=columns)
        plot = bars(panels, x=columns["value"], y="pictures", facet="metric and candidates")
        return (
            Figure(
                key="sets",
                title="Accuracy on the four sets of pictures",
                how_to_read="Each bar is the share of pictures that one metric counts as right, "
                "with its 95 % interval; a model that guesses order scores 0.5 in the first panel, "
                "and near zero where the candidates are many.",
                plot=plot,
                table=shown[COLUMNS[:-1]],
            ),
        )


SUMMARY = (
    "unseen_pair_order",
    "unseen_pair_label_set_closed",
    "unseen_pair_retrieval_open",
    "seen_pair_order",
    "mixed_pair_order",
    "single_retrieval_closed",
)
METRIC_WORDS = {"order": "order", "retrieval": "retrieval", "label_set": "label set"}
SET_WORDS = {
    "single": "one object, new position",
    "seen_pair": "trained pair, new layout",
    "unseen_pair": "held-out pair",
    "mixed_pair": "one trained, one held out",
}


def accuracy(recording: Recording) -> Accuracy:
    """Order, retrieval and label set on the four sets, under each kind of candidates.

    Definitions: `lrinterp.scoring`. Intervals: `lrinterp.stats.mean_interval` over label sets.
    """
    rows = accuracy_rows(recording.scores, recording.examples, SETS)
    return Accuracy(table=pd.DataFrame(rows, columns=COLUMNS))


def key_of(row: Mapping[str, object]) -> str:
    """The summary key of a row: set and metric, and the candidates where a metric has several."""
    parts = (row["set"], row["metric"], row["candidates"])
    return "_".join(str(part) for part in parts if part != "pair")


def scalar_of(row: Mapping[str, object]) -> Scalar:
    """The number of a row with its interval; undefined is None."""
    names = ("value", "low", "high")
    plain = {name: None if pd.isna(row[name]) else float(row[name]) for name in names}
    return Scalar(**plain, n=int(row["n"]), n_clusters=int(row["n_clusters"]))
