"""Effects of patches by hand, what is checked every time, and where patching means nothing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.patching.activation_patching import (
    ActivationPatching,
    activation_patching,
    clean_and_corrupted,
)

COLUMNS = (
    "encoder site layer head query role direction effect low high attribution exact chosen known "
    "identical n n_units"
)
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
    summary = patched_micro.metrics
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


def test_the_table_holds_every_cell_in_both_directions(left_right_results):
    """Full patches are one."""
    result = left_right_results["activation_patching"]
    table = result.frame()
    full = effects_of(result, site="resid_pre", role="all")
    np.testing.assert_allclose(full["effect"], np.ones(4), atol=1e-5)
    assert result.metrics["full_patch_error"].value < 1e-5
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
    gradient = left_right_results["positional_gradient"].metrics
    patching = left_right_results["activation_patching"].metrics
    assert patching["image_z_head"].value == gradient["headline_head"].value
    assert patching["image_z_effect"].low > 0.5


def test_attribution_stands_beside_every_effect(patched_micro):
    """Values lie along the margin but for the length of the embedding, so that signs agree."""
    table = patched_micro.frame()
    assert table["exact"].all()
    assert (table["chosen"] == "all").all()
    assert (table.loc[table["identical"], "attribution"] == 0).all()
    assert table.loc[table["known"] & ~table["identical"], "effect"].isin([0, 1]).all()
    values = effects_of(patched_micro, site="v", head=0)
    for role in ("left", "right", "first", "second"):
        rows = values[values["role"] == role]
        assert (np.sign(rows["effect"]) == np.sign(rows["attribution"])).all()
    assert patched_micro.metrics["image_attribution_pearson"].n == len(
        table[~table["known"] & (table["encoder"] == "image")]
    )
    assert set(patched_micro.overview()["cells"]) == {"every cell"}


def test_a_tower_too_large_is_estimated_and_says_so(left_right, left_right_results):
    """And of a picture and its swap only one is the clean run."""
    large = activation_patching(left_right, most_work=0.0)
    small = left_right_results["activation_patching"]
    table = large.frame()
    assert not table["exact"].all()
    assert table.loc[~table["exact"], ["effect", "low", "high"]].isna().all().all()
    assert table["attribution"].notna().all()
    assert set(table["chosen"]) >= {"none", "strongest", "random"}
    assert table.loc[table["chosen"] != "none", "exact"].all()
    scenes = left_right.examples.image_scene
    for one in clean_and_corrupted(left_right, 64, 0, 0.0):
        assert len(set(scenes[one.pictures])) == len(one.pictures) == large.examples
    assert float(large.metrics["full_patch_error"].value or 0) < 1e-5
    assert {"random sample", "strongest cells"} == set(large.overview()["cells"])
    assert large.metrics["image_z_head"].value == small.metrics["image_z_head"].value
