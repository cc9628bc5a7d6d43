"""Fits by hand and against scipy, planted gradients, their nulls, and the mirrored row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from lrinterp import DualEncoder, Scenes, Split, World, load_checkpoint, preset, record
from lrinterp.analysis.gradient_fit import (
    UNTRAINED_MODELS,
    fit_row,
    permuted_null,
    positional_rows,
    slopes,
    untrained_null,
)
from lrinterp.analysis.positional_gradient import PositionalGradient, choose, positional_gradient
from lrinterp.analysis.term_ablation import TermAblation, term_ablation
from lrinterp.axes import Tokens
from lrinterp.result import Scalar

pytestmark = pytest.mark.usefixtures("one_thread")

WHOLE = "EP+PP+bP"
COLUMNS = "encoder layer head term gauge slope span r2 spearman null_high null_span null".split()


def ablation_with(order_lost: dict[int, list[float]]) -> TermAblation:
    """A result whose heads each lost so much order on four label pairs."""
    rows = {"image/none/all/none/canonical": [1.0] * 4}
    for head, lost in order_lost.items():
        rows[f"image/EP+PP+bP/{head}/flatten/canonical"] = [1 - x for x in lost]
    return TermAblation(
        table=pd.DataFrame(),
        chance=0.5,
        ablations=tuple(rows),
        credits=np.array(list(rows.values())),
        clusters=np.arange(4),
        on_objects=np.zeros((2, len(order_lost))),
        focus="unseen_pair",
        normed=False,
        notes=(),
    )


def slope_of(row) -> float:
    """By numpy's least squares."""
    return float(np.polyfit(np.arange(len(row)), row, 1)[0])


def gradient_of(recording) -> PositionalGradient:
    """The gradient, chosen by its slope: no head's removal cost any order."""
    n_heads = recording.model.image.cfg.n_heads
    nothing_lost = ablation_with({head: [0.0] * 4 for head in range(n_heads)})
    return positional_gradient(recording, term_ablation=nothing_lost)


def small(seed: int = 0, **changes) -> tuple[DualEncoder, Scenes]:
    """An untrained model of the recipe's scales on ten pixels, with every bias at work."""
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=40)
    scenes = Scenes(World(n_labels=4), split)
    sizes = {"d_model": 16, "n_heads": 2, "d_head": 8, "d_embed": 8}
    model = DualEncoder.build(preset("minimal", **sizes, **changes), scenes.sizes, seed)
    generator = torch.Generator().manual_seed(2)
    for name, weight in model.trainable().items():
        if ".b_" in name:
            weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model, scenes


def plant(model: DualEncoder, slope: float) -> None:
    """Positions that raise head 0's score of the pooled query by `slope` logits a pixel."""
    image, attn = model.image, model.image.blocks[0].attn
    cls = image.W_E[-1] + image.W_pos[0]
    query = cls @ attn.W_Q[0] + attn.b_Q[0]
    key = attn.W_K[0] @ query / image.cfg.attn_scale  # score of P = P @ key
    ramp = torch.linspace(-4.5, 4.5, 10)[:, None] * slope
    image.pos_embed.W_pos.data[1:] = ramp * (key / (key @ key)).detach()


@pytest.mark.parametrize(
    "row",
    [[1.0, 2, 3, 4], [4.0, 2, 1, 0], [0.0, 5, -1, 2, 2], [1e-3, 0, 0, 3e-3], [0.0, 0, 0, -1]],
)
def test_fits_against_numpy_and_scipy(row: list[float]):
    fit, line = fit_row(np.array(row)), np.polyfit(np.arange(len(row)), row, 1)
    left_over = np.array(row) - np.polyval(line, np.arange(len(row)))
    rank = spearmanr(range(len(row)), row)
    assert fit["slope"] == pytest.approx(line[0])
    assert fit["r2"] == pytest.approx(1 - left_over.var() / np.var(row))
    assert fit["spearman"] == pytest.approx(np.asarray(rank)[0])
    assert fit["span"] == pytest.approx(abs(line[0]) * (len(row) - 1))
    assert fit["range"] == pytest.approx(max(row) - min(row))


