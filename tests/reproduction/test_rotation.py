"""Rotation: cosines as they stand, rotated, and with the labels of the fit shuffled."""

from typing import Any

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.rotation import rotation
from lrinterp.reproduction.statistics import of_arms


def test_what_was_planted_is_said_and_drawn(as_claimed: Measures, planted: Any):
    planted.check_section(rotation(as_claimed, of_arms(as_claimed)), "0.50", ["cosines"])


def test_one_arm_alone_is_shown(planted: Any):
    section = rotation(
        planted.measures(arms=("both_1",)), of_arms(planted.measures(arms=("both_1",)))
    )
    assert section.finding.endswith(".")
    assert all(figure.draw().data for figure in section.figures())
