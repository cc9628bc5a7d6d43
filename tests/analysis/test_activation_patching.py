"""Effects of patches by hand, what is checked every time, and where patching means nothing."""

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import record
from lrinterp.analysis.activation_patching import (
    ActivationPatching,
    activation_patching,
    check_full,
    contrasts,
    patch,
    twins,
)
from lrinterp.analysis.patch_bench import Cell
from lrinterp.result import NotApplicable
from lrinterp.store import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

COLUMNS = "encoder site layer head query role direction effect low high identical n n_clusters"
LAYOUTS = ((0, 1), (0, 2), (1, 2))


def margin(left: float, right: float) -> float:
    """Of an embedding that holds so much of the left and of the right label of the clean input,
    along clean minus corrupted caption: the right label weighs e^4 times the left one there.
    """
    return (right - left) / np.hypot(left, right)


def effect_by_hand(weights: Sequence[tuple[float, float]], patched: str, direction: str) -> float:
    """The effect of taking an object's value from the other run, as a ratio of means."""
    moved, whole = 0.0, 0.0
    for left, right in weights:
        # The corrupted run shows the right label at the left place, with the left place's weight.
        runs = {"clean": (left, right), "corrupted": (right, left)}
        base, target = runs.values() if direction == "noising" else list(runs.values())[::-1]
        after = {
            # Both places then hold one label; denoising it is the left one for the left place.
            "left": (left + right, 0) if direction == "denoising" else (0, left + right),
            "right": (0, left + right) if direction == "denoising" else (left + right, 0),
            "both": target,
        }[patched]
        moved += margin(*after) - margin(*base)
        whole += margin(*target) - margin(*base)
    return moved / whole


def image_weights() -> list[tuple[float, float]]:
    """Relative attention of the two objects: the right one e^2 a pixel more."""
    return [(1, np.exp(2 * (right - left))) for left, right in LAYOUTS]


@pytest.fixture
def patched_micro(micro_recording) -> ActivationPatching:
    return activation_patching(micro_recording)


def effects_of(result: ActivationPatching, **wanted) -> pd.DataFrame:
    table = result.frame()
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_effects_of_the_image_tower_by_hand(patched_micro, direction: str):
    weights = image_weights()
    for role in ("left", "right"):
        expected = effect_by_hand(weights, role, direction)
        for site, head in (("v", 0), ("resid_pre", None)):
            row = effects_of(
                patched_micro, encoder="image", site=site, role=role, direction=direction
            )
            row = row[row["head"].isna() if head is None else row["head"] == head]
            assert row["effect"].item() == pytest.approx(expected, abs=1e-5)
            assert not row["identical"].item()


@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_effects_of_the_text_tower_by_hand(patched_micro, direction: str):
    """[EOT] gives the label named second e^4 times the weight of the first."""
    weights = [(1, np.exp(4))]
    for role, side in (("first", "left"), ("second", "right")):
        expected = effect_by_hand(weights, side, direction)
        row = effects_of(patched_micro, encoder="text", site="v", role=role, direction=direction)
        assert row[row["head"] == 0]["effect"].item() == pytest.approx(expected, abs=1e-5)


def test_where_the_micro_model_keeps_its_order(patched_micro):
    """All of it is in the output of head 0 at the pooled position, none anywhere else."""
    for encoder, pooled in (("image", "CLS"), ("text", "EOT")):
        table = effects_of(patched_micro, encoder=encoder)
        z = table[table["site"] == "z"].set_index(["head", "role", "direction"])["effect"]
        for (head, role, _), effect in z.items():  # type: ignore[misc]
            assert effect == pytest.approx(float((head, role) == (0, pooled)), abs=1e-5)
        out = table[table["site"] == "attn_out"].set_index(["role", "direction"])["effect"]
        for (role, _), effect in out.items():  # type: ignore[misc]
            assert effect == pytest.approx(float(role in (pooled, "all")), abs=1e-5)
        for site in ("q", "k", "attn_scores", "pattern"):
            assert (table[table["site"] == site]["effect"].abs() < 1e-5).all()
    summary = patched_micro.summary
    assert (summary["image_z_head"].value, summary["text_z_head"].value) == ("L0H0", "L0H0")
    assert summary["image_z_effect"].value == pytest.approx(1, abs=1e-5)


def test_identical_cells_are_flagged_and_zero(patched_micro, left_right_results):
    for result in (patched_micro, left_right_results["activation_patching"]):
        table = result.frame()
        same = table[table["identical"]]
        assert len(same)
        assert (same["effect"] == 0).all()
        cls = table.query("encoder == 'image' and site == 'resid_pre' and role == 'CLS'")
        assert cls["identical"].all()  # CLS reads nothing before the first layer
        left = table.query("encoder == 'image' and site == 'resid_pre' and role == 'left'")
        assert not left["identical"].any()


@pytest.mark.parametrize("encoder", ["image", "text"])
def test_full_patches_are_one_in_both_directions(left_right_results, encoder: str):
    result = left_right_results["activation_patching"]
    full = effects_of(result, encoder=encoder, site="resid_pre", role="all")
    assert full["direction"].tolist() == ["denoising", "noising"]
    np.testing.assert_allclose(full["effect"], 1, atol=1e-5)
    assert result.summary["full_patch_error"].value < 1e-5


def test_a_full_patch_that_is_not_one_stops_everything():
    cell = Cell(site="resid_pre", layer=0, head=None, role="all")
    with pytest.raises(
        RuntimeError, match=r"blocks.0.hook_resid_pre: full noising patch gave 0.99"
    ):
        check_full(cell, 0.999, "noising")
    assert check_full(cell, 1 + 1e-6, "noising") is None


