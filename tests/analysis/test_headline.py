"""The headline head is that of the whole analysis, on both shipped checkpoints."""

from collections.abc import Mapping

import pytest

from lrinterp import Recording
from lrinterp.analysis import Bench
from lrinterp.analysis.headline import headline
from lrinterp.result import Result


@pytest.mark.parametrize("name", ["left_right", "no_gradient"])
def test_head_and_fits_are_those_of_the_analysis(name: str, request: pytest.FixtureRequest):
    recording: Recording = request.getfixturevalue(name)
    results: Mapping[str, Result] = request.getfixturevalue(f"{name}_results")
    head, fits = headline(Bench(recording.model, recording.examples.of("unseen_pair")))
    found = results["positional_gradient"].summary
    assert found["headline_head"].value == f"L0H{head}"
    assert found["headline_slope"].value == pytest.approx(fits[head]["slope"])
    assert len(fits) == recording.model.image.cfg.n_heads
