"""Shares of the nine terms against plain loops, and how exactly they add up."""

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Run, record
from lrinterp.analysis.attention_terms import attention_terms
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, TERMS, embedding_in, score_terms
from lrinterp.result import NotApplicable
from lrinterp.scenes import Examples

COLUMNS = {"encoder", "layer", "head", "term", "gauge", "share", "low", "high", "n", "n_units"}


def shaken(small, **changes) -> tuple[DualEncoder, Examples]:
    """A random model with biases on a small world."""
    run = small(noise=(4, 1.0), std_W_E=1.0, std_W_pos=1.0, std_weights=0.5, **changes)
    return run.model, run.examples


def loop_shares(model: DualEncoder, examples: Examples, tower: str, gauge) -> np.ndarray:
    """[term, head or all]: covariance with the total over its variance, one number at a time."""
    tokens = model.prepare(examples)[tower]
    if tower == "text":
        tokens = tokens.at(torch.tensor([t != "single" for t in examples.caption_template]))
    space = embedding_in(model.towers[tower], examples.occurs[tower], gauge)
    terms = score_terms(model.towers[tower], tokens, space)[:, :, :, 0].double().numpy()
    n_heads = terms.shape[2]
    covariance, variance = np.zeros((9, n_heads)), np.zeros(n_heads)
    for example, pool in enumerate(tokens.pool.tolist()):
        seen = range(pool + 1) if tower == "text" else range(terms.shape[3])
        for head in range(n_heads):
            rows = [[terms[t, example, head, key] for key in seen] for t in range(9)]
            centred = [[value - sum(row) / len(row) for value in row] for row in rows]
            whole = [sum(column) for column in zip(*centred, strict=True)]
            variance[head] += sum(value * value for value in whole)
            for t in range(9):
                pairs = zip(centred[t], whole, strict=True)
                covariance[t, head] += sum(a * b for a, b in pairs)
    return np.column_stack([covariance / variance, covariance.sum(1) / variance.sum()])


@pytest.mark.parametrize("gauge", ["canonical", "raw"])
@pytest.mark.parametrize("tower", ["image", "text"])
def test_shares_against_a_plain_loop(small, tower, gauge):
    model, examples = shaken(small)
    frame = attention_terms(record(model, examples)).frame()
    part = frame[(frame["encoder"] == tower) & (frame["gauge"] == gauge)]
    expected = loop_shares(model, examples, tower, gauge)
    for row, term in zip(expected, TERMS, strict=True):
        own = part[part["term"] == term]
        np.testing.assert_allclose(own["share"], row, atol=1e-5)
        assert own["head"].isna().tolist() == [False, False, True]


def test_shares_sum_to_one_and_the_split_to_its_terms(left_right_results):
    frame = left_right_results["attention_terms"].frame()
    assert set(frame.columns) >= COLUMNS
    for _, part in frame.groupby(["encoder", "gauge", "head"], dropna=False):
        share = part.set_index("term")["share"]
        assert share[list(TERMS)].sum() == pytest.approx(1, abs=1e-6)
        assert share["EE+PE+bE"] == pytest.approx(share[list(KEY_CONTENT)].sum(), abs=1e-6)
        assert share["EP+PP+bP"] == pytest.approx(share[list(KEY_POSITION)].sum(), abs=1e-6)
        assert (share[["Eb", "Pb", "bb"]] == 0).all()


def test_mean_rows_of_the_micro_model_by_hand(micro_recording):
    rows = attention_terms(micro_recording).rows
    part = rows.query("encoder == 'image' and gauge == 'canonical' and head == 'L0H0'")
    values = part.set_index(["part", "position"])["value"]
    assert values["key-position"].to_dict() == {"CLS": 0, "1": -2, "2": 0, "3": 2}
    # Content 6 on CLS and on objects, 4 on background; each pixel holds one in two of three.
    content = values["key-content"]
    assert content["CLS"] - content["1"] == pytest.approx(2 / 3)
    assert content["1"] == pytest.approx(content["3"])
    assert content.sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("normalization", ["none", "LN"])
def test_the_terms_add_up(small, normalization):
    result = attention_terms(record(*shaken(small, normalization=normalization)))
    assert result.error < 1e-5


def test_a_cache_of_another_model_does_not_add_up(small):
    """The control of the error: it measures the distance to what was really recorded."""
    model, examples = shaken(small)
    name = "blocks.0.attn.hook_attn_scores"
    for tower in ("image", "text"):
        recording = record(model, examples)
        assert attention_terms(recording).error < 1e-5
        scores = recording.site(tower, name)
        scores[-1, 0, 0, 0] += 0.5
        recording.sets.clear()
        largest = scores[scores > -1e4].abs().max()
        assert attention_terms(recording).error > 0.4 / largest


def test_one_tower_that_cannot_be_split_leaves_the_other(micro, micro_examples):
    micro.text.cfg.normalization_type = "RMS"
    recording = record_plain(micro, micro_examples)
    result = attention_terms(recording)
    assert set(result.frame()["encoder"]) == {"image"}
    assert "the text tower cannot be decomposed: normalization RMS" in " ".join(result.caveats)
    micro.image.cfg.positional_embedding_type = "rotary"
    with pytest.raises(NotApplicable, match="the image tower cannot be decomposed: positions"):
        attention_terms(recording)


def record_plain(model: DualEncoder, examples: Examples) -> Run:
    """Record although a configuration names a norm: the towers themselves have none."""
    named = model.text.cfg.normalization_type
    model.text.cfg.normalization_type = None
    recording = record(model, examples)
    assert recording.scores.isfinite().all()  # the pass runs now
    model.text.cfg.normalization_type = named
    return recording


def test_pictures_are_split_and_drawn_over_their_patches(photographs):
    """A CLIP behind its pre-norm: nine terms and parts add up, and the bias has its own name."""
    result = attention_terms(record(*photographs))
    assert result.error < 1e-5
    table = result.frame()
    parts = table[(table["split"] == "key parts") & (table["encoder"] == "image")]
    assert {"ln_pre.b", "L0H1", "L0 mlp", "bias"} <= set(parts["term"])
    positions = result.rows.query("encoder == 'image'")["position"].unique().tolist()
    assert positions[:3] == ["CLS", "1,1", "1,2"]
    assert positions[-1] == "3,4"


def test_a_tower_of_one_layer_is_not_divided_by_parts(small):
    model, examples = shaken(small, image_layers=2)
    table = attention_terms(record(model, examples)).frame()
    parts = table[table["split"] == "key parts"]
    assert set(parts["encoder"]) == {"image"}
    assert set(parts["layer"]) == {0, 1}
