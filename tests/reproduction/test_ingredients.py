"""Ingredients: what ablations cost every arm, what makes the margin, how labels are rotated."""

from typing import Any

import numpy as np
import pytest

from lrinterp.reproduction.claim_statistics import of_arms
from lrinterp.reproduction.ingredients import ablations, attribution, rotation


def test_every_ablation_of_every_arm_has_a_row_a_seed(as_claimed, found, planted):
    section = ablations(as_claimed, found)
    planted.check_section(section, ["order", "label"])
    table = section.frame()
    assert len(table) == 6 * 8 * 2 * 11
    after = table.query("arm == 'standard' and measure == 'order' and ablation == 'without EP'")
    assert after["value"].mean() == pytest.approx(0.52, abs=0.01)


def test_heads_are_added_up_and_what_is_nothing_is_blank(as_claimed, found, planted):
    section = attribution(as_claimed, found)
    planted.check_section(section, ["parts", "ranks"])
    table = section.figures()[0].table.set_index(["role", "part"])
    value = table["contribution (cosine)"]
    assert value["right", "token"] == pytest.approx(0.3, abs=0.01)
    assert value["left", "token"] == pytest.approx(-0.1, abs=0.01)
    assert np.isnan(value["CLS", "bias"])


def test_cosines_before_and_after_the_rotation(as_claimed, found, planted):
    section = rotation(as_claimed, found)
    planted.check_section(section, ["cosines"])
    assert len(section.frame()) == 2 * 6 * 8


def test_one_arm_alone_is_shown(planted: Any):
    alone = planted.measures(arms=("both_1",))
    made = [make(alone, of_arms(alone)) for make in (ablations, attribution, rotation)]
    keys = [figure.key for section in made for figure in section.figures()]
    assert keys == ["order", "label", "ranks"]
