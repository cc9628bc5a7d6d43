"""Text heads: the preference for the first mention, and order by templates and layers."""

from typing import Any

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.statistics import of_arms
from lrinterp.reproduction.text_heads import text_heads


def test_what_was_planted_is_said_and_drawn(as_claimed: Measures, planted: Any):
    planted.check_section(
        text_heads(as_claimed, of_arms(as_claimed)), "gives it 0.", ["heads", "orders"]
    )


def test_one_arm_alone_is_shown(planted: Any):
    section = text_heads(
        planted.measures(arms=("both_1",)), of_arms(planted.measures(arms=("both_1",)))
    )
    assert section.finding.endswith(".")
    assert all(figure.draw().data for figure in section.figures())
