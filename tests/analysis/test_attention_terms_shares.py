"""Ratios of covariances with intervals, and shares of key parts against a loop; planted writers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from lrinterp import DualEncoder, Examples, record
from lrinterp.analysis.attention_terms_figures import parts_figure
from lrinterp.analysis.attention_terms_shares import Scored, nine_terms, part_shares, share_rows
from lrinterp.stats import Units


def test_shares_are_ratios_of_sums_with_intervals_over_units():
    covariance = np.array([[[1.0], [2.0], [3.0], [0.0]], [[0.0], [0.0], [0.0], [1.0]]])
    variance = covariance.sum(0)
    units = Units.of_groups(np.array([0, 0, 1, 1]))
    rows = list(share_rows(["a", "b"], covariance, variance, units, layer=2))
    assert [(row["head"], row["term"]) for row in rows] == [
        (0, "a"),
        (0, "b"),
        (None, "a"),
        (None, "b"),
    ]
    assert {row["layer"] for row in rows} == {2}
    assert rows[0]["value"] == pytest.approx(6 / 7)
    half = stats.t.ppf(0.975, 1) * np.hypot(1 / 8, 1 / 8)  # 3 / 4 and 1 without either unit
    assert (rows[0]["low"], rows[0]["high"]) == pytest.approx((6 / 7 - half, 6 / 7 + half))
    assert (rows[0]["n"], rows[0]["n_units"]) == (4, 2)


def test_the_error_sees_one_wrong_number_in_any_chunk(micro_recording, monkeypatch):
    part = Scored.of(micro_recording, "image")
    monkeypatch.setattr("lrinterp.analysis.attention_terms_shares.CHUNK", 4)
    assert nine_terms(part, 0, "canonical")[1] < 1e-6
    part.run.sites["blocks.0.attn.hook_attn_scores"][-1, 1, 2, 3] += 6
    largest = float(part.run.cache["attn_scores", 0].abs().max())
    assert nine_terms(part, 0, "raw")[1] == pytest.approx(6 / largest, rel=1e-4)


def shaken(small, **changes) -> tuple[DualEncoder, Examples]:
    """Two random layers with norms and biases."""
    run = small("full", image_layers=2, text_layers=2, **changes)
    generator = torch.Generator().manual_seed(4)
    for weight in run.model.trainable().values():
        weight.data += 0.3 * torch.randn(weight.shape, generator=generator)
    return run.model, run.examples


@pytest.mark.parametrize("tower", ["image", "text"])
def test_shares_against_a_loop_over_recorded_parts(small, tower):
    """Each part by its own hook, in float64, one example and head at a time."""
    model, examples = shaken(small)
    part = Scored.of(record(model, examples), tower)
    rows, error = part_shares(part, 1, by_head=True)
    found = {(row["head"], row["term"]): row["value"] for row in rows}
    assert error < 1e-5
    network, values = model.towers[tower], part.run.inputs.values
    network.set_use_attn_result(True)
    with torch.no_grad():
        _, cache = network.run_with_cache(values)
    network.set_use_attn_result(False)
    result = cache["blocks.0.attn.hook_result"].double()
    written = {
        "L0H0": result[:, :, 0],
        "L0H1": result[:, :, 1],
        "L0 mlp": cache["blocks.0.hook_mlp_out"].double(),
    }
    x = cache["blocks.1.hook_resid_pre"].double()
    block: Any = network.blocks[1]
    w, W_K = (v.detach().double() for v in (block.ln1.w, block.attn.W_K[1]))
    scale = (x.var(-1, unbiased=False, keepdim=True) + network.cfg.eps).sqrt()
    covariance = dict.fromkeys(written, 0.0)
    variance = 0.0
    for n, pool in enumerate(part.run.inputs.pool.tolist()):
        whole = cache["blocks.1.attn.hook_attn_scores"][n, 1, pool].double()
        seen = range(pool + 1) if tower == "text" else range(len(whole))
        query = cache["blocks.1.attn.hook_q"][n, pool, 1].double()
        centred = whole[list(seen)] - whole[list(seen)].mean()
        variance += float(centred @ centred)
        for name, piece in written.items():
            read = (piece[n] - piece[n].mean(-1, keepdim=True)) / scale[n] * w
            scores = (read @ W_K @ query / 2)[list(seen)]
            covariance[name] += float((scores - scores.mean()) @ centred)
    for name, value in covariance.items():
        assert found[1, name] == pytest.approx(value / variance, abs=1e-4)


def test_a_head_that_writes_nothing_has_no_share_and_the_one_that_writes_all_has_it(small):
    model, examples = shaken(small, normalization="none")
    block = model.image.blocks[0]
    block.attn.W_O.data[0] = 0
    block.mlp.W_out.data[:] = 0
    block.attn.W_O.data[1] *= 100
    rows, _ = part_shares(Scored.of(record(model, examples), "image"), 1, by_head=False)
    share = {row["term"]: row["value"] for row in rows}
    assert share["L0H0"] == share["L0 mlp"] == 0
    assert share["L0H1"] > 0.8


def test_rows_of_few_examples_are_those_of_all(small, monkeypatch):
    model, examples = shaken(small)
    part = Scored.of(record(model, examples), "text")
    whole, error = part_shares(part, 1, by_head=False)
    monkeypatch.setattr("lrinterp.analysis.attention_terms_shares.CHUNK", 7)
    pieces, again = part_shares(part, 1, by_head=False)
    first, second = ([row["value"] for row in rows] for rows in (whole, pieces))
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert again == pytest.approx(error, rel=1)


def written(layers: int) -> pd.DataFrame:
    """Every part of a tower with one head a layer, 0.25 each."""
    rows = []
    for layer in range(layers):
        below = [name for k in range(layer) for name in (f"L{k}H0", f"L{k} b_O", f"L{k} mlp")]
        for name in ("embed", "pos", "ln_pre.b", *below, "bias"):
            place = {"encoder": "image", "layer": layer, "head": None, "term": name}
            rows.append({**place, "value": 0.25})
    return pd.DataFrame(rows)


def test_few_layers_show_every_part_and_many_show_sums():
    few = parts_figure(written(3)).draw().data[0]
    parts = ["L0H0", "L0 b_O", "L0 mlp", "L1H0", "L1 b_O", "L1 mlp"]
    assert list(few.x) == ["embed", "pos", "ln_pre.b", *parts, "bias"]
    assert list(few.y) == ["L0", "L1", "L2"]
    many = parts_figure(written(6)).draw().data[0]
    assert list(many.x)[:5] == ["embed", "pos", "ln_pre.b", "L0 heads", "L0 MLP"]
    assert list(many.x)[-1] == "bias"
    assert many.z[5].tolist()[3:5] == [0.5, 0.25]  # a head and its output bias are one
    assert pd.isna(many.z[0]).tolist() == [*[False] * 3, *[True] * 10, False]
