"""Known rotations and their nulls, scipy as a second computation, and what cannot be fitted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from lrinterp import DualEncoder, Examples, Run
from lrinterp.analysis import procrustes_rotation as rotation
from lrinterp.analysis.procrustes import Procrustes, procrustes
from lrinterp.analysis.procrustes_rotation import (
    SHUFFLES,
    Labels,
    label_tokens,
    label_vectors,
    partial_isometry,
    shuffles,
)
from lrinterp.result import NotApplicable, records

WIDTH, N_LABELS, N_FIT, N_HELD = 24, 14, 9, 4
WORDS = tuple("abcdefghijklmn")
GROUPS = ("trained",) * N_FIT + ("held out",) * N_HELD + ("neither",)

Array = Float[np.ndarray, "label d"]


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def turned(rows: Array, seed: int = 0) -> Array:
    """The rows after a random rotation, and moved away from their mean."""
    turn = ortho_group.rvs(rows.shape[1], random_state=seed)
    return rows @ turn + gaussian(rows.shape[1], seed=seed)


def both_ways(labels: Labels) -> dict:
    return records(labels.means(labels.table(WORDS), seed=0))[-1]


@pytest.fixture
def wide(small) -> Callable[..., Run]:
    """Untrained models on seven labels: four in pairs, two held out, one neither."""
    of = {"sets": None, "n_labels": 7, "n_pair": 4, "n_val": 2}
    sizes = {"d_model": WIDTH, "d_head": 8, "d_embed": 8, "std_W_E": 1.0}
    return lambda **changes: small(**{**of, **sizes, **changes})


def set_labels(recording: Run, tower: str, rows: Array) -> None:
    """Give the labels of a tower these embeddings, in place."""
    tokens = label_tokens(recording.examples, tower)
    recording.model.towers[tower].embed.W_E.data[tokens] = torch.from_numpy(rows).float()


def means_of(result: Procrustes, site: str = "W_E") -> dict:
    return dict(result.both[site])


def test_a_known_rotation_inside_the_span_is_recovered():
    image = gaussian(N_LABELS, 3) @ gaussian(3, WIDTH, seed=1)  # nine labels span three dimensions
    means = both_ways(Labels(image, turned(image), GROUPS))
    for column in ("aligned_cosine", "span_share", "ceiling", "fitted_cosine", "nearest"):
        assert means[column] == pytest.approx(1), column
    assert abs(means["raw_centred_cosine"]) < 0.6
    assert means["rank"] == 3
    assert means["p"] == pytest.approx(1 / (SHUFFLES + 1))
    assert means["shuffled_high"] < 0.9


def test_a_known_rotation_off_the_span_is_recovered_up_to_the_ceiling():
    image = gaussian(N_LABELS, WIDTH)
    labels = Labels(image, turned(image), GROUPS)
    table = labels.table(WORDS)
    held = table[table["group"] == "held out"]
    np.testing.assert_allclose(held["aligned_cosine"], held["ceiling"])
    np.testing.assert_allclose(held["ceiling"] ** 2, held["span_share"])
    assert (held["ceiling"] < 0.95).all()
    assert both_ways(labels)["rank"] == N_FIT - 1


def test_unrelated_vectors_do_not_align_although_the_fit_does():
    for seed in range(5):
        pair = gaussian(N_LABELS, WIDTH, seed=seed), gaussian(N_LABELS, WIDTH, seed=100 + seed)
        means = both_ways(Labels(*pair, GROUPS))
        assert abs(means["aligned_cosine"]) < 0.35
        assert means["p"] > 0.05
        assert means["fitted_cosine"] > 0.8  # many directions fit any few labels
        assert abs(means["shuffled_mean"]) < 0.1


def test_the_partial_isometry_is_scipys_rotation_where_labels_outnumber_directions():
    source, target = gaussian(30, 5), gaussian(30, 5, seed=1)
    full, _ = orthogonal_procrustes(source, target)
    np.testing.assert_allclose(partial_isometry(source, target), full, atol=1e-12)
    groups = ("trained",) * 25 + ("held out",) * 5
    table = Labels(source, target, groups).table(tuple(map(str, range(30))))
    np.testing.assert_allclose(table["aligned_cosine"], table["completed_cosine"], atol=1e-12)
    np.testing.assert_allclose(table["span_share"], 1)


def test_shares_of_the_span_by_projection():
    image, text = gaussian(N_LABELS, WIDTH), gaussian(N_LABELS, WIDTH, seed=1)
    labels = Labels(image, text, GROUPS)
    table = labels.table(WORDS).query("group == 'held out'")
    for way, source, target in (("image to text", image, text), ("text to image", text, image)):
        shares = []
        for rows in (source, target):
            fit = rows[:N_FIT] - rows[:N_FIT].mean(0)
            held = rows[N_FIT : N_FIT + N_HELD] - rows[:N_FIT].mean(0)
            inside = held @ np.linalg.pinv(fit) @ fit
            shares.append((inside**2).sum(1) / (held**2).sum(1))
        own = table[table["direction"] == way]
        np.testing.assert_allclose(own["span_share"], shares[0])
        np.testing.assert_allclose(own["ceiling"], np.sqrt(shares[1]))


def test_the_null_of_the_order_itself_is_the_measurement(monkeypatch):
    labels = Labels(gaussian(N_LABELS, WIDTH), gaussian(N_LABELS, WIDTH, seed=1), GROUPS)
    table = labels.table(WORDS).query("group == 'held out'")
    monkeypatch.setattr(rotation, "shuffles", lambda n, _seed: np.arange(n)[None])
    expected = table.groupby("direction")["aligned_cosine"].mean()
    np.testing.assert_allclose(labels.shuffled(0)[[*expected.index]].iloc[0], expected, atol=1e-12)


def test_shuffles_are_seeded_and_never_the_order_itself():
    orders = shuffles(3, 0)
    assert len(orders) == SHUFFLES
    assert (orders != np.arange(3)).any(1).all()
    assert len(np.unique(orders, axis=0)) == 5
    np.testing.assert_array_equal(orders, shuffles(3, 0))
    assert (orders != shuffles(3, 1)).any()


def test_a_label_that_is_nearest_to_another_is_not_found():
    image = np.eye(6)[[0, 1, 2, 3, 4, 5]]
    groups = ("trained",) * 4 + ("held out",) * 2
    same = Labels(image, image, groups).table(WORDS[:6])
    swapped = Labels(image, image[[0, 1, 2, 3, 5, 4]], groups).table(WORDS[:6])
    assert set(same.query("group == 'held out'")["nearest"]) == {0.5}  # off the span: a tie
    assert set(swapped.query("group == 'held out'")["nearest"]) == {0.5}
    near = gaussian(14, 3)
    crossed = near.copy()
    crossed[[9, 10]] = near[[10, 9]]
    found = Labels(near, crossed, GROUPS).table(WORDS).query("group == 'held out'")["nearest"]
    assert found.to_list() == [0, 0, 1, 1] * 2


def test_both_towers_of_a_model_are_read_and_the_value_path_by_plain_loops(wide):
    recording = wide()
    examples, towers = recording.examples, recording.model.towers
    assert label_tokens(examples, "image") == list(range(1, 8))  # behind the background
    vectors, left_out = label_vectors(towers, examples)
    assert left_out is None
    for name, rows in zip(("image", "text"), vectors["W_E"], strict=True):
        tokens = [examples.words[name].index(word) for word in examples.label_words]
        np.testing.assert_array_equal(rows, towers[name].W_E[tokens].detach().double().numpy())
        attn = towers[name].blocks[0].attn
        W_V, W_O = attn.W_V.double(), attn.W_O.double()
        whole = W_V[0] @ W_O[0] + W_V[1] @ W_O[1]
        expected = towers[name].W_E[tokens].double() @ whole @ towers[name].W_U.double()
        own = vectors["value path"][name == "text"]
        np.testing.assert_allclose(own, expected.detach().numpy(), atol=1e-12)


def test_a_planted_rotation_is_found_in_a_model_and_a_random_one_has_none(wide):
    recording = wide(n_labels=14, n_pair=9, n_val=4)
    none = means_of(procrustes(recording))
    assert abs(none["aligned_cosine"]) < 0.35
    assert none["p"] > 0.05
    image = gaussian(14, 4) @ gaussian(4, WIDTH, seed=1)
    set_labels(recording, "image", image)
    set_labels(recording, "text", turned(image))
    result = procrustes(recording)
    means = means_of(result)
    assert means["aligned_cosine"] == pytest.approx(1, abs=1e-6)
    assert (means["n"], means["n_fit"], means["nearest"]) == (4, 9, 1)
    assert result.metrics["W_E_aligned_cosine"].value == means["aligned_cosine"]


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ({"n_val": 0}, "no label is held out of the trained pairs"),
        ({"n_pair": 2}, "needs 3 labels or more in trained pairs, got 2"),
    ],
)
def test_what_leaves_nothing_to_fit_or_to_test_is_not_applicable(wide, split, reason):
    with pytest.raises(NotApplicable, match=reason):
        procrustes(wide(**split))


def test_towers_and_vocabularies_that_cannot_be_compared_are_not_applicable(wide):
    recording, narrow = wide(), wide(d_model=8, d_embed=8)
    mixed = DualEncoder.from_hooked(recording.model.image, narrow.model.text)
    with pytest.raises(NotApplicable, match="no rotation between towers of 24 and 8"):
        procrustes(replace(recording, model=mixed))
    examples: Examples = replace(recording.examples, label_words=("pineapple",) * 7)
    with pytest.raises(NotApplicable, match="image tower has no token for the label 'pineapple'"):
        procrustes(replace(recording, examples=examples))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"text_layers": 2}, "the text tower has 2 layers"),
        ({"mlp_ratio": 2}, "the image tower has an MLP"),
        ({"normalization": "LN"}, "the image tower has a norm"),
    ],
)
def test_other_towers_have_no_value_path(wide, changes, reason):
    result = procrustes(wide(**changes))
    assert result.left_out == reason
    assert set(result.frame()["site"]) == {"W_E"}
    assert not any(key.startswith("value_path") for key in result.metrics)


def test_labels_without_length_have_no_cosine(wide):
    recording = wide()
    set_labels(recording, "image", np.ones((7, WIDTH)))
    result = procrustes(recording)
    for key in ("W_E_raw_centred_cosine", "W_E_aligned_cosine", "W_E_p"):
        assert result.metrics[key].value is None


def test_one_held_out_label_without_length_counts_in_no_mean_and_in_no_null():
    image, text = gaussian(N_LABELS, WIDTH), gaussian(N_LABELS, WIDTH, seed=1)
    image[N_FIT] = image[:N_FIT].mean(0)
    with_it = both_ways(Labels(image, text, GROUPS))
    others = [np.delete(rows, N_FIT, 0) for rows in (image, text, np.array(GROUPS))]
    labels = Labels(others[0], others[1], tuple(others[2].tolist()))
    without = records(labels.means(labels.table(WORDS[1:]), seed=0))[-1]
    for key in ("aligned_cosine", "shuffled_mean", "shuffled_high", "p"):
        assert with_it[key] == pytest.approx(without[key]), key
