"""Which of the claims that a study file states hold, do not hold, or are undecided.

`judged_criteria` makes the table, `verdicts` the section of the page. Verdicts are worded and drawn
here for every statistic that is held against a bound.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.bounds import judge
from lrinterp.charts import Chart, bars, regions
from lrinterp.experiment.contrasts import complete, contrast, laid_out, share_interval, sources
from lrinterp.experiment.criteria import Criterion
from lrinterp.experiment.numbers import factor_words, level, measured_words, scale_of
from lrinterp.experiment.section import Section
from lrinterp.experiment.study import Study
from lrinterp.result import Figure, Metric, Result, Skipped, Tile, records
from lrinterp.stats import Interval
from lrinterp.wording import counted

__all__ = ["VERBS", "judged_criteria", "spaced", "statistic_tile", "verb", "verdicts"]

NEVER = "no model has this column"
QUESTION = "Which of the claims stated before the run hold?"
TILES = 4
VERBS = {
    "holds": ("holds", "hold"),
    "does not hold": ("does not hold", "do not hold"),
    "undecided": ("is undecided", "are undecided"),
}
GLOSSARY = {
    "Swap accuracy (order)": "the share of pictures whose true caption scores higher than the "
    "same caption with its objects swapped.",
    "Retrieval": "the share of pictures for which a true caption ranks first.",
    "Object-set accuracy": "the share of pictures whose first caption names the right objects, in "
    "any order.",
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


def judged_criteria(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """One row for each criterion and arm: the statistic with its interval, bound and verdict.

    `n` counts the seeds that are complete in every cell the statistic looks at, `n_models` their
    models; `limit` is the bound as a number; `reason` says why a value or an interval is missing.
    """
    rows = [evaluated(study, table, c, arm) for c in study.criteria() for arm in study.arm_names]
    numbers = dict.fromkeys(("value", "low", "high", "limit"), float)
    return pd.DataFrame(rows).astype(numbers)


def evaluated(study: Study, table: pd.DataFrame, criterion: Criterion, arm: str) -> dict[str, Any]:
    """A criterion in an arm as a row."""
    values = laid_out(study, table, arm, criterion.key)
    axis = 1 + list(study.factors).index(criterion.of) if criterion.between else 0
    if criterion.between:
        levels = study.factors[criterion.of]
        values = np.take(values, [levels.index(value) for value in criterion.between], axis=axis)
    kept = complete(values)
    if criterion.between:
        found = contrast(kept, axis, scale_of(criterion.key))
    else:
        names = np.array(sources(study))
        found = share_interval(kept, 1.0 * (names == criterion.of) - (names == criterion.minus))
    return {
        "id": criterion.id,
        "claim": criterion.claim,
        "arm": arm,
        "column": criterion.key,
        "statistic": criterion.statistic.replace("_", " "),
        "of": of_words(criterion),
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(kept),
        "n_models": kept.size,
        "bound": str(criterion.bound),
        "limit": criterion.at_most if criterion.at_least is None else criterion.at_least,
        "verdict": judge(criterion.bound, found),
        "reason": reason_of(values, kept, found) if criterion.key in table else NEVER,
    }


def reason_of(values: np.ndarray, kept: np.ndarray, found: Interval) -> str:
    """Why there is no value or no interval; empty where there are both."""
    if not len(kept):
        missing = int((~np.isfinite(values)).sum())
        return f"no seed is complete: {missing} of {values.size} models have no number"
    if found.value is None:
        return "all models have the same number"
    if found.low is None:
        return "too few seeds for an interval"
    return "all seeds have the same number" if found.low == found.high else ""


def of_words(criterion: Criterion) -> str:
    """What a statistic is of: `labels in pairs, 15 minus 3`."""
    name = factor_words(criterion.of)
    if criterion.between:
        first, second = map(level, criterion.between)
        return f"{name}, {second} minus {first}"
    return f"{name} minus {factor_words(criterion.minus)}" if criterion.minus else name


def verb(verdict: str, n: int) -> str:
    """What one claim, or some, do."""
    return VERBS[verdict][n > 1]


def spaced(number: Metric) -> str:
    """A number and its interval on one line."""
    return number.phrase.replace(" ", "\u00a0")


def statistic_tile(row: Mapping[str, Any], label: str, words: str) -> Tile:
    """A statistic as a tile."""
    value = Metric(value=row["value"], low=row["low"], high=row["high"])
    return Tile(label=label[:1].upper() + label[1:], scalar=value, words=words)


def verdicts(study: Study, table: pd.DataFrame) -> Result:
    """Hold a table of models against the criteria of its study; skipped where it has none."""
    if not study.verdicts:
        return Skipped(skipped="verdicts", asked=QUESTION, reason="the study file states no claims")
    found = judged_criteria(study, table)
    first = records(found[found["arm"] == study.arm_names[0]])[:TILES]
    return Section(
        name="verdicts",
        question=QUESTION,
        finding=" ".join(sentence(str(arm), r) for arm, r in found.groupby("arm", sort=False)),
        caveats=caveats_of(found, study.seeds),
        metrics={f"{row['id']} ({row['arm']})": Metric.of(row) for row in records(found)},
        table=found,
        drawn=(statistics_figure(found),),
        short=pd.DataFrame(
            [line(records(rows)) for _, rows in found.groupby("id", sort=False)],
            columns=["Name", "Claim", "Holds if", *study.arm_names],
        ),
        heads=tuple(claim_tile(row) for row in first),
        words=GLOSSARY,
    )


def sentence(arm: str, rows: pd.DataFrame) -> str:
    """What holds in an arm, what does not and what is open; the largest group goes unnamed."""
    groups = {one: rows.loc[rows["verdict"] == one, "id"] for one in VERBS}
    *others, most = sorted((one for one in VERBS if len(groups[one])), key=lambda v: len(groups[v]))
    n = len(groups[most])
    if not others:
        return f"Arm {arm}: {f'all {n} claims' if n > 1 else 'the one claim'} {verb(most, n)}."
    parts = [
        f"{len(groups[one])} {verb(one, len(groups[one]))} ({', '.join(groups[one])})"
        for one in others
    ]
    rest = f"the other {n} {verb(most, n)}" if n > 1 else f"the other {verb(most, n)}"
    return f"Arm {arm}: of {counted(len(rows), 'claim')} {', '.join(parts)}; {rest}."


def caveats_of(found: pd.DataFrame, seeds: int) -> tuple[str, ...]:
    """When the criteria were written, how they are judged, and what is incomplete."""
    few = int((found["n"] < seeds).sum())
    lacking = (
        f"In {counted(few, 'row')} of the table fewer than the {seeds} seeds of the design are "
        "complete; a statistic takes the seeds that have a model in every cell it looks at."
    )
    return (
        "The claims, statistics and bounds are those of the study file, which a sweep copies to "
        "plan.json before its first step and never changes. A claim holds where the whole "
        "interval lies on the right side of its bound, does not hold where it lies on the wrong "
        "one, and is undecided otherwise. Claims are judged one by one, without a correction for "
        "their number. A verdict is about the bound: an effect may be certain and still smaller "
        "than the bound.",
        "A contrast is a mean over all other factors, whose effects may differ or be opposite "
        "at different values: the maps below show every cell.",
        "Intervals are 95 %, over seeds (n); a seed draws the split, the first weights and the "
        "batches. Those of accuracies are jackknives on the log odds and end at their bounds, "
        "others are Student's t. Where all seeds agree exactly an interval without width "
        "decides where six or more agree. A contrast is paired by seed. Shares of variance are "
        "freed of the part that noise adds, by a jackknife over seeds, and end at 0 and 1.",
        *([lacking] if few else []),
    )


def line(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A claim, and what each arm says of it: verdict, statistic, and why one is missing."""
    first = rows[0]
    what = measured_words(first["column"], first["statistic"], first["of"])
    said = [
        f"{row['verdict']}: {spaced(Metric.of(row))}"
        + (f" ({row['reason']})" if row["reason"] else "")
        for row in rows
    ]
    return [first["id"], first["claim"], f"{what} is {first['bound']}", *said]


