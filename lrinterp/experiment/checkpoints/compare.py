"""Several checkpoints side by side: each number with its difference from the first checkpoint's.

A difference is `Metric - Metric`, paired where both were measured on the same examples. One number
of each analysis is tested, and p is corrected for how many those are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.stats import false_discovery_control

from lrinterp.analysis import ANALYSES, analyze, check_names
from lrinterp.checkpoint import Checkpoint
from lrinterp.experiment.checkpoints import numbered, quantity_words
from lrinterp.experiment.checkpoints.checkpoint_differences import DIFFERS, Differences
from lrinterp.experiment.checkpoints.side_by_side import as_row, not_applied, put_side_by_side
from lrinterp.metric import Gap
from lrinterp.result import Metric, Result
from lrinterp.run import Run, fingerprint, record
from lrinterp.scenes.natural import FromSuite
from lrinterp.store import InputError

__all__ = [
    "Analysed",
    "check_enough",
    "compare",
    "compare_recordings",
    "difference_table",
    "differences",
    "with_verdicts",
]

RATE = 0.05
"""False discoveries among those that are said to differ."""
GATHERS = ("answer", "mechanism")
"""Analyses that repeat numbers of others."""
FLOATS = (
    "value", "low", "high", "difference", "difference_low", "difference_high", "p", "least_p", "q",
)  # fmt: skip
COUNTS = ("n", "n_units", "difference_n", "difference_n_units")
COLUMNS = [
    "analysis", "quantity", "checkpoint", "value", "low", "high", "n", "n_units", "name", "key",
    "primary", "difference", "difference_low", "difference_high", "difference_n",
    "difference_n_units", "paired", "p", "least_p", "q", "verdict",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysed:
    """What one checkpoint brings to a comparison."""

    name: str
    weights: str
    """A hash of the weights."""
    results: Mapping[str, Result]
    """The analyses asked for."""

    def number(self, analysis: str, key: str) -> Metric:
        """A number of an analysis; without a value where the analysis has none."""
        return self.results[analysis].metrics.get(key, Metric(value=None))


def compare(
    checkpoints: Sequence[Checkpoint],
    only: Iterable[str] | None = None,
    *,
    pictures: FromSuite | None = None,
    progress: bool | None = None,
) -> dict[str, Result]:
    """Run some analyses, or all, on each checkpoint and put them side by side.

    `pictures` names the pictures that imported CLIPs are analysed on.

    Returns `differences`, every number of every summary with its difference from the first
    checkpoint, then a `SideBySide` for each analysis asked for. A checkpoint whose name was used
    before has a number behind it. Raises InputError for fewer than two checkpoints, an unknown
    analysis, or a checkpoint without a world.

    Cost: that of `analyze` for each checkpoint; one recording is in memory at a time.
    """
    check_enough(len(checkpoints))
    loaded = zip(numbered(one.name for one in checkpoints), checkpoints, strict=True)
    recordings = ((n, record(c.model, c.examples(pictures), progress=progress)) for n, c in loaded)
    return compare_recordings(recordings, only, progress=progress)


def compare_recordings(
    recordings: Iterable[tuple[str, Run]],
    only: Iterable[str] | None = None,
    *,
    progress: bool | None = None,
) -> dict[str, Result]:
    """`compare` of recordings under given names: of any models on any pictures."""
    names = set(check_names(only))
    asked = [name for name in ANALYSES if name in names]
    analysed = [
        Analysed(
            name=name,
            weights=fingerprint(run.model),
            results=analyze(run, asked, progress=progress),
        )
        for name, run in recordings
    ]
    check_enough(len(analysed))
    by_analysis = {name: {one.name: one.results[name] for one in analysed} for name in asked}
    sections = {name: put_side_by_side(name, results) for name, results in by_analysis.items()}
    return {"differences": differences(analysed, asked), **sections}


def check_enough(count: int) -> None:
    """Refuse fewer than two checkpoints."""
    if count < 2:
        raise InputError(f"expected at least two checkpoints to compare, got {count}")


def differences(analysed: Sequence[Analysed], asked: Sequence[str]) -> Differences:
    """Compare the summaries of some analyses with those of the first checkpoint."""
    skipped = (not_applied(one.name, one.results[name]) for one in analysed for name in asked)
    return Differences(
        table=difference_table(analysed, asked),
        first=analysed[0].name,
        others=tuple(one.name for one in analysed[1:]),
        skipped=tuple(filter(None, skipped)),
    )


def difference_table(analysed: Sequence[Analysed], asked: Sequence[str]) -> pd.DataFrame:
    """One row a quantity and checkpoint; differences are from the first checkpoint.

    Columns: analysis, quantity, checkpoint, value, low, high, n, n_units, `name` where the
    number is one of a head, `key` of the summary; difference with interval and counts, `paired`
    (yes, no, or empty where it is exact), p, the least p that these units allow, verdict. `primary`
    marks the one number of each analysis that is tested; q corrects for those. A number that
    several analyses report stands once, under the analysis that measures it; different numbers
    that share a key stand each under its own `quantity`.

    Source of q: Benjamini and Hochberg, "Controlling the false discovery rate" (JRSS-B 1995).
    """
    rows = [
        {
            "analysis": analysis,
            "quantity": words,
            "checkpoint": one.name,
            **as_row(one.number(analysis, key)),
            "key": key,
            "primary": one.results[analysis].primary == key,
            **difference_row(gap(analysed[0], one, analysis, key)),
        }
        for analysis, key, words in quantities(analysed, asked)
        for one in analysed
    ]
    kinds = dict.fromkeys(FLOATS, "float64") | dict.fromkeys(COUNTS, "Int64")
    return with_verdicts(pd.DataFrame(rows, columns=COLUMNS).astype(kinds))


def quantities(
    analysed: Sequence[Analysed], asked: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Analysis, key and words of each number, once; what gathers others comes last.

    A number that another analysis also gives, under the same key, is left out; a number that only
    shares its key with another one is told apart by the name of its analysis.
    """
    seen: dict[str, list[str]] = {}
    for analysis in sorted(asked, key=lambda name: name in GATHERS):
        for key in dict.fromkeys(k for one in analysed for k in one.results[analysis].metrics):
            before = seen.setdefault(key, [])
            if any(repeats(analysis, other, key, analysed) for other in before):
                continue
            apart = f" ({quantity_words(analysis)})" if before else ""
            before.append(analysis)
            yield analysis, key, f"{quantity_words(key)}{apart}"


