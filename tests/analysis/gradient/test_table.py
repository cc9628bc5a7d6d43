"""Fits as a table: numbers that are measured alone are those of the whole analysis."""

from collections.abc import Mapping

import pytest

from lrinterp.analysis.positional_gradient_table import fit_in, plain_fits, slopes_in, some_gradients
from lrinterp.analysis.subject import is_large
from lrinterp.result import Result
from lrinterp.run import Run
from lrinterp.wording import head_place

KEYS = (
    "headline_head", "headline_slope", "headline_span", "headline_spearman", "widest_span",
    "largest_slope", "headline_spearman_EP", "headline_spearman_PP", "headline_spearman_bP",
)  # fmt: skip


@pytest.mark.parametrize("name", ["left_right", "no_gradient"])
def test_alone_a_number_is_that_of_the_analysis(name: str, request: pytest.FixtureRequest):
    recording: Run = request.getfixturevalue(name)
    results: Mapping[str, Result] = request.getfixturevalue(f"{name}_results")
    whole = results["positional_gradient"]
    found = some_gradients(recording, [*KEYS, "null_span", "odd"])
    assert found == {key: whole.number(key) for key in KEYS}


def test_the_largest_slope_is_that_of_the_steepest_head(left_right: Run):
    table = plain_fits(left_right.of("unseen_pair"))
    slopes = slopes_in(table)
    assert len(slopes) == left_right.model.image.cfg.n_heads
    place = max(slopes, key=lambda head: abs(slopes[head]))
    found = some_gradients(left_right, ["largest_slope", "headline_head", "headline_slope"])
    assert found["largest_slope"].value == abs(fit_in(table, place)["slope"])
    headline = head_place(str(found["headline_head"].value))
    assert found["headline_slope"].value == slopes[headline]


def test_of_a_large_tower_nothing_is_measured_alone(
    left_right: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lrinterp.analysis.subject.LARGE", 3)
    assert is_large(left_right.model)
    assert some_gradients(left_right, KEYS) == {}
