"""Margins beside gains: rank correlations against scipy, with nulls and positive controls."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr, t

from lrinterp.analysis.contrast import contrasts
from lrinterp.analysis.similarity_attribution_figures import margin_figure, table_figures
from lrinterp.analysis.similarity_attribution_pictures import (
    BOTH_ORDERS,
    FLATTENED,
    OVERALL,
    PERMUTED,
    WITHIN,
    correlations,
    picture_table,
    rank_interval,
    shuffled_high,
    views,
    within_groups,
    within_interval,
)
from lrinterp.stats import COSINE, Units, mean_interval

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
    assert len(overall.frame) == len(within.frame) == len(pictures)
    assert len(both.frame) == len(pictures) / 2 - 1
    for row, gain in zip(both.frame.index.to_numpy(), both.frame["gain"], strict=True):
        assert gain == pytest.approx(pictures["L0H0"][[row, row + LAYOUTS]].mean())
    assert len(within.frame["group"].unique()) == 2 * N_PAIRS


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


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.asarray(spearmanr(x, y))[0])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_rho_without_each_unit_against_scipy(rng: np.random.Generator):
    """The jackknife on log((1 + rho) / (1 - rho)), less its bias, ranked anew each time."""
    groups = rng.permutation(np.repeat([4, 9, 2, 30, 7], 8))
    x = rng.integers(0, 8, size=40).astype(float)  # with ties
    y = x + rng.normal(size=40) * 4
    got = rank_interval(x, y, Units.of_groups(groups))
    assert got.value == pytest.approx(spearman(x, y))
    assert (got.n, got.n_units) == (40, 5)
    left = [spearman(x[groups != g], y[groups != g]) for g in np.unique(groups)]
    z = np.log((1 + np.array(left)) / (1 - np.array(left)))
    centre = 5 * np.log((1 + spearman(x, y)) / (1 - spearman(x, y))) - 4 * z.mean()
    half = t.ppf(0.975, 4) * np.sqrt(((z - z.mean()) ** 2).sum())
    ends = (centre - half) / 2, (centre + half) / 2
    assert (got.low, got.high) == pytest.approx(tuple(np.tanh(ends)))


def test_what_has_no_ranks_has_no_correlation(rng: np.random.Generator):
    x, groups = rng.normal(size=8), np.repeat([0, 1], 4)
    units = Units.of_groups(groups)
    for flat in (np.zeros(8), 1 + 1e-9 * rng.normal(size=8)):  # rounding is no difference
        assert rank_interval(x, flat, units).value is None
        assert np.isnan(within_groups(x, flat, groups)).all()
        assert within_interval(x, flat, groups, units).value is None
        assert shuffled_high(x, flat, groups) is None
    nothing = np.zeros(0)
    found = rank_interval(nothing, nothing, Units.of_groups(nothing.astype(int)))
    assert (found.value, found.n, found.n_units) == (None, 0, 0)


def test_within_groups_is_the_mean_of_what_scipy_says_of_each(rng: np.random.Generator):
    groups, members = np.repeat(np.arange(6), 7), np.repeat([0, 0, 1, 1, 2, 2], 7)
    order = rng.permutation(42)
    groups, members = groups[order], members[order]
    x, y = rng.normal(size=(2, 42))
    x[groups == 3] = 5  # constant: rho is not defined there
    each = [spearman(x[groups == g], y[groups == g]) for g in (0, 1, 2, 4, 5)]
    got = within_groups(x, y, groups)
    assert got[[0, 1, 2, 4, 5]] == pytest.approx(each)
    assert np.isnan(got[3])
    expected = mean_interval(
        np.array(each), Units.of_groups(np.array([0, 0, 1, 2, 2])), scale=COSINE
    )
    interval = within_interval(x, y, groups, Units.of_groups(members))
    assert (interval.value, interval.low) == pytest.approx((expected.value, expected.low))
    assert (interval.n, interval.n_units) == (5, 3)


def test_the_null_is_that_of_independent_ranks(rng: np.random.Generator):
    """Over all: sd 1 / sqrt(n - 1). Within g groups of m: 1 / sqrt(g (m - 1)) of their mean."""
    x, y = rng.normal(size=(2, 400))
    whole, groups = np.zeros(400, dtype=int), rng.permutation(np.repeat(np.arange(10), 40))
    assert shuffled_high(x, y, whole) == pytest.approx(1.96 / np.sqrt(399), rel=0.1)
    assert shuffled_high(x, y, groups) == pytest.approx(1.96 / np.sqrt(390), rel=0.1)


LAYERS, HEADS, GRID = 3, 4, (2, 3)


def planted(seed: int = 0) -> pd.DataFrame:
    """A table of one image tower: heads by role and patch, MLPs, biases."""
    rng, rows = np.random.default_rng(seed), []

    def add(kind: str, head: str, role: str, part: str, pixel: Any = None) -> None:
        value = float(rng.normal())
        ends = {"low": value - 0.1, "high": value + 0.1, "n": 9, "n_units": 3}
        place = {"encoder": "image", "kind": kind, "head": head, "role": role, "part": part}
        rows.append({**place, "pixel": pixel, "value": value, **ends})

    for layer in range(LAYERS):
        for head in range(HEADS):
            name = f"L{layer}H{head}"
            add("direct by part", name, "-", "value")
            for role, part in product(("CLS", "left", "right"), ("E", "P", "b")):
                add("direct", name, role, part)
        add("direct by part", "direct path", "CLS", f"L{layer} mlp")
    for pixel in range(GRID[0] * GRID[1]):
        for head in ("all", "L0H1"):
            add("direct by patch", head, "-", "value", pixel + 1)
    return pd.DataFrame(rows).astype({"pixel": "Int64"})


def test_roles_of_the_strongest_heads_and_patches_on_their_grid():
    table = planted()
    _, _, roles, patches = table_figures(table, "held-out pairs", GRID)
    parts = table[(table["kind"] == "direct by part") & (table["part"] == "value")]
    order = parts.loc[parts["value"].abs().sort_values(ascending=False).index, "head"]
    content, *_ = roles.draw().data
    assert set(content.y) == set(order.tolist()[:8])
    assert roles.draw().layout.annotations[0].text == "content E"
    direct = table[(table["kind"] == "direct") & (table["part"] == "E")]
    for row in direct[direct["head"].isin(order[:8])].to_dict("records"):
        place = list(content.y).index(row["head"]), list(content.x).index(row["role"])
        assert content.z[place] == row["value"]
    every = patches.draw().data[0]
    own = table[(table["kind"] == "direct by patch") & (table["head"] == "all")]
    np.testing.assert_allclose(every.z, own["value"].to_numpy(float).reshape(GRID))


def test_points_are_thinned_and_turned_to_the_preferred_side():
    n = 1000
    rng = np.random.default_rng(0)
    pictures = pd.DataFrame(
        {
            "picture": [f"picture {i}" for i in range(n)],
            "order": "a, b",
            "cluster": 0,
            "twin": np.arange(n)[::-1],
            "margin": np.linspace(0, 1, n),
            "L0H0": -rng.random(n),
        }
    )
    figure = margin_figure(pictures, "L0H0", "left")
    every, both = figure.draw().data
    assert len(every.x) == len(both.x) == 400
    assert min(every.x) >= 0
    np.testing.assert_allclose(both.y, 0.5)
    assert len(figure.table) == n
