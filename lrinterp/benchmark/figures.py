"""The pictures of a benchmark: accuracy by relation and by axis, left and right, what is said."""

from collections.abc import Iterator

import pandas as pd

from lrinterp.charts import Chart, bars, reference
from lrinterp.result import Figure
from lrinterp.wording import counted, plain_number

__all__ = ["axes", "choices", "relations", "sides", "told_by_word"]

MOST = 60
"""Bars of a figure; of more relations those with most rows are drawn."""
DIGITS = 6
"""Decimals in which chances are told apart."""
SHARE = "share of rows right"
SAID = "share of choices"


def relations(table: pd.DataFrame) -> Iterator[Figure]:
    """Accuracy by relation, a figure for each number of captions, a panel for each subset."""
    part = of(table, "relation")
    drawn = part[part["in_macro"].astype(bool)] if part["in_macro"].any() else part
    for k, (_, rows) in enumerate(drawn.groupby(drawn["chance"].round(DIGITS), sort=False)):
        most = rows.nlargest(MOST, "n").sort_index()
        facet = "subset" if most["subset"].nunique() > 1 else None
        shown = renamed(most, {"name": "relation", "value": SHARE}, [facet] if facet else [])
        dropped = len(rows) - len(most) + (len(part) - len(drawn) if k == 0 else 0)
        rest = f" {counted(dropped, 'relation')} more in the table alone." if dropped else ""
        chance = float(most["chance"].iloc[0])
        yield Figure(
            key=f"relations-{k + 1}" if k else "relations",
            title=f"Accuracy by relation, {captions(chance)}",
            how_to_read="Each bar is one relation; across: share of its rows in which the right "
            "caption scores highest, with a 95 % interval over groups; a model that guesses "
            f"scores {plain_number(chance)}, the dotted line. n counts rows.{rest}",
            plot=marked(bars(shown, x=SHARE, y="relation", facet=facet), most),
            table=most,
        )


def axes(table: pd.DataFrame) -> Iterator[Figure]:
    """Accuracy by axis, where there are several."""
    part = of(table, "axis")
    if len(part) < 2:
        return
    shown = renamed(part, {"name": "axis", "value": SHARE})
    yield Figure(
        key="axes",
        title="Accuracy by axis",
        how_to_read="Each bar is one axis of space; across: share of its rows in which the right "
        f"caption scores highest, with a 95 % interval over groups; {guess(part)}.",
        plot=marked(bars(shown, x=SHARE, y="axis"), part),
        table=part,
    )


def sides(table: pd.DataFrame) -> Iterator[Figure]:
    """Recall of left and of right."""
    part = of(table, "recall")
    if part.empty:
        return
    shown = renamed(part, {"name": "it is", "value": "recall"})
    biased = ", and a model that always says right has recall 0 of left and 1 of right"
    yield Figure(
        key="sides",
        title="Left and right apart",
        how_to_read="Each bar is the rows in which the object is on that side; across: share of "
        "them in which the right caption scores highest, with a 95 % interval over groups; "
        f"{guess(part)}{biased if told_by_word(table) else ''}.",
        plot=marked(bars(shown, x="recall", y="it is"), part),
        table=part,
    )


def choices(table: pd.DataFrame) -> Iterator[Figure]:
    """How often each place is said, of the rows whose captions offer it."""
    part = of(table, "choice")
    if part.empty:
        return
    true = of(table, "truth").set_index("name")["value"]
    part = part.assign(share_true=part["name"].map(true))
    shown = renamed(part, {"name": "it says", "value": SAID}, ["share_true"])
    yield Figure(
        key="choices",
        title="What the model says",
        how_to_read="Each bar is a place that captions name; across: share of the rows that offer "
        "it in which the model chooses it, with a 95 % interval over groups; "
        f"{guess(part)}, one that is always right says each as often as it is true (on hovering).",
        plot=marked(bars(shown, x=SAID, y="it says"), part),
        table=part,
    )


def told_by_word(table: pd.DataFrame) -> bool:
    """Whether captions name the side in every row about left or right, as foils of words do.

    Where foils exchange the objects, recall of a side says nothing of a leaning to its word.
    """
    recall, truth = (
        part.groupby("name")[["value", "n"]].sum()
        for part in (of(table, "recall"), of(table, "truth"))
    )
    named = (truth["value"] * truth["n"]).round()
    return not recall.empty and bool((named.reindex(recall.index).fillna(0) >= recall["n"]).all())


def of(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The rows of one measure, with the columns that can differ."""
    part = table[table["measure"] == measure]
    return part.drop(columns=["measure", "note"]).astype({"n": int, "n_units": int})


def renamed(
    part: pd.DataFrame, names: dict[str, str], more: list[str] | None = None
) -> pd.DataFrame:
    """The columns that a reader sees on hovering, by the names they are shown under."""
    columns = [*names, "low", "high", "chance", "n", "n_units", *(more or [])]
    return part[columns].rename(columns=names)


def marked(plot: Chart, part: pd.DataFrame) -> Chart:
    """The chart with a line at chance, where all bars have the same."""
    chances = part["chance"].round(DIGITS).unique()
    return reference(plot, float(part["chance"].iloc[0]), "chance") if len(chances) == 1 else plot


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
