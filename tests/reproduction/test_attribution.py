"""Attribution: contributions to the margin, and its rank correlation with attention."""

from typing import Any

import numpy as np
import pytest

from lrinterp.reproduction.attribution import attribution
from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.statistics import of_arms


def test_what_was_planted_is_said_and_drawn(as_claimed: Measures, planted: Any):
    planted.check_section(
        attribution(as_claimed, of_arms(as_claimed)), "is 0.80", ["parts", "ranks"]
    )


def test_one_arm_alone_is_shown(planted: Any):
    section = attribution(
        planted.measures(arms=("both_1",)), of_arms(planted.measures(arms=("both_1",)))
    )
    assert section.finding.endswith(".")
    assert all(figure.draw().data for figure in section.figures())


def test_heads_are_added_up_and_what_is_nothing_is_blank(as_claimed: Measures):
    table = (
        attribution(as_claimed, of_arms(as_claimed)).figures()[0].table.set_index(["role", "part"])
    )
    value = table["contribution (cosine)"]
    assert value["right", "token"] == pytest.approx(0.3, abs=0.01)
    assert value["left", "token"] == pytest.approx(-0.1, abs=0.01)
    assert np.isnan(value["CLS", "bias"])
