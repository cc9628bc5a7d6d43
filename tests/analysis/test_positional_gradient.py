"""Planted gradients are found in rows, grids and at depth, with their sign; rows and mirrors."""

from collections.abc import Mapping
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import DualEncoder, Examples, record
from lrinterp.analysis.ablation.term_ablation import term_ablation
from lrinterp.analysis.positional_gradient import (
    PositionalGradient,
    attention_gains,
    positional_gradient,
)
from lrinterp.analysis.positional_gradient_rows import LayerRows, slopes, tower_rows
from lrinterp.axes import Tokens
from lrinterp.result import Metric, Result

WHOLE = "EP+PP+bP"


def ablation_with(order_lost: Mapping[tuple[int, int], tuple[float, float]]) -> Result:
    """A result whose heads each lost so much order, by the ends of its interval."""
    rows = [
        {"layer": layer, "head": head, "value": sum(ends) / 2, "low": ends[0], "high": ends[1]}
        for (layer, head), ends in order_lost.items()
    ]
    return Mock(spec=Result, tables={"order_lost": pd.DataFrame(rows)})


def gradient_of(recording) -> PositionalGradient:
    """The gradient, chosen by its slope: no head's removal cost any order."""
    return positional_gradient(recording, term_ablation=ablation_with({(0, 0): (-0.1, 0.1)}))


def untrained(small, **changes) -> tuple[DualEncoder, Examples]:
    """An untrained model of the recipe's scales on ten pixels, with every bias at work."""
    of = {"n_pixels": 10, "n_labels": 4, "n_val": 2, "layouts_per_pair": 40}
    run = small(**of, noise=(2, 0.1), **{"d_model": 16, "d_head": 8, "d_embed": 8, **changes})
    return run.model, run.examples


def plant(model: DualEncoder, slope: float) -> None:
    """Positions that raise head 0's score of the pooled query by `slope` logits a pixel."""
    image, attn = model.image, model.image.blocks[0].attn
    cls = image.W_E[-1] + image.W_pos[0]
    query = cls @ attn.W_Q[0] + attn.b_Q[0]
    key = attn.W_K[0] @ query / image.cfg.attn_scale  # score of P = P @ key
    ramp = torch.linspace(-4.5, 4.5, 10)[:, None] * slope
    image.pos_embed.W_pos.data[1:] = ramp * (key / (key @ key)).detach()


def test_the_micro_model_by_hand(micro, micro_examples):
    """EP and bP rise by a logit a pixel, PP not at all; the second head is minus half of that."""
    recording = record(micro, micro_examples.of("mixed_pair"))
    result = positional_gradient(recording, term_ablation=term_ablation(recording, draws=1))
    for gauge in ("canonical", "raw"):
        for term, slope in {"EP": 1, "PP": 0, "bP": 1, WHOLE: 2}.items():
            for head, factor in enumerate((1, -0.5)):
                row = result.fit_of(head, term, gauge)
                assert row["slope"] == pytest.approx(slope * factor)
                assert row["span"] == pytest.approx(abs(2 * slope * factor))
                sign = None if slope == 0 else pytest.approx(np.sign(slope * factor))
                assert row["spearman"] == sign
                assert row["r2"] == (None if slope == 0 else pytest.approx(1))
    summary = result.metrics
    assert summary["headline_head"] == Metric(value="L0H0", estimator="name")
    assert summary["headline_slope"].value == pytest.approx(2)
    assert (summary["headline_slope"].low, summary["headline_slope"].n) == (None, None)
    canonical = result.rows.query("gauge == 'canonical' and head == 'L0H1' and term == @WHOLE")
    assert canonical[["pixel", "value"]].to_numpy().tolist() == [[1, 1], [2, 0], [3, -1]]


@pytest.mark.parametrize("slope", [0.5, -0.3])
def test_a_planted_gradient_is_found_with_its_sign_and_stands_out(small, slope):
    model, examples = untrained(small)
    quiet = gradient_of(record(model, examples)).fit_of(0)
    plant(model, slope)
    result = gradient_of(record(model, examples))
    row = result.fit_of(0)
    assert row["slope"] == pytest.approx(slope, rel=1e-4)
    assert row["spearman"] == pytest.approx(np.sign(slope))
    assert row["r2"] == pytest.approx(1)
    assert (row["null"], result.null) == ("untrained", "untrained")
    assert abs(row["slope"]) > 10 * row["null_high"]
    assert abs(quiet["slope"]) < 3 * quiet["null_high"]
    assert row["null_span"] == pytest.approx(9 * row["null_high"])
    assert np.sign(row["attention_gain"]) == np.sign(slope)


def rows_of(model: DualEncoder, examples: Examples) -> LayerRows:
    """All rows of the image tower on these pictures."""
    return tower_rows(record(model, examples, progress=False).streams["image"])


@pytest.mark.parametrize("normalization", ["none", "LN"])
def test_the_mirrored_row(small, normalization):
    """Reversing the patch rows of W_pos turns every slope round and mirrors every picture."""
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    model, examples = untrained(small, normalization=normalization, **scales)
    tokens = model.prepare(examples)["image"]
    flipped = Tokens(torch.cat([tokens.ids[:, :1], tokens.ids[:, 1:].flip(1)], 1), tokens.pool)
    embedded = model.embed_all("image", tokens)
    before = rows_of(model, examples)
    model.image.pos_embed.W_pos.data[1:] = model.image.W_pos.data[1:].flip(0).clone()
    torch.testing.assert_close(model.embed_all("image", flipped), embedded, atol=1e-5, rtol=1e-5)
    assert (model.embed_all("image", tokens) - embedded).abs().max() > 1e-3
    after = rows_of(model, replace(examples, image=flipped))
    for key, rows in before.items():
        np.testing.assert_allclose(after[key], rows[:, ::-1], atol=1e-5)
        np.testing.assert_allclose(slopes(after[key]), -slopes(rows), atol=1e-5)
    assert np.abs(slopes(before[0, "canonical", WHOLE])).max() > 0.01


