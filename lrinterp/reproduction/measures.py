"""What was measured of all models, as tables that a statistic can ask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrinterp.wording import counted

__all__ = ["Measures", "gather"]

KEYS = ["arm", "seed"]
ASKED = [
    "term",
    "role",
    "part",
    "head",
    "value",
    "share",
    "span",
    "slope",
    "spearman",
    "raw_cosine",
]
"""Columns that statistics take from tables, there also where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Long tables with a row's `arm` and `seed` in front."""

    summaries: pd.DataFrame
    """By analysis and key: value, low, high, n, n_units."""
    frames: Mapping[str, pd.DataFrame]
    """The tables of the analyses, by name."""
    rows: pd.DataFrame
    """Positional rows: gauge, term, head, pixel, value (logits)."""

    @property
    def arms(self) -> list[str]:
        """The arms that have models, in their order."""
        return self.summaries["arm"].drop_duplicates().tolist()

    def number(self, arm: str, analysis: str, key: str) -> pd.Series:
        """A number of a summary, by seed; empty where nothing was measured."""
        found = self.summary(arm, analysis, key)
        return found.set_index("seed")["value"].astype(float).dropna()

    def summary(self, arm: str, analysis: str, key: str) -> pd.DataFrame:
        """The rows of a scalar of a summary, one a seed."""
        table = self.summaries
        return table[
            (table["arm"] == arm) & (table["analysis"] == analysis) & (table["key"] == key)
        ]

    def sample(self, analysis: str, key: str, thing: str, arm: str = "standard") -> str:
        """How many models a number is known of, and of how many things each: a sentence's part."""
        found = self.summary(arm, analysis, key).dropna(subset=["value"])
        n = int(found["n"].max()) if found["n"].notna().any() else 0
        return f"{counted(len(found), 'seed')}, {counted(n, thing)} each"

    def cells(self, analysis: str, **place: Any) -> pd.DataFrame:
        """The rows of an analysis' table whose columns have these values."""
        empty = pd.DataFrame(columns=list(dict.fromkeys([*KEYS, *place, *ASKED])))
        table = self.frames.get(analysis, empty)
        for name, value in place.items():
            table = table[table[name].isna() if value is None else table[name] == value]
        return table

    def ablated(
        self, arm: str, terms: str, kind: str, gauge: str, measured: str = "order/pair"
    ) -> pd.Series:
        """Accuracy of the image tower under an ablation, all heads, by seed."""
        metric, candidates = measured.split("/")
        place = {"arm": arm, "model": "trained", "encoder": "image", "heads": "all"}
        place |= {"terms": terms, "kind": kind, "gauge": gauge}
        place |= {"metric": metric, "candidates": candidates, "set": "unseen_pair"}
        return self.cells("term_ablation", **place).set_index("seed")["value"].astype(float)

    def headline(self, arm: str) -> pd.Series:
        """The name of the headline head, by seed."""
        found = self.summary(arm, "positional_gradient", "headline_head")
        return found.set_index("seed")["value"]

    def of_headline(self, arm: str, term: str, gauge: str, column: str) -> pd.Series:
        """A column of the gradient fit of each model's headline head, by seed."""
        cells = self.cells("positional_gradient", arm=arm, term=term, gauge=gauge)
        heads = self.headline(arm).str.rsplit("H", n=1).str[-1].astype(int)
        own = cells[cells["head"] == cells["seed"].map(heads)]
        return own.set_index("seed")[column].astype(float)


def gather(models: Iterable[tuple[str, int, Mapping[str, Any]]]) -> Measures:
    """Put (arm, seed, result of `measure`) of all models together."""
    summaries: list[dict[str, Any]] = []
    frames: dict[str, list[pd.DataFrame]] = {}
    rows: list[pd.DataFrame] = []
    for arm, seed, found in models:
        place = {"arm": arm, "seed": seed}
        for analysis, scalars in found["summaries"].items():
            summaries += [
                {**place, "analysis": analysis, "key": k, **s} for k, s in scalars.items()
            ]
        for analysis, table in found["frames"].items():
            frames.setdefault(analysis, []).append(pd.DataFrame(table).assign(**place))
        rows.append(pd.DataFrame(found["rows"]).assign(**place))
    scalar = ["analysis", "key", "value", "low", "high", "n", "n_units"]
    positional = ["gauge", "term", "head", "pixel", "value"]
    return Measures(
        summaries=pd.DataFrame(summaries, columns=[*KEYS, *scalar]),
        frames={name: together(parts) for name, parts in frames.items()},
        rows=together(rows).reindex(columns=[*KEYS, *positional]),
    )


def together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other, arm and seed in front."""
    if not parts:
        return pd.DataFrame(columns=KEYS)
    whole = pd.DataFrame([row for part in parts for row in part.to_dict("records")])
    return whole[[*KEYS, *(name for name in whole if name not in KEYS)]]
