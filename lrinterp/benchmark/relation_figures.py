"""The figures of a benchmark: accuracy by relation and by axis, left and right, what is said."""

from collections.abc import Iterator

import pandas as pd

from lrinterp.charts import bars, reference
from lrinterp.result import Figure
from lrinterp.wording import counted, plain_number

__all__ = ["kept_rows", "relation_figures"]

MOST = 60
"""Bars of a figure; of more those with most rows are drawn."""
DIGITS = 6
"""Decimals in which chances are told apart."""
SHARE = "share of rows right"
RIGHT = "in which the right caption scores highest, with a 95 % interval over groups"
BIASED = ", and a model that always says right has recall 0 of left and 1 of right"
FIGURES = {
    "axis": (
        "axes",
        "Accuracy by axis",
        f"Each bar is one axis of space; across: share of its rows {RIGHT}; {{guess}}.",
        ("axis", SHARE),
    ),
    "recall": (
        "sides",
        "Left and right apart",
        "Each bar is the rows in which the object is on that side; across: share of them "
        f"{RIGHT}; {{guess}}{{biased}}.",
        ("it is", "recall"),
    ),
    "choice": (
        "choices",
        "What the model says",
        "Each bar is a place that captions name; across: share of the rows that offer it in which "
        "the model chooses it, with a 95 % interval over groups; {guess}, one that is always right "
        "says each as often as it is true (on hovering).",
        ("it says", "share of choices", "share_true"),
    ),
}
"""By measure: key, title, how to read it, and names as for `bar_figure`."""


def relation_figures(table: pd.DataFrame, *, by_word: bool) -> Iterator[Figure]:
    """Each figure that has rows in the table; `by_word` as in `Benchmark.told_by_word`."""
    measured = table[table["n_units"].notna()].astype({"n": int, "n_units": int})
    parts = {
        measure: part.drop(columns=["measure", "note"])
        for measure, part in measured.groupby("measure")
    }
    yield from relations(parts["relation"])
    for measure, (key, title, how, names) in FIGURES.items():
        part = parts.get(measure, table.iloc[:0])
        if measure == "choice" and len(part):
            true = parts["truth"].set_index("name")["value"]
            part = part.assign(share_true=part["name"].map(true))
        if len(part) > (measure == "axis"):  # a single axis is no comparison
            words = how.format(guess=guess(part), biased=BIASED if by_word else "")
            yield bar_figure(key, title, words, part, names)


def relations(part: pd.DataFrame) -> Iterator[Figure]:
    """Accuracy by relation, a figure for each number of captions, a panel for each subset."""
    kept = part[part["in_macro"].astype(bool)] if part["in_macro"].any() else part
    for k, (_, rows) in enumerate(kept.groupby(kept["chance"].round(DIGITS), sort=False)):
        most, rest = kept_rows(rows, "relation", 0 if k else len(part) - len(kept))
        facet = ("subset",) if most["subset"].nunique() > 1 else ()
        title = f"Accuracy by relation, {captions(float(most['chance'].iloc[0]))}"
        how = (
            f"Each bar is one relation; across: share of its rows {RIGHT}; {guess(most)}. n counts "
            f"rows.{rest}"
        )
        key = f"relations-{k + 1}" if k else "relations"
        yield bar_figure(key, title, how, most, ("relation", SHARE, *facet))


def bar_figure(
    key: str, title: str, how: str, part: pd.DataFrame, names: tuple[str, ...]
) -> Figure:
    """A bar for each row of a table, and a line at chance where all bars have the same.

    `names` are those under which name and value are shown, and what is shown beside them; a subset
    has its own panel.
    """
    columns = dict(zip(("name", "value"), names, strict=False))
    shown = part[[*columns, "low", "high", "chance", "n", "n_units", *names[2:]]]
    facet = "subset" if "subset" in names else None
    plot = bars(shown.rename(columns=columns), x=names[1], y=names[0], facet=facet)
    if part["chance"].round(DIGITS).nunique() == 1:
        plot = reference(plot, float(part["chance"].iloc[0]), "chance")
    return Figure(key=key, title=title, how_to_read=how, plot=plot, table=part)


def kept_rows(rows: pd.DataFrame, thing: str, more: int = 0) -> tuple[pd.DataFrame, str]:
    """The rows that are drawn, in their order, and how many more, in words, are not."""
    most = rows.nlargest(MOST, "n").sort_index()
    dropped = len(rows) - len(most) + more
    return most, f" {counted(dropped, thing)} more in the table alone." if dropped else ""


def guess(part: pd.DataFrame) -> str:
    """What a model that guesses does, in words."""
    chances = part["chance"]
    if chances.round(DIGITS).nunique() == 1:
        return f"a model that guesses scores {plain_number(chances.iloc[0])}, the dotted line"
    return (
        f"a model that guesses scores {plain_number(chances.min())} to "
        f"{plain_number(chances.max())}, as each bar says on hovering"
    )


def captions(chance: float) -> str:
    """How many captions a row has, by the chance of a guess."""
    n = 1 / chance
    return (
        f"{round(n)} captions a row" if abs(n - round(n)) < 1e-3 else "captions of several numbers"
    )
