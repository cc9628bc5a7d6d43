import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pytest

from lrinterp.result import (
    Attention,
    Figure,
    Metric,
    Provenance,
    Result,
    Skipped,
    document,
    records,
)

MINUS = "−"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Answer(Result):
    name: ClassVar[str] = "answer"
    question: ClassVar[str] = "Left or right?"
    table: pd.DataFrame
    number: Metric

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return {"order": self.number}

    @property
    def finding(self) -> str:
        return "It knows."

    @property
    def caveats(self) -> tuple[str, ...]:
        return ()

    def frame(self) -> pd.DataFrame:
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        return ()


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "head": pd.array([0, None], dtype="Int64"),
            "n": [1, 2],
            "value": [math.nan, 0.5],
            "high": [math.inf, -math.inf],
            "what": np.array([None, "EP"], dtype=object),
            "when": [pd.NaT, pd.NaT],
            "identical": [True, False],
        }
    )


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        checkpoint="left-right",
        command="lrinterp analyze",
        date="2026-11-22 12:00 UTC",
        versions={"lrinterp": "0.1.0"},
        seed=3,
        settings={"world": {"n_pixels": 10}},
    )


# Scalars.


@pytest.mark.parametrize(
    ("scalar", "text", "interval"),
    [
        (Metric(value=0.9731, low=0.957, high=0.989), "0.973", "[0.957, 0.989]"),
        (Metric(value=-1.25, low=-2.5, high=0.0), f"{MINUS}1.2", f"[{MINUS}2.5, 0.0]"),
        (Metric(value=0.5, low=0.49996, high=0.50004), "0.50000", "[0.49996, 0.50004]"),
        (Metric(value=120.0, low=80.0, high=160.0), "120", "[80, 160]"),
        (Metric(value=-0.001, low=-0.3, high=0.3), "0.00", f"[{MINUS}0.30, 0.30]"),
        (Metric(value=0.5, low=0.5, high=0.5), "0.500", "[0.500, 0.500]"),
        (Metric(value=-0.12345), f"{MINUS}0.123", ""),
        (Metric(value=3.8e-7), f"3.8e{MINUS}07", ""),
        (Metric(value=7), "7", ""),
        (Metric(value="L0H2"), "L0H2", ""),
        pytest.param(Metric(value=1500), "1500", ""),
        pytest.param(Metric(value=-0.0), "0", ""),
        (Metric(value=None), "–", ""),
        (Metric(value=0.5, low=0.4), "0.5", ""),
    ],
)
def test_a_scalar_shows_what_its_interval_deserves(scalar: Metric, text: str, interval: str):
    assert str(scalar) == text
    assert scalar.interval == interval


@pytest.mark.parametrize(
    ("half", "digits"),
    [(0.5, 2), (0.1, 2), (0.0999, 2), (0.0161, 3), (0.04, 2), (1e-9, 10), (1.0, 1), (30.0, 0)],
)
def test_one_figure_of_the_half_width_or_two(half: float, digits: int):
    assert Metric(value=0.0, low=-half, high=half).digits == digits


def test_a_scalar_of_a_row():
    row = {"slope": 0.5, "low": math.nan, "high": 1.0, "n": 4, "set": "single"}
    assert Metric.of(row, "slope") == Metric(value=0.5, low=None, high=1.0, n=4)
    assert Metric.of({"value": None}) == Metric(value=None)
    with pytest.raises(KeyError, match="value"):
        Metric.of(row)


def test_plain_keeps_order_and_drops_what_json_cannot_hold():
    plain = Metric(value=math.nan, low=-math.inf, high=1.0, n=3).plain()
    assert list(plain.items()) == [
        ("value", None), ("low", None), ("high", 1.0), ("n", 3), ("n_units", None),
    ]  # fmt: skip


# Tables.


def test_records_hold_numbers_or_none(table: pd.DataFrame):
    assert records(table) == [
        {"head": 0, "n": 1, "value": None, "high": None, "what": None, "when": None,
         "identical": True},
        {"head": None, "n": 2, "value": 0.5, "high": None, "what": "EP", "when": None,
         "identical": False},
    ]  # fmt: skip


def test_integers_stay_integers(table: pd.DataFrame):
    first = records(table)[0]
    assert (type(first["head"]), type(first["n"]), type(first["identical"])) == (int, int, bool)


def test_a_table_without_rows_or_columns_has_no_records(table: pd.DataFrame):
    assert records(table.iloc[:0]) == []
    assert records(pd.DataFrame()) == []


# Documents.


def test_a_document_is_strict_json(table: pd.DataFrame, provenance: Provenance):
    answer = Answer(table=table, number=Metric(value=math.nan, n=2))
    skipped = Skipped(skipped="other", asked="Why?", reason="one layer only")
    plain = document({"answer": answer, "other": skipped}, provenance)
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    assert list(plain) == ["lrinterp", "checkpoint", "results"]
    assert plain["lrinterp"] == "0.1.0"
    summary = {"value": None, "low": None, "high": None, "n": 2, "n_units": None}
    words = {"question": "Left or right?", "finding": "It knows.", "caveats": []}
    entry = {**words, "summary": {"order": summary}, "table": records(table)}
    assert plain["results"]["answer"] == entry
    other = plain["results"]["other"]
    assert (other["summary"], other["table"]) == ({}, [])
    assert other["not_applicable"] == "one layer only"


def test_provenance_as_plain_data(provenance: Provenance):
    plain = provenance.plain()
    assert plain["name"] == "left-right"
    assert plain["world"] == {"n_pixels": 10}
    assert (plain["sha256"], plain["seed"]) == (None, 3)


def test_what_was_skipped_says_so_everywhere():
    skipped = Skipped(skipped="other", asked="Why?", reason="one layer only")
    assert (skipped.name, skipped.question) == ("other", "Why?")
    assert skipped.finding == "Does not apply: one layer only"
    assert skipped.frame().empty
    assert skipped.figures() == skipped.tiles() == skipped.caveats == ()


# Notebooks.


def test_a_result_shows_its_numbers(table: pd.DataFrame):
    html = Answer(table=table, number=Metric(value=0.97312))._repr_html_()
    assert "Left or right?" in html
    assert "It knows." in html
    assert "0.9731" in html


def test_a_figure_shows_itself_and_stays_as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype")
    plot = go.Figure(go.Scatter(y=[1, 2]))
    before = plot.to_json()
    figure = Figure(key="a", title="Order", how_to_read="Up.", plot=plot, table=pd.DataFrame())
    bundle = figure._repr_mimebundle_()
    assert "Order" in json.dumps(bundle)
    assert plot.to_json() == before


def test_attention_shows_itself():
    plot = Attention(component="AttentionPattern", props={"tokens": ["a"], "attention": [[1.0]]})
    figure = Figure(key="a", title="t", how_to_read="h", plot=plot, table=pd.DataFrame())
    assert "AttentionPattern" in figure._repr_mimebundle_()["text/html"]