def test_a_hook_that_never_fires_raises(micro_recording):
    contrast = contrasts(micro_recording, 4, 0)[0]
    cell = Cell(site="mlp_out", layer=0, head=None, role="left")
    with pytest.raises(InputError, match=r"hook_mlp_out' of the image tower never"):
        patch(contrast, "denoising", [cell])


def test_the_table_is_what_the_issue_promises(left_right_results):
    result = left_right_results["activation_patching"]
    table = result.frame()
    assert set(table.columns) == set(COLUMNS.split())
    assert set(table["site"]) == set("resid_pre attn_out q k v z attn_scores pattern".split())
    by_direction = table.groupby("direction").size()
    assert by_direction["denoising"] == by_direction["noising"]
    assert (table["n"] == 64).all()
    assert (table["head"].isna() == table["site"].isin(["resid_pre", "attn_out"])).all()
    assert (table["query"].notna() == table["site"].isin(["attn_scores", "pattern"])).all()
    roles = {name: set(part["role"]) for name, part in table.groupby("encoder")}
    assert roles["image"] == {"CLS", "left", "right", "background", "all"}
    assert roles["text"] == {"SOT", "first", "second", "words", "EOT", "all"}
    bounded = table.dropna(subset=["low"])
    assert (bounded["low"] <= bounded["effect"] + 1e-9).all()
    assert (bounded["effect"] <= bounded["high"] + 1e-9).all()


def test_order_passes_through_the_head_that_the_other_analyses_name(left_right_results):
    gradient = left_right_results["positional_gradient"].summary
    patching = left_right_results["activation_patching"].summary
    assert patching["image_z_head"].value == gradient["headline_head"].value
    assert patching["image_z_effect"].low > 0.5


def test_a_model_without_order_has_nothing_to_patch(no_gradient, no_gradient_results):
    expected = "The image tower does not tell a picture from its swap"
    with pytest.raises(NotApplicable, match=expected):
        activation_patching(no_gradient)
    skipped = no_gradient_results["activation_patching"]
    assert expected in skipped.reason
    assert "10 such errors are needed" in skipped.finding


def test_ten_standard_errors_decide(micro_recording, monkeypatch: pytest.MonkeyPatch):
    """Margins of the micro-model lie 34 standard errors apart."""
    gap = 2 * np.array([margin(*w) for w in image_weights() * 2])
    errors = gap.mean() / (gap.std(ddof=1) / np.sqrt(6))
    assert 30 < errors < 40
    module = sys.modules[activation_patching.__module__]
    monkeypatch.setattr(module, "ENOUGH_ERRORS", 0.99 * errors)
    assert contrasts(micro_recording, 64, 0)[0].too_weak() is None
    monkeypatch.setattr(module, "ENOUGH_ERRORS", 1.01 * errors)
    assert "The text tower does not tell a caption" in str(
        contrasts(micro_recording, 64, 0)[1].too_weak()
    )


def test_clean_and_corrupted_differ_in_order_alone(left_right):
    image, text = contrasts(left_right, 16, 0)
    words, vocabulary = left_right.examples.words["text"], left_right.examples.words["image"]
    for clean, corrupted in zip(*(tokens.ids.tolist() for tokens in image.inputs), strict=True):
        places = [i for i, (a, b) in enumerate(zip(clean, corrupted, strict=True)) if a != b]
        left, right = places
        assert (clean[left], clean[right]) == (corrupted[right], corrupted[left])
        assert "background" not in (vocabulary[clean[left]], vocabulary[clean[right]])
    for row, (clean, corrupted) in enumerate(
        zip(*(tokens.ids.tolist() for tokens in text.inputs), strict=True)
    ):
        picture = [vocabulary[token] for token in image.inputs[0].ids[row].tolist()]
        first, second = [word for word in picture[1:] if word != "background"]
        sentence = " ".join(words[token] for token in clean)
        assert sentence == f"[SOT] {first} is on the left of {second} [EOT]"
        swapped = " ".join(words[token] for token in corrupted)
        assert swapped == f"[SOT] {second} is on the left of {first} [EOT]"
    margins = [image.bench("denoising").margin(tokens) for tokens in image.inputs]
    assert margins[0].mean() > margins[1].mean()


def test_twins_swap_the_labels_and_keep_the_layout(micro_examples):
    part = micro_examples.of("mixed_pair")
    for i, twin in enumerate(twins(part)):
        assert part.image_pixels[twin].tolist() == part.image_pixels[i].tolist()
        assert part.image_labels[twin].tolist() == part.image_labels[i].tolist()[::-1]
    one = part.at(np.array([0, 5]))
    assert twins(one).tolist() == [-1, -1]


def test_pictures_without_their_swaps_cannot_be_patched(micro, micro_examples):
    part = micro_examples.of("unseen_pair")
    first = np.flatnonzero(part.image_labels[:, 0] == 2)
    with pytest.raises(NotApplicable, match="too few pictures whose swap is among the recorded"):
        activation_patching(record(micro, part.at(first)))


def test_examples_and_seed_choose_the_pictures(left_right):
    few = [contrasts(left_right, 8, seed)[0].inputs[0].ids for seed in (0, 0, 1)]
    assert len(few[0]) == 8
    assert torch.equal(few[0], few[1])
    assert not torch.equal(few[0], few[2])