def repeats(analysis: str, other: str, key: str, analysed: Sequence[Analysed]) -> bool:
    """Does one analysis give every checkpoint the number that another gives, where it gives one?"""
    return all(
        one.number(analysis, key) == one.number(other, key)
        for one in analysed
        if key in one.results[analysis].metrics
    )


def gap(first: Analysed, other: Analysed, analysis: str, key: str) -> Gap | None:
    """How far one number is from that of the first; None for names and what is not measured.

    A number that one model gives twice, and that has no sample, differs by exactly 0.
    """
    one, two = first.number(analysis, key), other.number(analysis, key)
    if first is other or not (one.is_number and two.is_number):
        return None
    if first.weights == other.weights and one == two and one.sample is None:
        return Gap(value=0.0, estimator="difference")
    return two - one


def difference_row(found: Gap | None) -> dict[str, Any]:
    """The columns of a difference; its verdict where it has no test."""
    if found is None:
        return {"paired": "", "verdict": ""}
    plain = found.plain()
    names = ("low", "high", "n", "n_units") if plain["n"] else ()
    return {
        "difference": plain["value"],
        **{f"difference_{name}": plain[name] for name in names},
        "paired": {True: "yes", False: "no", None: ""}[found.paired],
        "p": found.p,
        "least_p": found.least_p,
        "verdict": "exact" if plain["value"] else "equal",
    }


def with_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """The table with q for the primary number of each analysis, and every verdict.

    A difference with an interval that is no test of the table is described.
    """
    p = table["p"]
    tested = p.notna() & table["primary"].astype(bool)
    q = p.where(tested)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    told = table["verdict"].mask(p.notna(), "not tested").mask(tested, "not told apart")
    return table.assign(q=q, verdict=told.mask(q < RATE, DIFFERS))