def test_a_constant_row_has_no_slope_and_no_correlation():
    for row in (np.zeros(5), np.full(5, 3.0), 3 + 1e-9 * np.arange(5)):
        fit = fit_row(row)
        assert (fit["slope"], fit["span"], fit["r2"], fit["spearman"]) == (0, 0, None, None)


def test_slopes_of_many_rows_are_those_of_each():
    rows = np.random.default_rng(0).normal(size=(4, 7))
    expected = [slope_of(row) for row in rows]
    np.testing.assert_allclose(slopes(rows), expected)


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
    summary = result.summary
    assert summary["headline_head"] == Scalar(value="L0H0")
    assert summary["headline_slope"].value == pytest.approx(2)
    assert (summary["headline_slope"].low, summary["headline_slope"].n) == (None, None)
    assert "its removal costs most order" in result.finding
    assert "rises towards the right by 2.00 logits a pixel" in result.finding
    canonical = result.rows.query("gauge == 'canonical' and head == 'L0H1' and term == @WHOLE")
    assert canonical[["pixel", "value"]].to_numpy().tolist() == [[1, 1], [2, 0], [3, -1]]


def test_attention_gained_by_the_micro_model_by_hand(micro_recording):
    """Scores of cat, ., dog are 12 on CLS, then content 8 + 2 p: weights of e^2 a pixel."""
    gains = []
    for left, right in ((0, 1), (0, 2), (1, 2)):
        content = [8 if pixel in (left, right) else 6 for pixel in range(3)]
        scores = np.array([12, *(c + 2 * (p + 1) for p, c in enumerate(content))])
        weights = np.exp(scores) / np.exp(scores).sum()
        gains.append(weights[right + 1] - weights[left + 1])
    gain = gradient_of(micro_recording).summary["right_object_attention_gain"]
    assert gain.value == pytest.approx(np.mean(gains), rel=1e-5)
    assert (gain.n, gain.n_clusters) == (6, 1)


def test_attention_gained_by_a_trained_model_against_a_loop(left_right, left_right_results):
    result, examples = left_right_results["positional_gradient"], left_right.examples
    pattern = left_right.caches["image"]["pattern", 0].numpy()
    for head in range(4):
        gains = []
        for i in examples.where("unseen_pair"):
            left, right = examples.image_pixels[i] + 1
            gains.append(float(pattern[i, head, 0, right]) - float(pattern[i, head, 0, left]))
        row = result.fit_of(head)
        assert row["attention_gain"] == pytest.approx(np.mean(gains), abs=1e-6)
        assert row["gain_low"] <= row["attention_gain"] <= row["gain_high"]
        assert row["n"] == len(gains)


@pytest.mark.parametrize("slope", [0.5, -0.3])
def test_a_planted_gradient_is_found_with_its_sign_and_stands_out(slope: float):
    model, scenes = small()
    examples = scenes.examples(["unseen_pair"])
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
    assert str(UNTRAINED_MODELS) in result.finding
    assert np.sign(row["attention_gain"]) == np.sign(slope)


def test_a_model_without_a_recipe_is_permuted_instead():
    """The same towers, but nobody knows how they were drawn."""
    model, scenes = small()
    plant(model, 0.4)
    own = DualEncoder.from_hooked(model.image, model.text)
    result = gradient_of(record(own, scenes.examples(["unseen_pair"])))
    row = result.fit_of(0)
    assert (row["null"], result.null) == ("permuted", "permuted")
    assert row["slope"] == pytest.approx(0.4, rel=1e-4)
    assert row["slope"] > row["null_high"] > 0.1 * row["slope"]
    assert "change places at random" in result.finding


