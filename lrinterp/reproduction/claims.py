"""Which of the claims hold: every statistic held against its criterion, as a table and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from lrinterp.bounds import Verdict, judge
from lrinterp.charts import bars, regions
from lrinterp.experiment.naming import seeds_words
from lrinterp.reproduction.criteria import CLAIMS, Claim, Part
from lrinterp.reproduction.statistics import Found, by_seed
from lrinterp.result import Figure, Metric, Result, Tile, finite_or_none, records
from lrinterp.wording import counted

__all__ = ["Claims", "hold_against"]

COLUMNS = [
    "id", "claim", "paper", "verdict", "statistic", "words", "premise", "value", "low", "high", "n",
    "n_examples", "criterion", "at_least", "at_most", "part_verdict", "reason",
]  # fmt: skip
MEASURE = "accuracy, difference or share"
TILES = ("order", "without_EP", "outside_key_position", "span_few")
NO_BOUND = "not known what the paper measured: reported only"
ACCURACIES = (
    "order", "label_set", "without", "lost", "labels", "layouts", "shares",
    "deviation", "outside", "contrast",
)  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Claims(Result):
    """Every part of every claim, with the number of each seed."""

    name: ClassVar[str] = "claims"
    question: ClassVar[str] = "Which findings of the paper hold?"

    table: pd.DataFrame
    """One row a part: the claim and its verdict, the statistic, its criterion and its verdict."""
    replicates: pd.DataFrame
    """The number of each seed, by statistic."""

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Every statistic by claim."""
        return {f"{row['id']} {row['statistic']}": scalar_of(row) for row in records(self.table)}

    @property
    def verdicts(self) -> Mapping[str, str]:
        """The verdict of each claim."""
        return dict(zip(self.table["id"], self.table["verdict"], strict=True))

    @property
    def finding(self) -> str:
        """How many claims hold, do not, are undecided; which."""
        found = self.verdicts
        parts = []
        for verdict, words in WORDS.items():
            names = [name for name, one in found.items() if one == verdict]
            if names:
                parts.append(f"{len(names)} {words[len(names) > 1]} ({', '.join(names)})")
        return f"Of {counted(len(found), 'claim')} (c: the paper's, o: ours) {', '.join(parts)}."

    @property
    def caveats(self) -> tuple[str, ...]:
        """How claims are judged."""
        return (
            "Claims, statistics and bounds stand in lrinterp/reproduction/claims.toml, written "
            "before the run. A statistic holds where its whole 95 % interval lies within its "
            "bounds, does not hold where the whole interval lies outside, and is undecided "
            "otherwise; a claim holds where all its statistics do, and does not hold where one "
            "does not. A verdict speaks of its bound, and nothing is corrected for the number of "
            "claims.",
            "A premise says what kind of models a claim speaks of; where it fails nothing is "
            "decided.",
            "Intervals are 95 % over seeds: a seed draws the split, the first weights and the "
            "batches, and comparisons are made within a seed. Those of accuracies and their "
            "differences are jackknives on the log odds, which end at the bounds; others are "
            "Student's t. Where all seeds agree exactly an interval without width decides where "
            "six or more agree.",
            "Where a finished sweep of diversity is used, its numbers could be known when the "
            "bounds of c2 and c3 were written; they are those of its own study file.",
            "The paper's code is not public, and its figures come from summaries of it: where our "
            "verdict differs, its recipe may differ too.",
        )

    @property
    def glossary(self) -> Mapping[str, str]:
        """The words of claims and figures."""
        return GLOSSARY

    def frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def overview(self) -> pd.DataFrame:
        """Every claim with what was found and its verdict."""
        return pd.DataFrame(
            [overview_row(records(rows)) for _, rows in self.table.groupby("id", sort=False)]
        )

    def figures(self) -> tuple[Figure, ...]:
        """The statistics that are accuracies or differences of them, before their bounds."""
        chosen = self.table["statistic"].str.startswith(ACCURACIES)
        shown = self.table[chosen & self.table["value"].notna()]
        if shown.empty:
            return ()
        shown = shown.assign(**{MEASURE: shown["value"]})
        shown["name"] = shown["id"] + ": " + shown["statistic"].str.replace("_", " ")
        columns = [
            "name",
            MEASURE,
            "low",
            "high",
            "words",
            "criterion",
            "part_verdict",
            "n",
        ]
        table = shown[columns].rename(columns={"part_verdict": "verdict", "n": "seeds"})
        return (
            Figure(
                key="statistics",
                title="Accuracies, differences, shares of variance, and what was asked",
                how_to_read="Each dot is one statistic with its 95 % interval over seeds; its "
                "criterion holds where dot and interval lie wholly in the shade, which ends at the "
                "bounds.",
                plot=regions(
                    bars(table, x=MEASURE, y="name", mark="dot"),
                    shown,
                    y="name",
                    start="at_least",
                    end="at_most",
                ),
                table=table,
            ),
        )

    def tiles(self) -> tuple[Tile, ...]:
        """The figures at the head of the page."""
        rows = {row["statistic"]: row for row in reversed(records(self.table))}
        return tuple(tile_of(rows[name]) for name in TILES)

    def plain(self) -> list[dict[str, Any]]:
        """The claims as `claims.json` holds them."""
        seeds: dict[str, dict[str, float]] = {}
        for row in records(self.replicates):
            seeds.setdefault(row["statistic"], {})[str(row["seed"])] = row["value"]
        return [
            {
                "id": rows[0]["id"],
                "claim": rows[0]["claim"],
                "paper": rows[0]["paper"],
                "verdict": rows[0]["verdict"],
                "parts": [part_plain(row, seeds.get(row["statistic"], {})) for row in rows],
            }
            for rows in (records(rows) for _, rows in self.table.groupby("id", sort=False))
        ]


