"""Rows of the attribution table against plain loops over the parts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.attribution.margin_parts import VALUE_PARTS, Attributed, attribute
from lrinterp.analysis.attribution.rows import WAYS, long_rows, pixel_rows, role_masks, summands
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.decomposition import TERMS
from lrinterp.stats import LINEAR, Units, mean_interval

pytestmark = pytest.mark.usefixtures("one_thread")

TOWERS = ("image", "text")


@pytest.fixture(scope="module")
def apart(left_right) -> dict[str, tuple[Contrast, Attributed]]:
    found = {}
    for contrast in contrasts(left_right, 60, 0):
        tower = left_right.model.towers[contrast.tower]
        occurs = left_right.examples.occurs[contrast.tower]
        parts = attribute(tower, contrast.inputs[0], occurs, contrast.direction)
        found[contrast.tower] = (contrast, parts)
    return found


@pytest.mark.parametrize("tower", TOWERS)
def test_rows_of_each_kind_add_up_to_the_mean_margin(apart, tower: str):
    contrast, found = apart[tower]
    table = pd.DataFrame(list(long_rows(contrast, found)))
    margin = found.margin.mean()
    margins = table[table["kind"] == "margin"].set_index("part")["value"]
    assert margins["whole"] == pytest.approx(margin)
    assert margins["key-position flattened"] == pytest.approx(found.flat_margin.mean())
    direct = table[table["kind"] == "direct"]
    assert direct["value"].sum() == pytest.approx(margin, abs=1e-9)
    through = table[table["kind"] == "through attention"]
    for heads in (through["head"] == "all", through["head"] != "all"):
        for parts in (("key-position", "key-content"), TERMS):
            chosen = through[heads & through["part"].isin(parts)]["value"]
            assert chosen.sum() == pytest.approx(margin - margins["uniform attention"], abs=1e-6)
    assert (table["n"] == 60).all()
    assert not table.duplicated(["kind", "head", "role", "part"]).any()


@pytest.mark.parametrize("tower", TOWERS)
def test_a_role_is_the_sum_over_its_keys(apart, tower: str):
    contrast, found = apart[tower]
    rows = {tuple(name.values()): values for name, values in summands(contrast, found)}
    for role, mask in contrast.roles.items():
        for head in range(found.by_key.shape[2]):
            for k, part in enumerate(VALUE_PARTS):
                expected = (found.by_key[k, :, head] * mask.numpy()).sum(-1)
                got = rows["direct", f"L0H{head}", role, part]
                np.testing.assert_allclose(got, expected, atol=1e-12)
    pooled = {"image": "CLS", "text": "EOT"}[tower]
    assert {role for kind, head, role, _ in rows if head == "direct path"} == {pooled}


def test_intervals_leave_out_labels(apart):
    contrast, found = apart["image"]
    row = next(iter(long_rows(contrast, found)))
    labels = contrast.recording.examples.image_labels[contrast.pictures]
    expected = mean_interval(found.margin, Units.of_labels(labels), scale=LINEAR)
    assert (row["value"], row["low"], row["high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert row["n_units"] == len(np.unique(labels))


@pytest.mark.parametrize("tower", TOWERS)
def test_what_is_added_first_last_and_on_average(apart, tower: str):
    """Shapley values of both parts add up to what attention makes; first and last need not."""
    contrast, found = apart[tower]
    table = pd.DataFrame(list(long_rows(contrast, found)))
    added = {way: table[table["kind"] == way].set_index("part")["value"] for way in WAYS}
    first, last, mean = added.values()
    position, content = found.alone
    whole = (found.margin - found.uniform).mean()
    assert first["key-position"] == pytest.approx((position - found.uniform).mean())
    assert last["key-position"] == pytest.approx((found.margin - content).mean())
    assert mean.sum() == pytest.approx(whole)
    assert first["key-position"] + last["key-content"] == pytest.approx(whole)
    assert abs(first["key-position"] - last["key-position"]) > 1e-3


def test_keys_without_a_role_are_not_lost(apart):
    contrast, found = apart["image"]
    few = replace(contrast, roles={k: contrast.roles[k] for k in ("CLS", "left", "right")})
    masks = role_masks(few, found)
    np.testing.assert_array_equal(masks["elsewhere"], contrast.roles["background"])
    direct = [values for name, values in summands(few, found) if name["kind"] == "direct"]
    np.testing.assert_allclose(np.sum(direct, 0), found.margin, atol=1e-9)
    assert "elsewhere" not in role_masks(contrast, found)
    assert "elsewhere" not in role_masks(*apart["text"])  # padding is attended by nobody


def test_objects_by_pixel_against_a_loop(apart):
    contrast, found = apart["image"]
    table = pd.DataFrame(list(pixel_rows(contrast, found)))
    pixels = contrast.recording.examples.image_pixels[contrast.pictures]
    assert set(table["role"]) == {"left", "right"}
    for side, role in enumerate(("left", "right")):
        part = table[table["role"] == role]
        assert sorted(set(part["pixel"])) == sorted(set((pixels[:, side] + 1).tolist()))
        for row in part.to_dict("records"):
            here = np.flatnonzero(pixels[:, side] + 1 == row["pixel"])
            head = int(str(row["head"]).removeprefix("L0H"))
            values = [found.by_key[:, n, head, row["pixel"]].sum() for n in here]
            assert row["value"] == pytest.approx(np.mean(values))
            assert row["n"] == len(here)
