"""Accuracies on sets of pictures: cell by cell of the grid, and where differences come from."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrinterp.charts import bars, heatmap, lines, value_range
from lrinterp.experiment.contrasts import (
    complete,
    grid_means,
    laid_out,
    share_interval,
    shares,
    sources,
)
from lrinterp.experiment.numbers import (
    METRICS,
    SETS,
    accuracy_of,
    factor_named,
    factor_words,
    seeds_words,
    source_words,
)
from lrinterp.experiment.section import Section
from lrinterp.experiment.study import Study
from lrinterp.result import Figure, Metric, Result, Skipped, records
from lrinterp.wording import counted, plain_number

__all__ = ["chance_of", "set_accuracy", "set_lines", "set_map", "variance"]

SPOKEN = (METRICS["order"], METRICS["retrieval_open"])
"""Metrics that the words speak of."""
WHOLE = (-0.03, 1.03)
"""The range of an axis of accuracies; an interval over few seeds can reach beyond."""
GROWING = (
    "Closed candidates are the captions of this set, of which there are more where more labels "
    "form pairs: closed retrieval and object-set accuracy are not comparable along that factor."
)
SHARES = ["arm", "measure", "source", "share", "low", "high", "plain_share", "n"]
VARIANCE = "What do the differences between models come from?"
OF_SHARES = (
    "Shares are sums of squares of a balanced design, of the seeds that are complete in every "
    "cell: a factor has its main effect, interaction what the cells differ beyond that, seed all "
    "differences inside cells: what a seed does everywhere and what chance does in one cell.",
    "Noise alone would give each source a part (plain_share in the table); the share is freed of "
    "it by a jackknife over seeds, which also makes the interval; both are cut at 0 and 1, so that "
    "only the plain shares sum to 1. It takes three seeds.",
    "A share depends on the values that the grid gives each factor: a wider range explains more, "
    "and on a factor's scale a part of the range can explain least. The maps show where in the "
    "grid a factor matters.",
)


def set_accuracy(study: Study, table: pd.DataFrame, pictures: str) -> Result:
    """Mean accuracies over seeds on a set (`unseen_pair`, ...), by cell of the first two factors.

    For each arm a map of the grid, where it has two factors, and lines. Skipped where no model has
    pictures of the set.
    """
    question = f"How well do the models do on {SETS[pictures]}?"
    measures = {accuracy_of(pictures, metric): words for metric, words in METRICS.items()}
    factors = list(study.factors)
    drawn = factors[:2]
    cells, overall = (grid_means(study, table, measures, by) for by in (drawn, []))
    if cells.empty:
        reason = f"no model was tested on {SETS[pictures]}"
        return Skipped(skipped=pictures, asked=question, reason=reason)
    spoken = [cells["measure"].iloc[0], SPOKEN[1]]
    means = {
        f"{row['measure']}, {row['arm']}": Metric.of(row)
        for row in records(overall)
        if row["measure"] in spoken
    }
    sentences, figures = [], []
    null = null_words(chance_of(table), ordered=spoken[0] == SPOKEN[0])
    for place, (arm, own) in enumerate(cells.groupby("arm", sort=False)):
        own_means = {m: means.get(f"{m}, {arm}", Metric(value=None)) for m in spoken}
        ranges = [range_words(own, m, own_means[m], drawn, named=not place) for m in spoken]
        sentences.append(f"Arm {arm}: {'; '.join(ranges)}.")
        figures += [set_map(own, drawn, place, null)] if len(drawn) == 2 else []
        figures.append(set_lines(own, drawn, place, null))
    others = ", ".join(map(factor_named, factors[2:]))
    few = int((cells["n"] < study.seeds).sum())
    lacking = (
        f"{counted(few, 'row')} of the table rest on fewer than {study.seeds} seeds: models "
        "failed, or have not been trained."
    )
    return Section(
        name=pictures,
        question=question,
        finding=" ".join(sentences),
        caveats=(
            "Intervals are 95 %, over seeds: they cover the mean of many such models, not a "
            "single model.",
            *([GROWING] if pictures in ("seen_pair", "mixed_pair") else []),
            *([f"Averaged, for each seed, over {others}."] if others else []),
            *([lacking] if few else []),
        ),
        metrics=means,
        table=cells,
        drawn=tuple(figures),
    )


def range_words(
    cells: pd.DataFrame, measure: str, mean: Metric, factors: Sequence[str], *, named: bool
) -> str:
    """Mean over the grid, lowest and highest cell of a measure, and which cells they are."""
    known = cells[cells["measure"] == measure].dropna(subset=["value"])
    if known.empty:
        return f"{measure} has no number"
    known = known.sort_values("value", kind="stable")
    ends = []
    for row in records(known.iloc[[0, -1]]):
        where = ", ".join(f"{factor_words(name)} {row[name]}" for name in factors)
        ends.append(f"{row['value']:.2f} ({where})" if named else f"{row['value']:.2f}")
    whole = "" if mean.value is None else f" is {mean.phrase} over the grid"
    return f"{measure}{whole}, in cells from {' to '.join(ends)}"


def chance_of(table: pd.DataFrame) -> float | None:
    """Order accuracy of a guess among n objects, 1 / n!, where all models have the same n."""
    found: set[Any] = set(table.get("world.n_objects", pd.Series([2])).dropna())
    return 1 / math.factorial(int(found.pop())) if len(found) == 1 else None


def null_words(chance: float | None, *, ordered: bool) -> str:
    """What a guess would score, as a sentence."""
    if not ordered:
        return "A guess among captions scores one over their number."
    order = "one in all orders" if chance is None else plain_number(chance)
    return (
        f"A guess of the order scores {order}; a guess among captions scores one over their "
        "number, for object sets times the number of orders."
    )


def set_map(cells: pd.DataFrame, factors: Sequence[str], place: int, null: str) -> Figure:
    """The cells of one arm, a panel a measure: first factor down, second across, colours 0 to 1.

    `place` is the number of the arm, `null` a sentence that says what a guess scores.
    """
    down, across = map(factor_words, factors)
    ends = (0.0, 1.0)
    plot = heatmap(
        cells_in_words(cells), x=across, y=down, z="accuracy", facet="measure", ends=ends
    )
    return Figure(
        key=f"map-{place}",
        title=f"Arm {cells['arm'].iloc[0]}: every cell of the grid",
        how_to_read=f"Down: {factor_named(factors[0])}; across: {factor_named(factors[1])}. Each "
        f"cell is a mean over {seeds_words(cells['n'].tolist())}, as the share of pictures right; "
        f"colours run from 0 to 1 in every map of this page. {null}",
        plot=plot,
        table=cells,
    )


def set_lines(cells: pd.DataFrame, factors: Sequence[str], place: int, null: str) -> Figure:
    """The cells of one arm along the first factor, a line for each value of the second."""
    across, *others = map(factor_words, factors)
    table, by = cells_in_words(cells), next(iter(others), None)
    last = table[by].iloc[-1] if by else None
    plot = lines(
        table, x=across, y="accuracy", by=by, facet="measure", highlight=last, y_range=WHOLE
    )
    each = "one point a value"
    if by:
        named = factor_named(factors[1])
        each = f"a line for each value of {named}, named at its end, the last one accented"
    return Figure(
        key=f"lines-{place}",
        title=f"Arm {cells['arm'].iloc[0]}: by {across}",
        how_to_read=f"Across: {factor_named(factors[0])}; up: share of pictures right, {each}; "
        f"bands are 95 % intervals over {seeds_words(cells['n'].tolist())}. {null}",
        plot=plot,
        table=cells,
    )


def cells_in_words(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with columns in words, as the reader sees them."""
    words = {str(name): factor_words(str(name)) for name in cells}
    words |= {"value": "accuracy", "n": "seeds"}
    return cells.drop(columns="arm").rename(columns=words)