def test_the_permuted_null_against_a_loop():
    """The 95 % quantile of the steepest head, all heads permuted alike."""
    rng = np.random.default_rng(1)
    ramp = np.arange(10.0)
    own = {("raw", "EP"): np.stack([ramp, rng.normal(size=10)]), ("raw", "PP"): np.zeros((2, 10))}
    kind, highs = permuted_null(own, seed=0)
    largest = []
    for _ in range(500):
        order = rng.permutation(10)
        fits = [slope_of(row[order]) for row in own["raw", "EP"]]
        largest.append(max(abs(slope) for slope in fits))
    assert kind == "permuted"
    assert highs["raw", "EP"] == pytest.approx(np.quantile(largest, 0.95), rel=0.1)
    assert highs["raw", "PP"] == 0
    assert highs["raw", "EP"] < 1  # the ramp itself stands out
    assert permuted_null(own, seed=0)[1] == highs
    assert permuted_null(own, seed=1)[1] != highs


def test_the_untrained_null_is_the_steepest_of_fresh_models():
    model, scenes = small()
    examples = scenes.examples(["unseen_pair"])
    before = {k: v.clone() for k, v in model.state_dict().items()}
    kind, highs = untrained_null(model, examples.image, examples.occurs["image"])
    steepest = 0.0
    for seed in range(100, 100 + UNTRAINED_MODELS):  # the recipe draws the image tower first
        fresh = DualEncoder.build(
            preset("minimal", d_model=16, n_heads=2, d_head=8, d_embed=8), scenes.sizes, seed
        )
        rows = positional_rows(fresh.image, examples.image, examples.occurs["image"])
        fits = [slope_of(row) for row in rows["canonical", WHOLE]]
        steepest = max(steepest, *map(abs, fits))
    assert kind == "untrained"
    assert highs["canonical", WHOLE] == pytest.approx(steepest)
    assert highs["canonical", "bP"] == 0  # biases start at zero
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("normalization", ["none", "LN"])
def test_the_mirrored_row(normalization: str):
    """Reversing the patch rows of W_pos turns every slope round and mirrors every picture."""
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    model, scenes = small(0, normalization=normalization, **scales)
    examples = scenes.examples(["unseen_pair"])
    tokens = model.prepare(examples)["image"]
    flipped = Tokens(torch.cat([tokens.ids[:, :1], tokens.ids[:, 1:].flip(1)], 1), tokens.pool)
    embedded = model.embed_all("image", tokens)
    before = positional_rows(model.image, tokens, examples.occurs["image"])
    model.image.pos_embed.W_pos.data[1:] = model.image.W_pos.data[1:].flip(0).clone()
    torch.testing.assert_close(model.embed_all("image", flipped), embedded, atol=1e-5, rtol=1e-5)
    assert (model.embed_all("image", tokens) - embedded).abs().max() > 1e-3
    after = positional_rows(model.image, flipped, examples.occurs["image"])
    for key, rows in before.items():
        np.testing.assert_allclose(after[key], rows[:, ::-1], atol=1e-5)
        np.testing.assert_allclose(slopes(after[key]), -slopes(rows), atol=1e-5)
    assert np.abs(slopes(before["canonical", WHOLE])).max() > 0.01


def test_figures_of_the_headline_do_not_depend_on_the_gauge_of_the_weights(regauge):
    model, scenes = small()
    plant(model, 0.5)
    examples = scenes.examples(["unseen_pair"])
    before = gradient_of(record(model, examples))
    regauge(model, examples)
    after = gradient_of(record(model, examples))
    for key, scalar in before.summary.items():
        if key not in ("null_slope", "null_span", "headline_head"):
            assert after.summary[key].value == pytest.approx(scalar.value, abs=1e-5), key
    assert after.summary["headline_head"] == before.summary["headline_head"]
    canonical = before.rows["gauge"] == "canonical"
    values, moved = before.rows["value"], after.rows["value"]
    np.testing.assert_allclose(moved[canonical], values[canonical], atol=1e-5)
    assert (moved[~canonical] - values[~canonical]).abs().max() > 0.01


