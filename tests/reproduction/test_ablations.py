"""Ablations: order and label set of every arm after each of them."""

from typing import Any

import pytest

from lrinterp.reproduction.ablations import ablations
from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.statistics import of_arms


def test_what_was_planted_is_said_and_drawn(as_claimed: Measures, planted: Any):
    planted.check_section(
        ablations(as_claimed, of_arms(as_claimed)), "order 0.969", ["order", "label"]
    )


def test_one_arm_alone_is_shown(planted: Any):
    section = ablations(
        planted.measures(arms=("both_1",)), of_arms(planted.measures(arms=("both_1",)))
    )
    assert section.finding.endswith(".")
    assert all(figure.draw().data for figure in section.figures())


def test_every_ablation_of_every_arm_has_a_row_a_seed(as_claimed: Measures):
    table = ablations(as_claimed, of_arms(as_claimed)).frame()
    assert len(table) == 6 * 8 * 2 * 11
    after = table.query("arm == 'standard' and measure == 'order' and ablation == 'without EP'")
    assert after["value"].mean() == pytest.approx(0.52, abs=0.01)
    assert "0.52 without EP" in ablations(as_claimed, of_arms(as_claimed)).figures()[0].how_to_read
