"""Nine terms by hand, against plain loops, and their sum against the model's own scores."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lrinterp import Run
from lrinterp.axes import Tokens
from lrinterp.decomposition import (
    GAUGES,
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    embedding_in,
    score_terms,
    total,
    why_not,
)
from lrinterp.encoders import DualEncoder, build_tower, tower_from_plain

TOWERS = ("image", "text")

# Head 0 of the micro-model on CLS, cat, background, dog: query CLS, keys in this order.
RAW = {
    "EE": [2, 1, 0, 1],
    "EP": [1, 1, 2, 3],
    "Eb": [3, 3, 3, 3],
    "PE": [1, 0, 0, 0],
    "PP": [1, 0, 0, 0],
    "Pb": [2, 2, 2, 2],
    "bE": [1, 1, 0, 1],
    "bP": [0, 1, 2, 3],
    "bb": [1, 1, 1, 1],
}
CANONICAL = {
    "EE": [5, 3, 2, 3],
    "EP": [0, -1, 0, 1],
    "Eb": [5, 5, 5, 5],
    "PE": [0, 0, 0, 0],
    "PP": [0, 0, 0, 0],
    "Pb": [0, 0, 0, 0],
    "bE": [1, 3, 2, 3],
    "bP": [0, -1, 0, 1],
    "bb": [1, 1, 1, 1],
}
# Its text tower on [SOT] cat is on the left of dog [EOT]: query [EOT].
RAW_TEXT = {
    "EE": [0, 1, 0, 0, 0, 0, 0, 1, 2],
    "EP": [0, 0, 0, 0, 0, 0, 0, 2, 1],
    "Eb": [3] * 9,
    "PE": [0, 0, 0, 0, 0, 0, 0, 0, 1],
    "PP": [0, 0, 0, 0, 0, 0, 0, 0, 1],
    "Pb": [2] * 9,
    "bE": [0, 1, 0, 0, 0, 0, 0, 1, 1],
    "bP": [0, 0, 0, 0, 0, 0, 0, 2, 0],
    "bb": [1] * 9,
}


def cat_and_dog(examples) -> Tokens:
    """The picture cat, background, dog."""
    labels, pixels = examples.image_labels.tolist(), examples.image_pixels.tolist()
    row = next(i for i, x in enumerate(zip(labels, pixels, strict=True)) if x == ([2, 3], [0, 2]))
    return examples.image.at(slice(row, row + 1))


def caption(examples, text: str) -> Tokens:
    row = examples.caption_text.index(text)
    return examples.text.at(slice(row, row + 1))


@pytest.fixture
def made(small) -> Callable[..., Run]:
    """Random models with two heads on all pictures of a row of four, every bias at work."""
    of = {"sets": None, "noise": (3, 0.3), "n_labels": 4, "n_val": 2}
    sizes = {"d_model": 6, "d_head": 3, "d_embed": 5}
    sizes |= {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    return lambda **changes: small(**of, **sizes, **changes)


def loop_terms(tower, ids: list[int], query: int, space) -> np.ndarray:
    """[term, head, key] of one input in float64: one dot product at a time."""
    attn, cfg = tower.blocks[0].attn, tower.cfg
    W_Q, W_K, b_Q, b_K, W_E, W_pos = (
        w.detach().double().numpy()
        for w in (attn.W_Q, attn.W_K, attn.b_Q, attn.b_K, space.W_E, space.W_pos)
    )
    if cfg.normalization_type == "LN":
        weight, bias = (
            w.detach().double().numpy() for w in (tower.blocks[0].ln1.w, tower.blocks[0].ln1.b)
        )
    else:
        weight, bias = np.ones(cfg.d_model), np.zeros(cfg.d_model)

    def read(part: np.ndarray, position: int) -> np.ndarray:
        if cfg.normalization_type is None:
            return part
        whole = W_E[ids[position]] + W_pos[position]
        scale = np.sqrt(whole.var() + cfg.eps)
        return (part - part.mean()) / scale * weight

    out = np.zeros((9, cfg.n_heads, len(ids)))
    for head in range(cfg.n_heads):
        q = {
            "E": read(W_E[ids[query]], query) @ W_Q[head],
            "P": read(W_pos[query], query) @ W_Q[head],
            "b": bias @ W_Q[head] + b_Q[head],
        }
        for key in range(len(ids)):
            k = {
                "E": read(W_E[ids[key]], key) @ W_K[head],
                "P": read(W_pos[key], key) @ W_K[head],
                "b": bias @ W_K[head] + b_K[head],
            }
            for term, (a, b) in enumerate(TERMS):
                out[term, head, key] = q[a] @ k[b] / np.sqrt(cfg.d_head)
    return out


@pytest.mark.parametrize(("gauge", "by_hand"), [("raw", RAW), ("canonical", CANONICAL)])
def test_nine_terms_of_a_picture_by_hand(micro, micro_examples, gauge, by_hand):
    """The second head's scores are minus half of the first one's."""
    space = embedding_in(micro.image, micro_examples.occurs["image"], gauge)
    terms = score_terms(micro.image, cat_and_dog(micro_examples), space)[:, 0, :, 0]
    assert dict(zip(TERMS, terms[:, 0].tolist(), strict=True)) == by_hand
    assert torch.equal(terms[:, 1], -terms[:, 0] / 2)
    assert terms[:, 0].sum(0).tolist() == [12, 10, 10, 14]


def test_nine_terms_of_a_caption_by_hand(micro, micro_examples):
    tokens = caption(micro_examples, "cat is on the left of dog")
    space = embedding_in(micro.text, micro_examples.occurs["text"], "raw")
    terms = score_terms(micro.text, tokens, space)[:, 0, 0, 0]
    assert dict(zip(TERMS, terms.tolist(), strict=True)) == RAW_TEXT
    assert terms.sum(0).tolist() == [6, 8, 6, 6, 6, 6, 6, 12, 12]


@pytest.mark.parametrize("normalization", ["none", "LN"])
@pytest.mark.parametrize("gauge", GAUGES)
@pytest.mark.parametrize("tower", TOWERS)
def test_each_term_equals_a_plain_loop(made, normalization, gauge, tower):
    run = made(normalization=normalization)
    model, examples = run.model, run.examples.of("unseen_pair")
    tokens = model.prepare(examples)[tower].at(torch.tensor([0, 3, 7]))
    space = embedding_in(model.towers[tower], examples.occurs[tower], gauge)
    terms = score_terms(model.towers[tower], tokens, space)[:, :, :, 0].double().numpy()
    for row, (ids, query) in enumerate(zip(tokens.ids.tolist(), tokens.pool.tolist(), strict=True)):
        expected = loop_terms(model.towers[tower], ids, query, space)
        np.testing.assert_allclose(terms[:, row], expected, atol=1e-5 * np.abs(expected).max())
        assert (np.abs(expected).max((1, 2)) > 1e-3).sum() >= 6  # every kind of term is at work


def relative_error(model: DualEncoder, examples, tower: str, gauge) -> float:
    """Largest |sum of terms - score| over unmasked entries, relative to the largest score."""
    tokens = model.prepare(examples)[tower]
    _, cache = model.towers[tower].run_with_cache(tokens.ids)
    cached = cache["attn_scores", 0]
    space = embedding_in(model.towers[tower], examples.occurs[tower], gauge)
    summed = score_terms(model.towers[tower], tokens, space, pooled=False).sum(0)
    read = torch.ones_like(tokens.ids, dtype=torch.bool)
    if tower == "text":
        read = torch.arange(tokens.ids.shape[1]) <= tokens.pool[:, None]
    valid = torch.isfinite(cached) & read[:, None, None] & read[:, None, :, None]
    assert valid.any()
    return float((summed - cached)[valid].abs().max() / cached[valid].abs().max())


@pytest.mark.parametrize("normalization", ["none", "LN", "LNPre"])
@pytest.mark.parametrize("tower", TOWERS)
def test_terms_with_large_biases_add_up(made, normalization, tower):
    """Also under LayerNorm, whose own weight and bias are random here, at any depth."""
    kind = "LN" if normalization == "LN" else "none"
    run = made(normalization=kind, image_layers=2, text_layers=2)
    model = run.model
    if normalization == "LNPre":
        model = without_norm_weights(model)
    for gauge in GAUGES:
        assert relative_error(model, run.examples.of("unseen_pair"), tower, gauge) < 1e-5


def without_norm_weights(model: DualEncoder) -> DualEncoder:
    """The same weights in towers whose norms have none of their own."""
    towers = {}
    for name, tower in model.towers.items():
        plain = {"n_layers": 2, "d_model": 6, "n_heads": 2, "d_head": 3, "d_vocab_out": 5}
        plain |= {"n_ctx": tower.cfg.n_ctx, "d_vocab": tower.cfg.d_vocab, "attn_only": True}
        plain |= {"act_fn": "gelu", "attention_dir": tower.cfg.attention_dir}
        towers[name] = build_tower(tower_from_plain({**plain, "normalization_type": "LNPre"}))
        towers[name].load_state_dict(tower.state_dict())
    return DualEncoder.from_hooked(towers["image"], towers["text"])


def test_unscaled_scores_add_up(made):
    """A user's tower may leave the scale of its scores out."""
    run = made()
    model = run.model
    plain = {"n_layers": 1, "d_model": 6, "n_heads": 2, "d_head": 3, "d_vocab_out": 5}
    plain |= {"n_ctx": 5, "d_vocab": 6, "attn_only": True, "act_fn": "gelu"}
    plain |= {"attention_dir": "bidirectional", "normalization_type": None}
    model.image = build_tower(tower_from_plain({**plain, "use_attn_scale": False}))
    model.image.load_state_dict(made().model.image.state_dict())
    assert relative_error(model, run.examples.of("single"), "image", "canonical") < 1e-5


