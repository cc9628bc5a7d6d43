"""Heads: rows that are turned and centred, terms told from zero, the first mention."""

from typing import Any

import pytest

from lrinterp.reproduction.claim_statistics import of_arms
from lrinterp.reproduction.heads import gradients, headline_rows, text_heads
from lrinterp.reproduction.measured_models import Measures


def test_what_was_planted_is_said_and_drawn(as_claimed, found, planted):
    section = gradients(as_claimed, found)
    planted.check_section(section, ["rows", "spans", "terms"])
    terms = section.figures()[-1].table.set_index("term")["score (logits)"]
    assert terms["EP (raw)"].notna().sum() >= 4
    assert terms["PP (raw)"].isna().all()  # no trend, and blank


def test_the_first_mention_is_said_and_drawn(as_claimed, found, planted):
    planted.check_section(text_heads(as_claimed, found), ["heads", "orders"])


def test_one_arm_alone_is_shown(planted: Any):
    alone = planted.measures(arms=("both_1",))
    figures = [f for make in (gradients, text_heads) for f in make(alone, of_arms(alone)).figures()]
    keys = [figure.key for figure in figures]
    assert keys == ["rows", "spans", "heads", "orders"]


def test_rows_are_turned_to_rise_and_centred(as_claimed: Measures):
    """The planted rows fall, and raw ones stand 5 logits too high."""
    rows = headline_rows(as_claimed)
    own = rows[(rows["arm"] == "standard") & (rows["seed"] == 300)]
    whole = own[own["term"] == "key-position"].set_index("pixel")["value"]
    assert whole.is_monotonic_increasing
    assert whole.iloc[-1] - whole.iloc[0] == pytest.approx(12.0, abs=0.1)
    assert own.groupby("term")["value"].mean().abs().max() < 1e-9
    assert set(own["head"]) == {"L0H1"}
