"""A checkpoint measured: what it needs is computed, and why something is missing is said."""

import pytest

from lrinterp import Recording
from lrinterp.comparison.measured import Measured, measure, not_applied
from lrinterp.recording import fingerprint


@pytest.mark.usefixtures("one_thread")
def test_only_what_was_asked_for_is_measured(no_gradient: Recording):
    found = measure("x", no_gradient, ["accuracy"], progress=False)
    assert list(found.results) == ["accuracy"]
    assert found.scalar("accuracy", "unseen_pair_order").sample is not None
    assert found.weights == fingerprint(no_gradient.model)


def test_a_number_that_is_not_there_has_no_value(knows: Measured):
    assert knows.scalar("accuracy", "unseen_pair_order").value is not None
    assert knows.scalar("accuracy", "nonsense").value is None


def test_a_reason_is_one_line_with_one_full_stop(knows_not: Measured):
    line = not_applied("mine", knows_not.results["activation_patching"])
    assert line.startswith("mine: activation_patching does not apply: ")
    assert line.endswith("are needed.")