def test_a_wrong_weight_does_not_add_up(made):
    """The control of the sums above: terms of other weights are far from the scores."""
    run = made()
    model, examples = run.model, run.examples.of("single")
    space = embedding_in(model.image, examples.occurs["image"], "canonical")
    tokens = model.prepare(examples)["image"]
    before = score_terms(model.image, tokens, space, pooled=False).sum(0)
    model.image.blocks[0].attn.b_Q.data[:, 0] += 0.1
    _, cache = model.image.run_with_cache(tokens.ids)
    assert (before - cache["attn_scores", 0]).abs().max() > 1e-2


def test_content_and_position_share_out_all_that_varies():
    """Nine terms are key-content, key-position and the three constant ones, each once."""
    assert sorted((*KEY_CONTENT, *KEY_POSITION, "Eb", "Pb", "bb")) == sorted(TERMS)
    terms = torch.arange(9.0).reshape(9, 1, 1, 1, 1)
    assert total(terms, KEY_POSITION).item() == sum(TERMS.index(t) for t in KEY_POSITION)


def test_a_tower_without_the_nine_terms_says_why(micro, made):
    assert why_not(micro.image) is None
    assert why_not(made(normalization="LN").model.text) is None
    micro.image.cfg.positional_embedding_type = "rotary"
    assert "rotary" in str(why_not(micro.image))
    micro.text.cfg.normalization_type = "RMS"
    assert "normalization RMS is not linear" in str(why_not(micro.text))
