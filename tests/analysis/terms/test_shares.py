"""Ratios of covariances with intervals, the error of the sum, and the names of positions."""

import numpy as np
import pytest
import torch
from scipy import stats

from lrinterp import record
from lrinterp.analysis.terms.shares import Part, chunks, position_names, share_rows
from lrinterp.axes import Tokens
from lrinterp.decomposition import embedding_in, score_terms
from lrinterp.stats import Units

pytestmark = pytest.mark.usefixtures("one_thread")


def test_shares_are_ratios_of_sums_with_intervals_over_units():
    covariance = np.array([[[1.0], [2.0], [3.0], [0.0]], [[0.0], [0.0], [1e-12], [1.0]]])
    variance = covariance.sum(0)
    units = Units.of_groups(np.array([0, 0, 1, 1]))
    rows = list(share_rows(["a", "b"], covariance, variance, units, (0, None)))
    assert [(row["head"], row["term"]) for row in rows] == [
        (0, "a"),
        (0, "b"),
        (None, "a"),
        (None, "b"),
    ]
    assert rows[0]["value"] == pytest.approx(6 / 7)
    half = stats.t.ppf(0.975, 1) * np.hypot(1 / 8, 1 / 8)  # 3 / 4 and 1 without either unit
    assert (rows[0]["low"], rows[0]["high"]) == pytest.approx((6 / 7 - half, 6 / 7 + half))
    assert (rows[0]["n"], rows[0]["n_units"]) == (4, 2)


def test_terms_of_the_first_layer_are_those_of_the_weights(left_right):
    part = Part.of(left_right, "text")
    for gauge in ("canonical", "raw"):
        space = embedding_in(part.model, left_right.examples.occurs["text"], gauge)
        assert isinstance(part.inputs, Tokens)
        expected = score_terms(part.model, part.inputs, space)
        seen = part.streams.seen[:, None, None].expand_as(expected[0])
        found, _ = part.measured(0, gauge)
        torch.testing.assert_close(found[:, seen], part.terms(gauge)[:, seen], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[:, seen], expected[:, seen], atol=1e-4, rtol=1e-4)


def test_the_error_sees_one_wrong_number_in_any_chunk(
    micro_recording, monkeypatch: pytest.MonkeyPatch
):
    part = Part.of(micro_recording, "image")
    monkeypatch.setattr("lrinterp.analysis.terms.shares.CHUNK", 4)
    assert part.measured(0, "canonical")[1] < 1e-6
    part.run.sites["blocks.0.attn.hook_attn_scores"][-1, 1, 2, 3] += 6
    largest = float(part.cached(0).abs().max())
    assert part.measured(0, "raw")[1] == pytest.approx(6 / largest, rel=1e-4)


def test_chunks_cover_everything_once():
    found = [i for some in chunks(10, 4) for i in range(10)[some]]
    assert found == list(range(10))


def test_positions_are_counted_from_one_behind_cls(micro_recording, photographs):
    row = Part.of(micro_recording, "image")
    assert position_names(row, 4) == ["CLS", "1", "2", "3"]
    grid = Part.of(record(*photographs), "image")
    names = position_names(grid, 13)
    assert names[:6] == ["CLS", "1,1", "1,2", "1,3", "1,4", "2,1"]
    assert len(names) == 13
