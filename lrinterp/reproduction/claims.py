"""Which of the claims hold: every statistic held against its criterion, as a table and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrinterp.bounds import Verdict, judge
from lrinterp.charts import bars, regions
from lrinterp.experiment.numbers import seeds_words
from lrinterp.experiment.section import Section
from lrinterp.experiment.verdicts import VERBS, spaced, statistic_tile, verb
from lrinterp.reproduction.claim_statistics import CLAIMS, Claim, ClaimPart, Found
from lrinterp.result import Figure, Metric, Tile, finite_or_none, records
from lrinterp.wording import counted

__all__ = ["Claims", "hold_against"]

PLAIN = (
    "statistic", "words", "premise", "value", "low", "high", "n", "n_examples", "criterion",
)  # fmt: skip
MEASURE = "accuracy, difference or share"
TILES = ("order", "without_EP", "outside_key_position", "span_few")
NO_BOUND = "not known what the paper measured: reported only"
ACCURACIES = (
    "order", "label_set", "without", "lost", "labels", "layouts", "shares",
    "deviation", "outside", "contrast",
)  # fmt: skip
MARKS = {"holds": "✓", "does not hold": "✗", "undecided": "?"}
CAVEATS = (
    "Claims, statistics and bounds are in lrinterp/reproduction/claims.toml, written before the "
    "run. A statistic holds where its whole 95 % interval lies within its bounds, does not hold "
    "where the whole interval lies outside, and is undecided otherwise; a claim holds where all "
    "its statistics do, and does not hold where one does not. A verdict is about its bound, and "
    "nothing is corrected for the number of claims.",
    "A premise states which models a claim is about; where it fails the claim is undecided.",
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
GLOSSARY = {
    "Swap accuracy (order)": "the share of pictures whose true caption scores higher than the "
    "same caption with its objects swapped; a guess scores 0.5.",
    "Held-out pairs": "pictures of labels that training showed alone and in no pair.",
    "Terms": "parts of an attention score, first letter the query's part, second the key's: E "
    "token, P position, b bias. VP: the position part of the values.",
    "Key-position": "EP+PP+bP together: what a score owes to the position of the key. Only this "
    "sum is a fact about a model; how it splits into EP, PP and bP is convention.",
    "Raw": "the terms in the raw weights, as in the paper.",
    "Flattened": "replaced by its mean over the pixels, so that no pixel is preferred.",
    "Span": "how far a fitted line rises over the row of pixels, in logits.",
    "Headline head": "the head of the image tower whose key-position costs most order when it is "
    "flattened.",
    "Seed": "draws the split, the first weights and the batches of a model.",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Claims:
    """Every part of every claim, with the number of each seed."""

    table: pd.DataFrame
    """One row a part: the claim and its verdict, the statistic, its criterion and its verdict."""
    seeds: Mapping[str, Mapping[int, float]]
    """The number of each seed, by statistic."""

    @property
    def verdicts(self) -> Mapping[str, str]:
        """The verdict of each claim."""
        return dict(zip(self.table["id"], self.table["verdict"], strict=True))

    @property
    def finding(self) -> str:
        """How many claims hold, do not, are undecided; which."""
        groups = {one: [k for k, v in self.verdicts.items() if v == one] for one in VERBS}
        parts = [
            f"{len(names)} {verb(one, len(names))} ({', '.join(names)})"
            for one, names in groups.items()
            if names
        ]
        n = len(self.verdicts)
        return f"Of {counted(n, 'claim')} (c: the paper's, o: ours) {', '.join(parts)}."

    def plain(self) -> list[dict[str, Any]]:
        """The claims as `claims.json` holds them."""
        return [
            {
                **{name: rows[0][name] for name in ("id", "claim", "paper", "verdict")},
                "parts": [part_plain(row, self.seeds[row["statistic"]]) for row in rows],
            }
            for rows in by_claim(self.table)
        ]

    @property
    def section(self) -> Section:
        """The claims at the head of the page."""
        rows = records(self.table)
        first = {row["statistic"]: row for row in reversed(rows)}
        return Section(
            name="claims",
            question="Which findings of the paper hold?",
            finding=self.finding,
            caveats=CAVEATS,
            metrics={f"{row['id']} {row['statistic']}": Metric.of(row) for row in rows},
            table=self.table,
            drawn=claims_figure(self.table),
            short=pd.DataFrame(map(overview_row, by_claim(self.table))),
            heads=tuple(part_tile(first[name]) for name in TILES),
            words=GLOSSARY,
        )


def by_claim(table: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """The rows of each claim."""
    return [records(rows) for _, rows in table.groupby("id", sort=False)]


def part_plain(row: Mapping[str, Any], seeds: Mapping[int, float]) -> dict[str, Any]:
    """A part as `claims.json` holds it."""
    plain = {name: finite_or_none(row[name]) for name in PLAIN}
    numbers = {str(seed): value for seed, value in seeds.items()}
    return {**plain, "verdict": row["part_verdict"], "reason": row["reason"], "seeds": numbers}


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
    premise = "premise: " if row["premise"] else ""
    wanted = "" if row["criterion"] == "none" else f"; {row['criterion'].replace('-', '−')}"
    text = f"• {premise}{row['words']}: {spaced(Metric.of(row))}{wanted}: {row['part_verdict']}"
    return f"{text} ({row['reason']})" if row["reason"] else text


def part_tile(row: Mapping[str, Any]) -> Tile:
    """A statistic at the head of the page."""
    wanted = f"{row['criterion']} asked ({counted(row['n'], 'seed')})"
    return statistic_tile(row, row["words"], f"{row['id']}, {row['part_verdict']}: {wanted}")


def claims_figure(table: pd.DataFrame) -> tuple[Figure, ...]:
    """The statistics that are accuracies or differences of them, before their bounds."""
    chosen = table["statistic"].str.startswith(ACCURACIES) & table["value"].notna()
    names = table["id"] + ": " + table["statistic"].str.replace("_", " ")
    own = table.assign(name=names, **{MEASURE: table["value"]})[chosen]
    if own.empty:
        return ()
    columns = ["name", MEASURE, "low", "high", "words", "criterion", "part_verdict", "n"]
    shown = own[columns].rename(columns={"part_verdict": "verdict", "n": "seeds"})
    plot = bars(shown, x=MEASURE, y="name", mark="dot")
    figure = Figure(
        key="statistics",
        title="Accuracies, differences, shares of variance, and what was asked",
        how_to_read="Each dot is one statistic with its 95 % interval over seeds; its criterion "
        "holds where dot and interval lie wholly in the shade, which ends at the bounds.",
        plot=regions(plot, own, y="name", start="at_least", end="at_most"),
        table=shown,
    )
    return (figure,)


def hold_against(found: Mapping[str, Found], claims: Sequence[Claim] = CLAIMS) -> Claims:
    """Hold statistics against criteria; one that was not measured leaves its claim undecided."""
    rows: list[dict[str, Any]] = []
    nothing = Found(reason="not measured")
    for claim in claims:
        own = [held(part, found.get(part.statistic, nothing)) for part in claim.parts]
        whole = {"id": claim.id, "claim": claim.sentence, "paper": claim.paper}
        rows += [{**whole, "verdict": claim_verdict(own), **row} for row in own]
    kinds = dict.fromkeys(("value", "low", "high", "at_least", "at_most"), "float64")
    table = pd.DataFrame(rows).astype({**kinds, "n_examples": "Int64"})
    return Claims(table=table, seeds={n: found.get(n, nothing).seeds for n in table["statistic"]})


def held(part: ClaimPart, found: Found) -> dict[str, Any]:
    """A part of a claim as a row of the table, with its own verdict."""
    bound, one = part.bound, found.interval
    verdict: Verdict = "undecided" if bound is None else judge(bound, one)
    alike = one.low is not None and one.low == one.high and verdict == "undecided"
    few = f"all {one.n} seeds agree, and are too few to decide" if alike else ""
    return {
        "statistic": part.statistic,
        "words": part.words,
        "premise": part.premise,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "n": one.n,
        "n_examples": found.n_examples,
        "criterion": "none" if bound is None else str(bound),
        "at_least": part.at_least,
        "at_most": part.at_most,
        "part_verdict": verdict,
        "reason": found.reason or (NO_BOUND if bound is None else few),
    }


def claim_verdict(parts: Sequence[Mapping[str, Any]]) -> Verdict:
    """The verdict of a claim from those of its parts; a premise that fails decides nothing."""
    found = {row["part_verdict"] for row in parts}
    if any(row["premise"] and row["part_verdict"] != "holds" for row in parts):
        return "undecided"
    if "does not hold" in found:
        return "does not hold"
    return "holds" if found == {"holds"} else "undecided"
