"""Tables on the screen: every text is there whole, none of it is obeyed."""

import pandas as pd
import pytest

from lrinterp.cli.screen import print_frame, print_rows, print_summary, with_sign
from lrinterp.result import Metric


def shown(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line that holds some."""
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]


def test_rows_stand_under_their_headings(capsys: pytest.CaptureFixture[str]):
    print_rows(("", "value"), [("group",), ("  one", "1.5"), ("  two", "[red]x[/red]")])
    assert shown(capsys) == [["value"], ["group"], ["one", "1.5"], ["two", "[red]x[/red]"]]


def test_control_characters_are_left_out(capsys: pytest.CaptureFixture[str]):
    print_frame(pd.DataFrame({"name": ["a\x1b[31m"], "n": [3]}))
    assert shown(capsys) == [["name", "n"], ["a[31m", "3"]]


def test_numbers_have_interval_and_n(capsys: pytest.CaptureFixture[str]):
    numbers = {"order": Metric(value=0.5, low=0.4, high=0.6, n=1234), "head": Metric(value="L0H1")}
    print_summary([("accuracy", numbers)])
    value, low = str(numbers["order"]), numbers["order"].interval
    assert shown(capsys) == [
        ["value", "95", "%", "interval", "n"],
        ["accuracy"],
        ["order", value, *low.split(), "1,234"],
        ["head", "L0H1"],
    ]


def test_names_stay_whole_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    rows = [(letter * 90, letter * 30) for letter in "ab"]
    print_rows(("", "value"), rows)
    assert shown(capsys) == [["value"], *map(list, rows)]


def test_a_bound_is_a_sign():
    assert with_sign("at least 0.05") == "≥ 0.05"
    assert with_sign("at most 0.1") == "≤ 0.1"