PLAIN = (
    "statistic", "words", "premise", "value", "low", "high", "n", "n_examples", "criterion",
)  # fmt: skip
WORDS = {
    "holds": ("holds", "hold"),
    "does not hold": ("does not hold", "do not hold"),
    "undecided": ("is undecided", "are undecided"),
}
MARKS = {"holds": "✓", "does not hold": "✗", "undecided": "?"}
GLOSSARY = {
    "Order": "the true caption scores higher than the same caption with its objects swapped; a "
    "guess scores 0.5.",
    "Held-out pairs": "pictures of labels that training showed alone and in no pair.",
    "Terms": "parts of an attention score, first letter the query's part, second the key's: E "
    "token, P position, b bias. VP: the position part of the values.",
    "Key-position": "EP+PP+bP together: what a score owes to the position of the key. Only this "
    "sum is a fact about a model; how it splits into EP, PP and bP is convention.",
    "Raw": "the terms as the weights stand, as in the paper.",
    "Flattened": "replaced by its mean over the pixels, so that no pixel is preferred.",
    "Span": "how far a fitted line rises over the row of pixels, in logits.",
    "Headline head": "the head of the image tower whose key-position costs most order when it is "
    "flattened.",
    "Seed": "draws the split, the first weights and the batches of a model.",
}


def part_plain(row: Mapping[str, Any], seeds: Mapping[str, float]) -> dict[str, Any]:
    """A part as `claims.json` holds it."""
    plain = {name: finite_or_none(row[name]) for name in PLAIN}
    return {**plain, "verdict": row["part_verdict"], "reason": row["reason"], "seeds": dict(seeds)}


def scalar_of(row: Mapping[str, Any]) -> Metric:
    """The number of a row, with the count of seeds."""
    return Metric(value=row["value"], low=row["low"], high=row["high"], n=row["n"])