def test_the_headline_is_the_head_that_order_needs_most_or_else_the_steepest():
    slopes = (0.1, -3.0, 2.0)
    needed = {0: [0.2] * 4, 1: [1, 1, -0.5, -0.5], 2: [0.3] * 4}  # head 1 only on some pairs
    assert choose(ablation_with(needed).order_lost, slopes) == (2, "its removal costs most order")
    needed[1] = [1, 1, 0.1, 0.1]
    assert choose(ablation_with(needed).order_lost, slopes) == (1, "its removal costs most order")
    for lost in ([0.0] * 4, [-0.2] * 4):
        head, why = choose(ablation_with(dict.fromkeys(range(3), lost)).order_lost, slopes)
        assert head == 1
        assert why == "the largest |slope|: no head's removal costs order beyond its interval"


def test_the_shipped_models(left_right_results, no_gradient_results):
    steep, flat = (r["positional_gradient"] for r in (left_right_results, no_gradient_results))
    summary = steep.summary
    assert "its removal costs most order" in steep.finding
    assert abs(summary["headline_spearman"].value) >= 0.95
    assert summary["headline_span"].value >= max(1, 10 * summary["null_span"].value)
    gain = summary["right_object_attention_gain"]
    assert np.sign(gain.value) == np.sign(summary["headline_slope"].value)
    assert gain.low > 0 or gain.high < 0
    spans = flat.table.query("gauge == 'canonical' and term == @WHOLE")["span"]
    assert len(spans) == 4
    assert spans.max() < min(0.1, 0.02 * summary["headline_span"].value)
    assert "the largest |slope|: no head's removal costs order" in flat.finding
    assert "has no gradient" in flat.finding


def test_columns_and_rows_of_the_table(left_right_results):
    result = left_right_results["positional_gradient"]
    table = result.frame()
    assert set(table.columns) >= set(COLUMNS)
    assert len(table) == 2 * 4 * 4  # gauges, terms, heads
    assert set(table["term"]) == {"EP", "PP", "bP", WHOLE}
    flat = table.query("gauge == 'canonical' and term == 'PP'")
    assert (flat["slope"] == 0).all()
    assert flat["spearman"].isna().all()
    assert (result.summary["headline_slope"].low, result.summary["headline_head"].high) == (
        None,
    ) * 2


def test_the_checkpoints_canonical_rows_match_its_weights():
    """Headline figures against float64 algebra on the weights alone."""
    loaded = load_checkpoint("checkpoints/left-right")
    tower, attn = loaded.model.image, loaded.model.image.blocks[0].attn
    W_E, W_pos, W_Q, W_K, b_Q = (
        w.detach().double().numpy() for w in (tower.W_E, tower.W_pos, attn.W_Q, attn.W_K, attn.b_Q)
    )
    scenes = Scenes.from_plain(loaded.metadata.world, loaded.metadata.split)
    examples = scenes.examples(["unseen_pair"])
    rows = positional_rows(tower, examples.image, examples.occurs["image"])
    patches = W_pos[1:] - W_pos[1:].mean(0)
    for head in range(4):
        query = (W_E[-1] + W_pos[0]) @ W_Q[head] + b_Q[head]
        expected = patches @ W_K[head] @ query / np.sqrt(32)
        np.testing.assert_allclose(rows["canonical", WHOLE][head], expected, atol=1e-5)


def test_layernorm_and_depth_are_said_in_the_notes():
    model, scenes = small(normalization="LN", image_layers=2)
    result = gradient_of(record(model, scenes.examples(["unseen_pair"])))
    notes = " ".join(result.caveats)
    assert "LayerNorm scales rows by picture" in notes
    assert "Only the first layer is decomposed;" in notes
    assert "Slopes depend on weights alone" not in notes


def test_it_follows_the_ablation_it_is_given(left_right, left_right_results):
    """The headline comes from the result handed in, not from a second measurement."""
    ablation = left_right_results["term_ablation"]
    nothing_lost = replace(ablation, credits=np.ones_like(ablation.credits))
    result = positional_gradient(left_right, term_ablation=nothing_lost)
    assert "the largest |slope|" in result.finding
