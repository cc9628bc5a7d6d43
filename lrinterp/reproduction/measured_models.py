"""What the analyses say of one model, as a task, and of all models, as tables.

`measure_model` runs wherever an executor is and gives plain data; `gather` puts it together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.analysis import ANALYSES, analyze
from lrinterp.checkpoint import load_checkpoint
from lrinterp.encoders import DualEncoder
from lrinterp.experiment.model_table import tidy
from lrinterp.result import records
from lrinterp.run import record, using_threads
from lrinterp.scenes import Scenes
from lrinterp.training import Plan
from lrinterp.wording import counted

__all__ = ["ARM_WORDS", "Measures", "gather", "in_arm_order", "measure_model"]

DRAWN = {
    "positional_gradient": ("rows", ["gauge", "term", "head", "pixel", "value"]),
    "similarity_attribution": ("table", ["encoder", "kind", "role", "part", "head", "value"]),
}
"""By analysis: the table that sections draw, and its columns."""
ARM_WORDS = {
    "standard": "standard",
    "few": "few labels, few layouts",
    "both_1": "both templates, 1 text layer",
    "both_2": "both templates, 2 text layers",
    "shuffled": "captions shuffled",
    "untrained": "untrained",
}
"""The arms as figures name them, in the order in which they are shown."""


def measure_model(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Analyse a model on its held-out pairs.

    `payload` is plain data: `checkpoint`, a folder, or None for the model of `plan` before its
    first step; `numbers`, the names that are asked for; `threads`. Returns `numbers` by
    `analysis.key`, with interval and n; the tables that DRAWN names; and `skipped`, the reasons of
    analyses that do not apply. A number that this model does not have is left out.
    """
    names: Sequence[str] = payload["numbers"]
    asked = {name.partition(".")[0] for name in names} | DRAWN.keys()
    with using_threads(payload["threads"]):
        model, scenes = model_of(payload)
        run = record(model, scenes.examples(["unseen_pair"]), progress=False)
        results = analyze(run, [name for name in ANALYSES if name in asked], progress=False)
    done = {name: result for name, result in results.items() if not result.reason}
    known = {
        f"{name}.{key}": metric.plain()
        for name, result in done.items()
        for key, metric in {**result.metrics, **result.more}.items()
    }
    return {
        "numbers": {name: known[name] for name in names if name in known},
        "tables": {
            name: records(getattr(done[name], table)[columns])
            for name, (table, columns) in DRAWN.items()
            if name in done
        },
        "skipped": {name: result.reason for name, result in results.items() if result.reason},
    }


def model_of(payload: Mapping[str, Any]) -> tuple[DualEncoder, Scenes]:
    """The model of a checkpoint, or a fresh one, with the world it is tested on."""
    if payload["checkpoint"] is None:
        plan = Plan.from_plain(payload["plan"], "untrained")
        return plan.build(), plan.scenes
    loaded = load_checkpoint(payload["checkpoint"])
    return loaded.model, loaded.scenes()


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Long tables with a row's `arm` and `seed`."""

    numbers: pd.DataFrame
    """A row a model and number, as `experiment.model_table.tidy` makes them."""
    tables: Mapping[str, pd.DataFrame]
    """By analysis: the table that sections draw."""

    @property
    def arms(self) -> list[str]:
        """The arms that have models, in their order."""
        return self.numbers["arm"].drop_duplicates().tolist()

    def rows(self, arm: str, name: str) -> pd.DataFrame:
        """The rows of a number by `analysis.key`, one a seed."""
        table = self.numbers
        return table[(table["arm"] == arm) & (table["key"] == name)].set_index("seed")

    def number(self, arm: str, name: str) -> pd.Series:
        """A number of each model of an arm, by seed; empty where nothing was measured."""
        return self.rows(arm, name)["value"].astype(float).dropna()

    def long(
        self,
        names: Mapping[str, Sequence[str]],
        columns: Sequence[str],
        arms: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Some numbers of every model: arm, seed, what `names` says of each in `columns`, value."""
        rows = [
            (arm, seed, *words, value)
            for arm in (self.arms if arms is None else arms)
            for name, words in names.items()
            for seed, value in self.number(arm, name).items()
        ]
        return pd.DataFrame(rows, columns=["arm", "seed", *columns, "value"])

    def sample(self, name: str, thing: str, arm: str = "standard") -> str:
        """How many models a number is known of, and of how many things each: a sentence's part."""
        found = self.rows(arm, name).dropna(subset=["value"])
        n = int(found["n"].max()) if found["n"].notna().any() else 0
        return f"{counted(len(found), 'seed')}, {counted(n, thing)} each"


def gather(models: Iterable[tuple[str, int, Mapping[str, Any]]]) -> Measures:
    """Put (arm, seed, result of `measure_model`) of all models together."""
    found = [{**one, "arm": a, "seed": s, "model": k} for k, (a, s, one) in enumerate(models)]
    tables = {
        name: pd.DataFrame(
            [{**one, **row} for one in found for row in one["tables"].get(name, ())],
            columns=["arm", "seed", *columns],
        )
        for name, (_, columns) in DRAWN.items()
    }
    return Measures(numbers=tidy(found), tables=tables)


def in_arm_order(table: pd.DataFrame, arms: Sequence[str] = tuple(ARM_WORDS)) -> pd.DataFrame:
    """The rows of some arms, in this order, with the arm in words."""
    chosen = table[table["arm"].isin(list(arms))]
    order = chosen["arm"].map(list(arms).index)
    return chosen.iloc[np.argsort(order, kind="stable")].assign(
        arm=lambda rows: rows["arm"].map(ARM_WORDS)
    )