def overview_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A claim in one row; its statistics stand below each other."""
    return {
        "Name": rows[0]["id"],
        "Verdict": f"{MARKS[rows[0]['verdict']]} {rows[0]['verdict']}",
        "Claim": rows[0]["claim"],
        "Paper": rows[0]["paper"],
        "Found": "\n".join(found_words(row) for row in rows),
        "Seeds": seeds_words([row["n"] for row in rows]),
    }


def found_words(row: Mapping[str, Any]) -> str:
    """A statistic with its interval, its criterion and what follows."""
    number = scalar_of(row).phrase.replace(" ", "\u00a0")
    premise = "premise: " if row["premise"] else ""
    wanted = "" if row["criterion"] == "none" else f"; {row['criterion'].replace('-', '−')}"
    text = f"• {premise}{row['words']}: {number}{wanted}: {row['part_verdict']}"
    return f"{text} ({row['reason']})" if row["reason"] else text


def tile_of(row: Mapping[str, Any]) -> Tile:
    """A statistic as a tile."""
    wanted = f"{row['criterion']} asked ({counted(row['n'], 'seed')})"
    words = f"{row['id']}, {row['part_verdict']}: {wanted}"
    scalar = Metric(value=row["value"], low=row["low"], high=row["high"])
    return Tile(label=row["words"][:1].upper() + row["words"][1:], scalar=scalar, words=words)


def hold_against(found: Mapping[str, Found], claims: Sequence[Claim] = CLAIMS) -> Claims:
    """Hold statistics against criteria; one that was not measured leaves its claim undecided."""
    rows, replicates, nothing = [], {}, by_seed(pd.Series(dtype=float))
    for claim in claims:
        parts = [(part, found.get(part.statistic, nothing)) for part in claim.parts]
        verdicts: list[Verdict] = [verdict_of(part, one) for part, one in parts]
        whole = together([part for part, _ in parts], verdicts)
        for (part, one), verdict in zip(parts, verdicts, strict=True):
            rows.append({**row_of(claim, part, one), "verdict": whole, "part_verdict": verdict})
            replicates |= {(part.statistic, seed): value for seed, value in one.seeds.items()}
    numbers = dict.fromkeys(("value", "low", "high", "at_least", "at_most"), float)
    table = pd.DataFrame(rows, columns=COLUMNS).astype({**numbers, "n_examples": "Int64"})
    return Claims(
        table=table,
        replicates=pd.DataFrame(
            [(name, seed, value) for (name, seed), value in replicates.items()],
            columns=["statistic", "seed", "value"],
        ),
    )


def verdict_of(part: Part, found: Found) -> Verdict:
    """What is found of a part."""
    return "undecided" if part.bound is None else judge(part.bound, found.interval)


def why_open(part: Part, found: Found) -> str:
    """Why a statistic that has a value decides nothing, where that is not its interval."""
    if part.bound is None:
        return NO_BOUND
    one = found.interval
    few = one.low is not None and one.low == one.high and verdict_of(part, found) == "undecided"
    return f"all {one.n} seeds agree, and are too few to decide" if few else ""


def together(parts: Sequence[Part], verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a claim from those of its parts."""
    for part, verdict in zip(parts, verdicts, strict=True):
        if part.premise and verdict != "holds":
            return "undecided"
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if set(verdicts) == {"holds"} else "undecided"


def row_of(claim: Claim, part: Part, found: Found) -> dict[str, Any]:
    """A part of a claim as a row of the table, without its verdict."""
    bound = part.bound
    return {
        "id": claim.id,
        "claim": claim.sentence,
        "paper": claim.paper,
        "statistic": part.statistic,
        "words": part.words,
        "premise": part.premise,
        "value": found.interval.value,
        "low": found.interval.low,
        "high": found.interval.high,
        "n": found.interval.n,
        "n_examples": found.n_examples,
        "criterion": "none" if bound is None else str(bound),
        "at_least": np.nan if bound is None else bound.at_least,
        "at_most": np.nan if bound is None else bound.at_most,
        "reason": found.reason or why_open(part, found),
    }
