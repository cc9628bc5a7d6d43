"""Gradients: rows that are turned and centred, spans by arm, terms that are told from zero."""

from typing import Any

import pytest

from lrinterp.reproduction.gradients import gradients, headline_rows
from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.statistics import of_arms


def test_what_was_planted_is_said_and_drawn(as_claimed: Measures, planted: Any):
    planted.check_section(
        gradients(as_claimed, of_arms(as_claimed)), "standard 12.0", ["rows", "spans", "terms"]
    )


def test_one_arm_alone_is_shown(planted: Any):
    section = gradients(
        planted.measures(arms=("both_1",)), of_arms(planted.measures(arms=("both_1",)))
    )
    assert section.finding.endswith(".")
    assert all(figure.draw().data for figure in section.figures())


def test_rows_are_turned_to_rise_and_centred(as_claimed: Measures):
    """The planted rows fall, and raw ones stand 5 logits too high."""
    rows = headline_rows(as_claimed)
    own = rows[(rows["arm"] == "standard") & (rows["seed"] == 300)]
    whole = own[own["term"] == "key-position"].set_index("pixel")["value"]
    assert whole.is_monotonic_increasing
    assert whole.iloc[-1] - whole.iloc[0] == pytest.approx(12.0, abs=0.1)
    assert own.groupby("term")["value"].mean().abs().max() < 1e-9
    assert set(own["head"]) == {"L0H1"}


def test_terms_without_a_gradient_are_blank(as_claimed: Measures):
    terms = (
        gradients(as_claimed, of_arms(as_claimed))
        .figures()[-1]
        .table.set_index("term")["score (logits)"]
    )
    assert terms["EP (raw)"].notna().sum() >= 4
    assert terms["PP (raw)"].isna().all()
