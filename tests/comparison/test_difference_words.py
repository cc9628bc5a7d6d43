"""Rows of differences in words, each digit and dash in its place."""

from typing import Any

import pandas as pd
import pytest

from lrinterp.comparison.difference_words import (
    bare,
    changed,
    counts,
    said,
    sentence,
    tile_of,
    told,
)

ROW: dict[str, Any] = {
    "key": "unseen_pair_order", "quantity": "unseen pair order", "checkpoint": "b", "name": "",
    "value": 0.5, "low": 0.45, "high": 0.55, "n": 90, "n_units": 10,
    "difference": -0.4, "difference_low": -0.45, "difference_high": -0.35, "difference_n": 90,
    "difference_n_units": 10, "paired": "yes", "p": 0.001, "q": 0.0123, "verdict": "differs",
}  # fmt: skip
FIRST = {
    **ROW, "checkpoint": "a", "value": 0.9, "low": 0.85, "high": 0.95, "difference": None,
    "p": None, "q": None, "paired": "", "verdict": "",
}  # fmt: skip
NB = "\u00a0"


def test_cells():
    assert bare(ROW) == "0.50"
    assert bare({**ROW, "name": "L0H2", "value": None}) == "L0H2"
    assert changed(ROW) == f"−0.40{NB}[−0.45,{NB}−0.35]"
    assert changed(FIRST) == "–"
    assert told(ROW) == f"differs (q{NB}={NB}0.012)"
    assert told({**ROW, "paired": "no"}) == f"differs (q{NB}={NB}0.012, not paired)"
    assert told({**ROW, "q": 0.0004}) == f"differs (q{NB}<{NB}0.001)"
    assert told({**ROW, "q": None, "verdict": "not tested"}) == f"not tested (p{NB}={NB}0.001)"
    assert told({**ROW, "p": None, "q": None, "verdict": "exact"}) == "exact"
    assert told(FIRST) == "–"
    assert said(FIRST) == "–"
    assert said(ROW) == f"{changed(ROW)} {told(ROW)}"


def test_a_sentence_names_both_numbers():
    text = sentence(pd.DataFrame([FIRST, ROW]), "a", "b")
    assert text.startswith("b against a: 1 of 1 tested quantity differs; unseen pair order is 0.5")
    assert "instead of 0.9" in text
    assert text.endswith(f"(paired on 90 pictures, q{NB}={NB}0.012: differs).")


def test_many_checkpoints_are_listed_up_to_a_dozen():
    names = [f"m{k}" for k in range(14)]
    table = pd.DataFrame([FIRST, *({**ROW, "checkpoint": name} for name in names)])
    text = counts(table, "a", names)
    assert text.startswith("Tested quantities that differ from those of a: m0 in 1 of 1, m1 in 1")
    assert text.endswith("m11 in 1 of 1 and 2 others.")


@pytest.mark.parametrize("key", ["seen_pair_order", "mixed_pair_order"])
def test_a_number_that_is_not_spoken_of_is_counted(key: str):
    rows = [{**row, "key": key} for row in (FIRST, ROW, {**ROW, "verdict": "not told apart"})]
    assert sentence(pd.DataFrame(rows), "a", "b") == "b against a: 1 of 2 tested quantities differ."


def test_a_tile_says_good_or_bad_in_words():
    tile = tile_of({**ROW, "paired": "no"}, "a")
    assert tile.label == "Unseen pair order: b minus a"
    assert tile.words == f"differs (q{NB}={NB}0.012, not paired)"
    assert tile.scalar.value == -0.4
