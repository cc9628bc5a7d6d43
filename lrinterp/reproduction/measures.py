"""What was measured of all models: one tidy table of numbers, and the tables that are drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrinterp.experiment.table import tidy
from lrinterp.reproduction.measure import DRAWN
from lrinterp.wording import counted

__all__ = ["Measures", "gather"]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Long tables with a row's `arm` and `seed`."""

    numbers: pd.DataFrame
    """A row a model and number, as `experiment.table.tidy` makes them."""
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

    def sample(self, name: str, thing: str, arm: str = "standard") -> str:
        """How many models a number is known of, and of how many things each: a sentence's part."""
        found = self.rows(arm, name).dropna(subset=["value"])
        n = int(found["n"].max()) if found["n"].notna().any() else 0
        return f"{counted(len(found), 'seed')}, {counted(n, thing)} each"


def gather(models: Iterable[tuple[str, int, Mapping[str, Any]]]) -> Measures:
    """Put (arm, seed, result of `measure`) of all models together."""
    models = list(models)
    places = [{"model": k, "arm": arm, "seed": seed} for k, (arm, seed, _) in enumerate(models)]
    found = [one for _, _, one in models]
    tables = {
        name: [
            {**place, **row}
            for place, one in zip(places, found, strict=True)
            for row in one["tables"].get(name, ())
        ]
        for name in DRAWN
    }
    return Measures(
        numbers=tidy({**place, **one} for place, one in zip(places, found, strict=True)),
        tables={
            name: pd.DataFrame(rows, columns=["arm", "seed", *DRAWN[name][1]])
            for name, rows in tables.items()
        },
    )