def claim_tile(row: Mapping[str, Any]) -> Tile:
    """A claim of the study file at the head of the page."""
    samples = f"{counted(row['n'], 'seed')}, {counted(row['n_models'], 'model')}"
    words = f"{row['id']} {row['verdict']}: {row['bound']} was asked ({samples}, arm {row['arm']})"
    return statistic_tile(row, measured_words(row["column"], row["statistic"], row["of"]), words)


def statistics_figure(found: pd.DataFrame) -> Figure:
    """Every statistic with its interval, before the side on which its claim holds."""
    columns = ["id", "value", "low", "high", "arm", "verdict", "bound", "n"]
    shown = found[columns].rename(columns={"id": "claim", "value": "statistic"})
    least = found["bound"].str.startswith("at least")
    limits = {"start": found["limit"].where(least), "end": found["limit"].where(~least)}
    plot: Chart = bars(shown, x="statistic", y="claim", facet="arm", mark="dot")
    sides = shown.assign(**limits)
    return Figure(
        key="statistics",
        title="Every statistic with its interval, and the side on which its claim holds",
        how_to_read="Each dot is the statistic of one claim, a difference of accuracies or a share "
        "of variance, with its 95 % interval over seeds; the claim holds where dot and interval "
        "lie wholly in the shade, which ends at the bound. Without any effect contrasts and "
        "differences lie at 0.",
        plot=regions(plot, sides, y="claim", start="start", end="end", facet="arm"),
        table=found,
    )