def variance(study: Study, table: pd.DataFrame) -> Result:
    """Shares of variance of every metric on held-out pairs, by source and arm.

    Skipped where no model was tested on any.
    """
    columns = {accuracy_of("unseen_pair", metric): words for metric, words in METRICS.items()}
    measured = {c: w for c, w in columns.items() if c in table and table[c].notna().any()}
    if not measured:
        reason = "no model was tested on held-out pairs"
        return Skipped(skipped="variance", asked=VARIANCE, reason=reason)
    rows = [
        (arm, measure, *row)
        for arm in study.arm_names
        for column, measure in measured.items()
        for row in divided(study, complete(laid_out(study, table, arm, column)))
    ]
    numbers = dict.fromkeys(("share", "low", "high"), float)
    found = pd.DataFrame(rows, columns=SHARES).astype(numbers)
    metrics = {
        f"{row['measure']} by {source_words(row['source'])}, {row['arm']}": Metric.of(row, "share")
        for row in records(found)
        if row["source"] != "seed" and row["measure"] in SPOKEN
    }
    spoken = [source_words(name) for name in sources(study)[:-1]]
    said = [f"Arm {a}: {'; '.join(explained(metrics, spoken, a))}." for a in study.arm_names]
    scale = value_range(found, "share", include=(0.0, 1.0))
    known = found.groupby("measure", sort=False)["share"].count() > 0
    named = ", ".join(map(factor_named, study.factors))
    return Section(
        name="variance",
        question=VARIANCE,
        finding=" ".join(said),
        caveats=OF_SHARES,
        metrics=metrics,
        table=found,
        drawn=tuple(
            drawn_shares(found[found["measure"] == measure], f"shares-{place}", named, scale)
            for place, measure in enumerate(known[known].index)
        ),
    )


