"""Which of the claims that a study file states hold, do not hold, or are undecided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from lrinterp.charts import bars, regions
from lrinterp.experiment.design import Study
from lrinterp.experiment.evaluation import evaluate
from lrinterp.experiment.naming import measured_words
from lrinterp.result import Figure, Metric, NotApplicable, Result, Tile, records
from lrinterp.wording import counted

__all__ = ["Verdicts", "verdicts"]

TILES = 4


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts(Result):
    """A statistic with its interval for every criterion and arm, held against its bound."""

    name: ClassVar[str] = "verdicts"
    question: ClassVar[str] = "Which of the claims stated before the run hold?"

    table: pd.DataFrame
    """One row for each criterion and arm, as `evaluate` makes it."""
    seeds: int
    """Seeds of the design."""

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Every statistic, by criterion and arm."""
        return {f"{row['id']} ({row['arm']})": Metric.of(row) for row in records(self.table)}

    @property
    def finding(self) -> str:
        """How many claims hold, do not hold, and are undecided, with their names, by arm."""
        arms = self.table.groupby("arm", sort=False)
        return " ".join(_sentence(str(arm), rows) for arm, rows in arms)

    @property
    def caveats(self) -> tuple[str, ...]:
        """When the criteria were written, how they are judged, and what is incomplete."""
        few = self.table[self.table["n"] < self.seeds]
        lacking = (
            f"In {counted(len(few), 'row')} of the table fewer than the {self.seeds} seeds of the "
            "design are complete; a statistic takes the seeds that have a model in every cell it "
            "looks at."
        )
        return (
            "The claims, statistics and bounds are those of the study file, which a sweep copies "
            "to plan.json before its first step and goes on with no other. A claim holds where the "
            "whole interval lies on the right side of its bound, does not hold where it lies on "
            "the wrong one, and is undecided otherwise. Claims are judged one by one, without a "
            "correction for their number. A verdict speaks of the bound: an effect may be certain "
            "and smaller than was asked.",
            "A contrast is a mean over all other factors, whose effects may differ or be opposite "
            "at different values: the maps below show every cell.",
            "Intervals are 95 %, over seeds (n); a seed draws the split, the first weights and the "
            "batches. Those of accuracies are jackknives on the log odds and end at their bounds, "
            "others are Student's t. Where all seeds agree exactly an interval without width "
            "decides where six or more agree. A contrast is paired by seed. Shares of variance are "
            "freed of the part that noise adds, by a jackknife over seeds, and end at 0 and 1.",
            *([lacking] if len(few) else []),
        )

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of claims and figures."""
        return {
            "Order": "the true caption scores higher than the same caption with its objects "
            "swapped.",
            "Retrieval": "a true caption ranks first.",
            "Label set": "the first caption names the right objects, in any order.",
            "Closed, open": "captions to choose from: those of the same set, or all of the world.",
            "Held-out pairs": "pictures of labels that training showed alone and in no pair.",
            "Arm": "a version of the recipe under which the whole grid was trained.",
            "Cell": "one combination of the factors of the grid, with the seeds of the design.",
            "Contrast": "mean at one value of a factor minus mean at another, over all else.",
            "Share of variance": "of the differences between the models of an arm, the part that "
            "goes with a factor, with its interaction with others, or with the seed; they sum to "
            "1.",
            "Key-position": "the part of an attention score that comes from the position embedding "
            "of the key: EP+PP+bP, first letter the query's part, second the key's (E token, P "
            "position, b bias).",
        }

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def overview(self) -> pd.DataFrame:
        """Every claim with what was measured and its verdict."""
        claims = self.table.groupby("id", sort=False)
        arms = self.table["arm"].drop_duplicates()
        rows = [_line(records(rows)) for _, rows in claims]
        return pd.DataFrame(rows, columns=["Name", "Claim", "Holds if", *arms])

    def figures(self) -> tuple[Figure, ...]:
        """Every statistic with its interval, before the side on which its claim holds."""
        columns = ["id", "value", "low", "high", "arm", "verdict", "bound", "n"]
        shown = self.table[columns].rename(columns={"id": "claim", "value": "statistic"})
        plot = bars(shown, x="statistic", y="claim", facet="arm", mark="dot")
        least = self.table["bound"].str.startswith("at least")
        sides = shown.assign(
            start=self.table["limit"].where(least, np.nan),
            end=self.table["limit"].where(~least, np.nan),
        )
        return (
            Figure(
                key="statistics",
                title="Every statistic with its interval, and the side on which its claim holds",
                how_to_read="Each dot is the statistic of one claim, a difference of accuracies or "
                "a share of variance, with its 95 % interval over seeds; the claim holds where "
                "dot and interval lie wholly in the shade, which ends at the bound. Without any "
                "effect contrasts and differences lie at 0.",
                plot=regions(plot, sides, y="claim", start="start", end="end", facet="arm"),
                table=self.table,
            ),
        )

    def tiles(self) -> tuple[Tile, ...]:
        """The first claims of the study file, in its first arm."""
        first = records(self.table[self.table["arm"] == self.table["arm"].iloc[0]])[:TILES]
        return tuple(_tile(row) for row in first)


def _line(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A claim, and what each arm says of it."""
    first = rows[0]
    what = measured_words(first["column"], first["statistic"], first["of"])
    return [first["id"], first["claim"], f"{what} is {first['bound']}", *map(_said, rows)]


def _said(row: Mapping[str, Any]) -> str:
    """Verdict, statistic and interval, the numbers on one line; why, where they are missing."""
    phrase = Metric.of(row).phrase.replace(" ", "\u00a0")
    why = f" ({row['reason']})" if row["reason"] else ""
    return f"{row['verdict']}: {phrase}{why}"


def _tile(row: Mapping[str, Any]) -> Tile:
    label = measured_words(row["column"], row["statistic"], row["of"])
    samples = f"{counted(row['n'], 'seed')}, {counted(row['n_models'], 'model')}"
    words = f"{row['id']} {row['verdict']}: {row['bound']} was asked ({samples}, arm {row['arm']})"
    value = Metric(value=row["value"], low=row["low"], high=row["high"])
    return Tile(label=label[:1].upper() + label[1:], scalar=value, words=words)


def _sentence(arm: str, rows: pd.DataFrame) -> str:
    """What holds in an arm, what does not and what is open; the largest group goes unnamed."""
    groups = [rows.loc[rows["verdict"] == verdict, ["id", "verdict"]] for verdict in VERBS]
    *others, most = sorted((group for group in groups if len(group)), key=len)
    if not others:
        claims = "the one claim" if len(most) == 1 else f"all {len(most)} claims"
        return f"Arm {arm}: {claims} {_verb(most)}."
    parts = [f"{len(group)} {_verb(group)} ({', '.join(group['id'])})" for group in others]
    rest = f"the other {len(most)} {_verb(most)}" if len(most) > 1 else f"the other {_verb(most)}"
    return f"Arm {arm}: of {counted(len(rows), 'claim')} {', '.join(parts)}; {rest}."


def _verb(group: pd.DataFrame) -> str:
    one, many = VERBS[group["verdict"].iloc[0]]
    return one if len(group) == 1 else many


VERBS = {
    "holds": ("holds", "hold"),
    "does not hold": ("does not hold", "do not hold"),
    "undecided": ("is undecided", "are undecided"),
}


def verdicts(study: Study, table: pd.DataFrame) -> Verdicts:
    """Hold a table of models against the criteria of its study.

    Raises NotApplicable where the study has none.
    """
    if not study.verdicts:
        raise NotApplicable("the study file states no claims")
    return Verdicts(table=evaluate(study, table), seeds=study.seeds)
