"""Margins beside gains, and the confound of labels that two of the views are free of."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.attribution.margin_pictures import (
    BOTH_ORDERS,
    FLATTENED,
    OVERALL,
    PERMUTED,
    WITHIN,
    correlations,
    picture_table,
    views,
)
from lrinterp.analysis.contrast import contrasts

pytestmark = pytest.mark.usefixtures("one_thread")

N_PAIRS, LAYOUTS = 6, 15


def pictures_with(labels: float, layouts: float, seed: int = 0) -> pd.DataFrame:
    """Pairs in both orders and all layouts. What labels make of gain and margin changes sign with
    the order; what layouts make of both does not.
    """
    rng = np.random.default_rng(seed)
    by_pair, by_layout = rng.normal(size=N_PAIRS), rng.normal(size=LAYOUTS)
    rows = []
    for pair in range(N_PAIRS):
        for sign in (1, -1):
            for layout in range(LAYOUTS):
                gain = labels * sign * by_pair[pair] + layouts * by_layout[layout]
                place = {"picture": f"{pair} {sign} {layout}", "order": f"{pair} {sign}"}
                twin = len(rows) + sign * LAYOUTS
                stated = {"label 0": 2 * pair, "label 1": 2 * pair + 1}
                rows.append({**place, **stated, "twin": twin, "margin": gain, "L0H0": gain})
    return pd.DataFrame(rows)


def rhos(pictures: pd.DataFrame, prefers: str = "right") -> dict[str, float | None]:
    found = correlations(pictures, pictures, "L0H0", prefers, seed=0)
    return {row["part"]: row["value"] for row in found}


def test_labels_alone_correlate_over_all_pictures_only():
    rho = rhos(pictures_with(labels=1, layouts=0))
    assert rho[OVERALL] == pytest.approx(1)
    assert rho[BOTH_ORDERS] is rho[WITHIN] is None  # nothing is left to rank
    assert rho[WITHIN + PERMUTED] is None


def test_layouts_correlate_in_every_view():
    rho = rhos(pictures_with(labels=0.5, layouts=1))
    for view in (OVERALL, BOTH_ORDERS, WITHIN):
        assert rho[view] == pytest.approx(1)
        assert rho[view + FLATTENED] == rho[view]  # the same table was given twice
        assert 0 < float(rho[view + PERMUTED] or 0) < 0.35
    turned = rhos(pictures_with(labels=0.5, layouts=1), prefers="left")
    for view in (OVERALL, BOTH_ORDERS, WITHIN):
        assert turned[view] == pytest.approx(-1)


def test_noise_correlates_in_none():
    pictures, noise = pictures_with(labels=0, layouts=1), pictures_with(labels=0, layouts=1, seed=1)
    shuffled = np.random.default_rng(5).permutation(len(pictures))
    mixed = pictures.assign(L0H0=noise["L0H0"].to_numpy()[shuffled])
    rho = rhos(mixed)
    for view in (OVERALL, BOTH_ORDERS, WITHIN):
        assert abs(float(rho[view] or 0)) < 1.5 * float(rho[view + PERMUTED] or 0)


def test_both_orders_are_averaged_once():
    pictures = pictures_with(labels=1, layouts=1)
    pictures.loc[0, "twin"] = pictures.loc[LAYOUTS, "twin"] = -1  # a picture without its swap
    overall, both, within = views(pictures, "L0H0", "right")
    assert len(overall.gain) == len(within.gain) == len(pictures)
    assert len(both.gain) == len(pictures) / 2 - 1
    for row, gain in zip(both.rows, both.gain, strict=True):
        assert gain == pytest.approx(pictures["L0H0"][[row, row + LAYOUTS]].mean())
    assert len(np.unique(within.groups)) == 2 * N_PAIRS


def test_a_gain_is_the_attention_to_all_positions_of_a_role(left_right):
    image = contrasts(left_right, 40, 0)[0]
    n, keys = image.roles["right"].shape
    wide = {name: image.roles[name] | image.roles["background"] for name in ("right", "left")}
    attention = np.random.default_rng(0).random((n, 4, keys))
    marked = image.at(slice(None))
    marked.clean.places = replace(marked.clean.places, roles=wide)
    table = picture_table(marked, np.zeros(n), attention)
    for i in range(n):
        right, left = (attention[i][:, wide[name][i].numpy()].sum(-1) for name in wide)
        np.testing.assert_allclose(table.loc[i, [f"L0H{h}" for h in range(4)]], right - left)


def test_pictures_are_named_with_their_gains(left_right):
    image = contrasts(left_right, 120, 0)[0]
    examples = left_right.examples
    pattern = left_right.site("image", "blocks.0.attn.hook_pattern")[image.pictures, :, 0].numpy()
    table = picture_table(image, image.margins().numpy(), pattern)
    for i, row in enumerate(table.to_dict("records")):
        picture = image.pictures[i]
        (left, right), pixels = examples.image_labels[picture], examples.image_pixels[picture] + 1
        words = examples.label_words[left], examples.label_words[right]
        assert row["order"] == ", ".join(words)
        assert [row["label 0"], row["label 1"]] == [left, right]
        assert row["picture"] == f"{words[0]} {pixels[0]}, {words[1]} {pixels[1]}"
        for head in range(4):
            gain = pattern[i, head, pixels[1]] - pattern[i, head, pixels[0]]
            assert row[f"L0H{head}"] == pytest.approx(gain)
        if row["twin"] >= 0:
            assert table["order"][row["twin"]] == ", ".join(words[::-1])
    assert (table["twin"] >= 0).any()