def divided(study: Study, values: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """Every source with its share, interval, plain share and the seeds it rests on."""
    names, plain = sources(study), shares(values)
    for k, source in enumerate(names):
        if source == "interaction" and len(study.factors) == 1:
            continue  # there is nothing for a single factor to interact with
        found = share_interval(values, np.eye(len(names))[k])
        yield (source, found.value, found.low, found.high, plain[k], len(values))


def explained(metrics: Mapping[str, Metric], sources: list[str], arm: str) -> Iterator[str]:
    """What the sources explain of order and of open retrieval, in clauses."""
    for measure in SPOKEN:
        keys = {words: f"{measure} by {words}, {arm}" for words in sources}
        known = {words: metrics[key] for words, key in keys.items() if key in metrics}
        if any(one.value is None for one in known.values()):
            yield f"{measure} cannot be divided"
        elif known:
            parts = [f"{words} {one.phrase}" for words, one in known.items()]
            yield f"of the variance of {measure}, {', '.join(parts)}"


def drawn_shares(part: pd.DataFrame, key: str, named: str, scale: tuple[float, float]) -> Figure:
    """The shares of one metric, a panel an arm; all metrics on one scale."""
    measure, across = part["measure"].iloc[0], "share of variance"
    shown = part.assign(source=part["source"].map(source_words))
    shown = shown.rename(columns={"share": across, "n": "seeds"})
    shown = shown.drop(columns=["measure", "plain_share"])
    return Figure(
        key=key,
        title=f"{measure[:1].upper()}{measure[1:]} on held-out pairs: shares of variance",
        how_to_read="Each dot is the share of the variance between the models of an arm that goes "
        f"with one source ({named}, their interaction, the seed), with a 95 % interval over "
        f"{seeds_words(part['n'].tolist())}; a source without any effect lies at 0.",
        plot=bars(shown, x=across, y="source", facet="arm", mark="dot", x_range=scale),
        table=part,
    )