def plant_above(model: DualEncoder, examples, slope: float) -> None:
    """Turn one key matrix of the second layer so that its mean pooled row is a ramp."""
    streams = record(model, examples).streams["image"]
    attn = model.image.blocks[1].attn
    position = streams.positions(1)[1:]
    ramp = torch.linspace(-4.5, 4.5, 10) * slope
    direction = torch.linalg.lstsq(position, ramp[:, None]).solution[:, 0]
    query = torch.zeros(8)
    query[0] = model.image.cfg.attn_scale
    attn.W_Q.data[1], attn.b_Q.data[1] = 0, query
    attn.W_K.data[1] = 0
    attn.W_K.data[1, :, 0] = direction


def test_a_gradient_planted_in_the_second_layer_is_the_headline(small):
    model, examples = untrained(small, image_layers=2, std_W_pos=0.5)
    plant_above(model, examples, -0.6)
    result = gradient_of(record(model, examples))
    assert result.metrics["headline_head"].value == "L1H1"
    assert result.metrics["headline_slope"].value == pytest.approx(-0.6, rel=1e-3)
    assert result.metrics["headline_spearman"].value == pytest.approx(-1)
    row = result.fit_of(1, layer=1)
    assert (row["gauge"], row["term"], row["r2"]) == ("means", WHOLE, pytest.approx(1))
    quiet = result.fit_of(0, layer=1)
    assert abs(row["slope"]) > 3 * abs(quiet["slope"])
    assert row["null_high"] == result.fit_of(0)["null_high"]  # one null for the heads of a tower
    assert {figure.key for figure in result.figures()} == {"rows-means", "slopes", "gain"}
    assert set(result.headline_rows["head"]) == {"L1H0", "L1H1"}
    gain = recorded_gain(record(model, examples), 1, 1)
    assert row["attention_gain"] == pytest.approx(gain, abs=1e-6)


def recorded_gain(recording, layer: int, head: int) -> float:
    pattern = recording.cache["image"]["pattern", layer].numpy()
    left, right = recording.examples.image_pixels.T + 1
    rows = pattern[:, head, 0]
    return float(np.mean([row[b] - row[a] for row, a, b in zip(rows, left, right, strict=True)]))


def test_a_grid_of_patches_has_slopes_in_both_directions(photographs):
    """By least squares on the same rows; positions planted along both axes are told apart."""
    model, examples = photographs
    recording = record(model, examples)
    result = gradient_of(recording)
    rows = tower_rows(recording.streams["image"])
    height, width = examples.grid
    y, x = np.indices((height, width)).reshape(2, -1)
    design = np.column_stack([np.ones(height * width), x, y])
    for layer in range(2):
        values = rows[layer, ("canonical", "means")[layer], WHOLE]
        for head, row in enumerate(values):
            _, right, down = np.linalg.lstsq(design, row, rcond=None)[0]
            fit = result.fit_of(head, layer=layer)
            assert fit["slope"] == pytest.approx(right)
            assert fit["slope_y"] == pytest.approx(down)
            assert fit["span_y"] == pytest.approx(abs(down) * (height - 1))
    assert result.null == "permuted"
    assert [figure.key for figure in result.figures()] == ["map", "slopes", "gain"]
    assert {"headline_slope_y", "headline_span_y"} <= set(result.metrics)


def test_it_follows_the_ablation_it_is_given(left_right, left_right_results):
    """The headline comes from the result handed in, not from a second measurement."""
    own = left_right_results["positional_gradient"].metrics["headline_head"]
    assert own.value != "L0H1"
    other = positional_gradient(left_right, term_ablation=ablation_with({(0, 1): (0.1, 0.3)}))
    assert other.metrics["headline_head"].value == "L0H1"


def renamed(examples, names: dict[str, str]):
    """The pictures' roles under other names."""
    roles = {names.get(name, name): mask for name, mask in examples.roles["image"].items()}
    return replace(examples, roles={**examples.roles, "image": roles})


def test_gains_by_layer_and_head_against_a_loop(photographs):
    model, examples = photographs
    recording = record(model, renamed(examples, {"left": "left half", "right": "right half"}))
    gains = attention_gains(recording.of("pictures"))
    assert set(gains) == {(layer, head) for layer in (0, 1) for head in (0, 1)}
    for (layer, head), gain in gains.items():
        rows = recording.cache["image"]["pattern", layer].numpy()[:, head, 0, 1:]
        by_column = rows.reshape(-1, 3, 4).sum(1)
        expected = by_column[:, 2] + by_column[:, 3] - by_column[:, 0]
        assert gain.value == pytest.approx(np.mean(expected), abs=1e-6)
        assert (gain.n, gain.n_units) == (24, 3)


def test_reversed_roles_reverse_the_gain(photographs):
    model, examples = photographs
    here = attention_gains(record(model, examples).of("pictures"))
    turned = record(model, renamed(examples, {"left": "right", "right": "left"}))
    for place, gain in attention_gains(turned.of("pictures")).items():
        assert gain.value == pytest.approx(-float(here[place].value))  # type: ignore[arg-type]
