import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from lrinterp.result import Check, Figure, Metric, Provenance, Result, Skipped, document, records

MINUS = "−"
CHECK = Check(key="sum", what="parts minus whole", value=0.0, bound=1e-5)


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

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        return {"heads": self.table[["head"]]}

    @property
    def checks(self) -> tuple[Check, ...]:
        return (CHECK,)


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


def test_records_hold_numbers_or_none_and_integers_stay(table: pd.DataFrame):
    assert records(table) == [
        {"head": 0, "n": 1, "value": None, "high": None, "what": None, "when": None,
         "identical": True},
        {"head": None, "n": 2, "value": 0.5, "high": None, "what": "EP", "when": None,
         "identical": False},
    ]  # fmt: skip
    first = records(table)[0]
    assert (type(first["head"]), type(first["n"]), type(first["identical"])) == (int, int, bool)
    assert records(table.iloc[:0]) == records(pd.DataFrame()) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "passed"), (0.5, "passed"), (0.6, "failed"), (math.nan, "failed"), (math.inf, "failed")],
)
def test_an_error_passes_up_to_its_bound(value: float, said: str):
    check = Check(key="sum", what="parts minus whole", value=value, bound=0.5)
    assert check.passes is (said == "passed")
    assert str(check).endswith(said)
    shown = value if math.isfinite(value) else None
    plain = {"key": "sum", "what": "parts minus whole", "value": shown, "bound": 0.5}
    assert check.plain() == {**plain, "passes": check.passes}


def test_a_document_is_strict_json(table: pd.DataFrame):
    about = {"date": "2026-11-22", "versions": {"lrinterp": "0.1.0"}, "seed": 3}
    provenance = Provenance(checkpoint="left-right", settings={"world": {"n_pixels": 10}}, **about)
    answer = Answer(table=table, number=Metric(value=math.nan, n=2))
    skipped = Skipped(skipped="other", asked="Why?", reason="one layer only")
    plain = document({"answer": answer, "other": skipped}, provenance)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == ["lrinterp", "checkpoint", "results"]
    checkpoint = {"name": "left-right", "sha256": None, "command": "", "world": {"n_pixels": 10}}
    assert plain["checkpoint"] == {**checkpoint, **about}
    summary = {"value": None, "low": None, "high": None, "n": 2, "n_units": None}
    words = {"question": "Left or right?", "finding": "It knows.", "caveats": []}
    numbers = {"summary": {"order": summary}, "checks": [CHECK.plain()], "table": records(table)}
    tables = {"tables": {"heads": [{"head": 0}, {"head": None}]}}
    assert plain["results"]["answer"] == {**words, **numbers, **tables}
    other = plain["results"]["other"]
    assert (other["question"], other["summary"], other["table"]) == ("Why?", {}, [])
    assert other["not_applicable"] == "one layer only"


def test_a_result_shows_its_numbers_in_a_notebook(table: pd.DataFrame):
    html = Answer(table=table, number=Metric(value=0.97312))._repr_html_()
    for words in ("Left or right?", "It knows.", "0.9731"):
        assert words in html
