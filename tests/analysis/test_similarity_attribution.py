"""Margins taken apart: by hand, null without order, at depth, and where it does not apply."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import DualEncoder, Run, record
from lrinterp.analysis.similarity_attribution import SimilarityAttribution, similarity_attribution
from lrinterp.result import NotApplicable, Result

TOWERS = ("image", "text")


@pytest.fixture
def recorded(small) -> Callable[..., Run]:
    """Untrained models with biases, on all pictures of a small world."""
    of = {"sets": None, "n_pixels": 5, "n_labels": 6, "noise": (1, 0.3)}
    of |= {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4}
    sizes = {"d_model": 16, "d_head": 8, "d_embed": 8, "std_weights": 0.3}
    return lambda **changes: small(**of, **{**sizes, **changes})


def total(result: SimilarityAttribution, encoder: str) -> float:
    return sum(row["value"] for row in result.rows(encoder=encoder, kind="direct"))


def value(result: Result, key: str) -> float:
    found = result.metrics[key].value
    assert isinstance(found, float)
    return found


def test_a_model_without_order_has_nothing_to_take_apart(left_right_results, no_gradient_results):
    """All parts are tiny, and what margins are left does not go with the gain."""
    both = left_right_results, no_gradient_results
    knows, knows_not = (results["similarity_attribution"] for results in both)
    shapley = (f"margin_by_key_{side}_shapley" for side in ("position", "content"))
    keys = ("margin", *shapley, "largest_value")
    for tower in TOWERS:
        for key in keys:
            assert abs(value(knows_not, f"{tower}_{key}")) < 1e-4
            assert abs(value(knows, f"{tower}_{key}")) > 1e-2
    within = knows_not.metrics["spearman_within_pairs"]
    assert abs(within.value or 0) < 0.25
    assert knows_not.metrics["spearman_both_orders"].value is None
    whole = knows_not.metrics["spearman_margin_gain"]
    assert whole.low < 0 < whole.high


def test_parts_of_a_random_model_add_up_also_where_it_is_a_users_own(recorded):
    recording = recorded()
    own = DualEncoder.from_hooked(recording.model.image, recording.model.text)
    result = similarity_attribution(recording)
    for tower in TOWERS:
        assert value(result, f"{tower}_reconstruction_error") < 1e-5
        assert total(result, tower) == pytest.approx(value(result, f"{tower}_margin"), abs=1e-5)
        parts = {
            row["part"] for row in result.rows(encoder=tower, kind="direct", head="direct path")
        }
        assert parts == {"E", "P", "b_O", "b_U"}
    assert result.notes == ()
    again = similarity_attribution(record(own, recording.examples))
    pd.testing.assert_frame_equal(again.table, result.table)


def test_the_micro_model_by_hand(micro_recording):
    """Head 0 reads the objects' tokens, the right-hand one e^2 a pixel more than the left-hand
    one; head 1 and all else are exactly nothing.
    """
    result = similarity_attribution(micro_recording)
    weight = np.exp(2 * np.array([1, 2, 1]))  # of the right-hand object, by layout
    named = (np.exp(4) - 1) / np.sqrt(1 + np.exp(8))
    read = named / np.sqrt(1 + weight**2)
    by_hand = {"left": -read.mean(), "right": (weight * read).mean()}
    for row in result.rows(encoder="image", kind="direct", head="L0H0", part="E"):
        assert row["value"] == pytest.approx(by_hand.get(row["role"], 0), abs=1e-6)
    for row in result.rows(head="L0H1"):
        assert row["value"] == 0
    margin = by_hand["left"] + by_hand["right"]
    for tower in TOWERS:
        assert value(result, f"{tower}_margin") == pytest.approx(margin, abs=1e-6)
        assert abs(value(result, f"{tower}_margin_without_key_position")) < 1e-6
    assert result.metrics["image_largest_contribution"].value == "L0H0 right E"
    assert result.metrics["text_largest_contribution"].value == "L0H0 second E"
    assert (result.head, result.prefers) == ("L0H0", "right")
    # Two of the three layouts tie in their margin and not in their gain: rho is sqrt(3) / 2.
    assert value(result, "spearman_within_pairs") == pytest.approx(np.sqrt(0.75))


def test_a_gauge_move_changes_nothing(recorded, regauge):
    model = recorded(std_W_E=1.0, std_W_pos=1.0)
    few = similarity_attribution(model)
    assert few.metrics["spearman_within_pairs"].value is not None
    regauge(model.model, model.examples)
    again = similarity_attribution(record(model.model, model.examples))
    np.testing.assert_allclose(again.table["value"], few.table["value"], atol=1e-5)


def test_a_deep_tower_is_taken_apart_directly_beside_one_of_one_layer(recorded):
    for changes, whole, deep in (
        ({"text_layers": 2}, "image", "text"),
        ({"image_layers": 3}, "text", "image"),
    ):
        result = similarity_attribution(recorded(**changes))
        path = set(result.table[result.table["kind"] == "through attention"]["encoder"])
        assert path == {whole}
        for tower in TOWERS:
            assert total(result, tower) == pytest.approx(value(result, f"{tower}_margin"), abs=1e-6)
        assert (result.head != "") == ("spearman_head" in result.metrics) == (whole == "image")
        keys = [figure.key for figure in result.figures()]
        assert len(keys) == len(set(keys)) == (8 if whole == "image" else 7)
        assert {"roles-image", "roles-text", "split", f"parts-{deep}"} <= set(keys)
        assert f"{deep}_completeness_error" not in result.metrics


@pytest.mark.parametrize("changes", [{"normalization": "LN"}, {"mlp_ratio": 2}])
def test_a_norm_or_an_mlp_leaves_the_direct_parts(recorded, changes):
    result = similarity_attribution(recorded(**changes))
    assert (result.head, len(result.pictures)) == ("", 0)
    for tower in TOWERS:
        assert result.errors["relative_error"].max() < 1e-4
        assert total(result, tower) == pytest.approx(value(result, f"{tower}_margin"), abs=1e-7)
        groups = {k for k in result.metrics if k.startswith(f"{tower}_margin_by_")}
        assert (f"{tower}_margin_by_mlps" in groups) == ("mlp_ratio" in changes)
    assert "through attention" not in set(result.table["kind"])


def test_no_tower_that_is_a_sum_is_refused(recorded):
    model = recorded()
    assert model.scores.shape  # the towers run as they are, before their configuration is changed
    for tower in model.model.towers.values():
        tower.cfg.normalization_type = "RMS"
    with pytest.raises(
        NotApplicable, match=r"The image tower is left out: normalization RMS.+text"
    ):
        similarity_attribution(model)


def test_a_tower_that_computes_something_else_is_left_out(micro_recording):
    """A hook that somebody left on the image tower: no configuration tells of it."""
    model = micro_recording.model

    def swapped(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        return tensor[..., [1, 0, 2, 3]]

    model.image.add_perma_hook("blocks.0.hook_attn_out", swapped)
    result = similarity_attribution(record(model, micro_recording.examples))
    assert set(result.table["encoder"]) == {"text"}
    assert "The image tower is left out: what it is made of misses its margin" in result.notes[0]
    assert set(result.metrics) == {k for k in result.metrics if k.startswith("text_")}


def test_both_templates_count_alike(recorded):
    recording = recorded(template="both")
    result = similarity_attribution(recording)
    n = int(result.metrics["image_margin"].n or 0)
    assert result.metrics["text_margin"].n == 2 * n
    for tower in TOWERS:
        assert total(result, tower) == pytest.approx(value(result, f"{tower}_margin"), abs=1e-5)
    examples, scores = recording.examples, recording.scores.numpy()
    margins = []
    for i in examples.where("unseen_pair"):
        for template in examples.templates:
            true, swap = (
                next(
                    k
                    for k in range(len(examples.caption_text))
                    if examples.caption_template[k] == template
                    and examples.caption_labels[k].tolist() == labels.tolist()
                )
                for labels in (examples.image_labels[i], examples.image_labels[i][::-1])
            )
            margins.append(scores[i, true] - scores[i, swap])
    assert value(result, "image_margin") == pytest.approx(np.mean(margins), abs=1e-6)
