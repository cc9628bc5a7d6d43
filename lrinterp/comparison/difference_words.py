"""A row of the table of differences in words: for a sentence, a tile, a cell."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lrinterp.comparison.difference_table import DIFFERS
from lrinterp.comparison.naming import quantity_words
from lrinterp.result import Metric, Tile, records
from lrinterp.wording import counted, plain_number

__all__ = [
    "SPOKEN",
    "bare",
    "changed",
    "counts",
    "difference_of",
    "line_of",
    "row_of",
    "said",
    "sentence",
    "tile_of",
    "told",
]

SPOKEN = (
    "unseen_pair_order",
    "order_without_key_position",
    "label_set_closed_without_key_position",
    "right_object_attention_gain",
)
"""The numbers that head a report: here they head the differences."""
MOST = 12
"""Checkpoints that a sentence lists."""


def sentence(table: pd.DataFrame, first: str, name: str) -> str:
    """How many numbers of one checkpoint differ from the first, and the most telling of them."""
    rows = records(table[(table["checkpoint"] == name) & table["q"].notna()])
    whose = f"{name} against {first}"
    if not rows:
        return f"{whose}: no primary quantity has an interval to test."
    differ = sum(row["verdict"] == DIFFERS for row in rows)
    quantities = "quantity differs" if len(rows) == 1 else "quantities differ"
    text = f"{whose}: {differ} of {len(rows)} tested {quantities}"
    spoken = next((row for key in SPOKEN for row in rows if row["key"] == key), None)
    if spoken is None:
        return f"{text}."
    place = (table["checkpoint"] == first) & (table["quantity"] == spoken["quantity"])
    [before] = records(table[place])
    how = "paired on" if spoken["paired"] == "yes" else "not paired,"
    return (
        f"{text}; {spoken['quantity']} is {Metric.of(spoken).phrase} instead of "
        f"{Metric.of(before).phrase}, a difference of {difference_of(spoken).phrase} ({how} "
        f"{counted(spoken['difference_n'], 'picture')}, {chance_words(spoken)}: "
        f"{spoken['verdict']})."
    )


def counts(table: pd.DataFrame, first: str, others: Sequence[str]) -> str:
    """How many numbers of each of many checkpoints differ from the first, in one sentence."""
    judged = table[table["q"].notna()]
    rows = [judged[judged["checkpoint"] == name] for name in others]
    parts = [
        f"{name} in {int((part['verdict'] == DIFFERS).sum())} of {len(part)}"
        for name, part in zip(others, rows, strict=True)
    ]
    listed = ", ".join(parts[:MOST]) + (f" and {len(parts) - MOST} others" * (len(parts) > MOST))
    return f"Tested quantities that differ from those of {first}: {listed}."


def tile_of(row: Mapping[str, Any], first: str) -> Tile:
    """A row's difference as a large figure."""
    label = f"{row['quantity'][:1].upper()}{row['quantity'][1:]}: {row['checkpoint']}"
    how = "paired" if row["paired"] == "yes" else "not paired"
    words = f"{row['verdict']} ({chance_words(row)}, {how})"
    return Tile(label=f"{label} minus {first}", scalar=difference_of(row), words=words)


def line_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A line of the open table from the rows of one quantity, those of the first checkpoint first.

    The first number, and for each other checkpoint its difference with what can be said of it; a
    single other one also has its own number.
    """
    first, *others = rows
    line = {"Analysis": quantity_words(first["analysis"]), "Quantity": first["quantity"]}
    line[first["checkpoint"]] = bare(first)
    names = [f"{row['checkpoint']} minus {first['checkpoint']}" for row in others]
    if len(others) == 1:
        [row], [name] = others, names
        return {**line, row["checkpoint"]: bare(row), name: changed(row), "Told apart": told(row)}
    return line | dict(zip(names, map(said, others), strict=True))


def row_of(table: pd.DataFrame, first: str, name: str) -> dict[str, str]:
    """A checkpoint among many: how many numbers differ, and the most telling differences."""
    rows = records(table[table["checkpoint"] == name])
    judged = [row["verdict"] for row in rows if row["q"] is not None]
    found = {
        "Checkpoint": f"{name} minus {first}",
        "Differ": f"{judged.count(DIFFERS)} of {len(judged)}",
    }
    return found | {row["quantity"]: said(row) for row in rows if row["key"] in SPOKEN}


def difference_of(row: Mapping[str, Any]) -> Metric:
    """The difference of a table row, with its interval and counts."""
    names = ("low", "high", "n", "n_units")
    ends = {name: row[f"difference_{name}"] for name in names}
    return Metric(value=row["difference"], estimator="difference", **ends)


def bare(row: Mapping[str, Any]) -> str:
    """A row's own number without its interval, or its head."""
    return row["name"] or str(Metric.of(row))


def changed(row: Mapping[str, Any]) -> str:
    """A row's difference as it stands in a cell, a dash where there is none."""
    if row["difference"] is None:
        return "–"
    return difference_of(row).phrase.replace(" ", "\u00a0")


def told(row: Mapping[str, Any]) -> str:
    """What can be said of a row's difference."""
    if row["p"] is None:
        return row["verdict"] or "–"
    apart = "" if row["paired"] == "yes" else ", not paired"
    return f"{row['verdict']} ({chance_words(row)}{apart})"


def said(row: Mapping[str, Any]) -> str:
    """A row's difference and what can be said of it, in one cell."""
    change = changed(row)
    return change if change == "–" else f"{change} {told(row)}"


def chance_words(row: Mapping[str, Any]) -> str:
    """The corrected p value of a test, or the plain one of what is described."""
    name = "p" if row["q"] is None else "q"
    rounded = float(f"{row[name]:.2g}")
    text = f"{name} < 0.001" if rounded < 0.001 else f"{name} = {plain_number(rounded)}"
    return text.replace(" ", "\u00a0")
