"""Means over seeds, and which cells of a map are told from zero."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from lrinterp.reproduction.tables import named, over_seeds, told_apart


def cells(means: dict[str, float], *, seeds: int = 8, noise: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [(c, s, m + noise * rng.normal()) for c, m in means.items() for s in range(seeds)]
    return pd.DataFrame(rows, columns=["cell", "seed", "value"])


def test_means_with_intervals_in_the_order_of_the_table():
    table = pd.DataFrame({"arm": ["b", "b", "a"], "value": [1.0, 3.0, 5.0]})
    found = over_seeds(table, ["arm"])
    assert found["arm"].tolist() == ["b", "a"]
    assert found["value"].tolist() == [2.0, 5.0]
    assert found["n"].tolist() == [2, 1]
    assert np.isnan(found["low"].iloc[1])


def test_a_planted_cell_is_found_and_the_share_of_false_ones_is_kept():
    """The procedure of Benjamini and Hochberg, worked out here from the sorted p values."""
    table = cells({f"null {k}": 0.0 for k in range(20)} | {"planted": 4.0})
    found = told_apart(table, ["cell"])
    p = np.array([ttest_1samp(g["value"], 0).pvalue for _, g in table.groupby("cell", sort=False)])  # type: ignore[attr-defined]
    ranked = np.sort(p) * len(p) / np.arange(1, len(p) + 1)
    expected = np.minimum.accumulate(ranked[::-1])[::-1][np.argsort(np.argsort(p))]
    np.testing.assert_allclose(found["q"], np.minimum(expected, 1))
    assert found.loc[found["q"] < 0.05, "cell"].tolist() == ["planted"]


def test_of_many_maps_without_any_effect_few_show_a_cell():
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(200):
        table = pd.DataFrame({"cell": np.repeat(range(10), 6), "value": rng.normal(size=60)})
        shown += bool((told_apart(table, ["cell"])["q"] < 0.05).any())
    assert shown <= 20  # 10 are expected


def test_cells_in_which_all_seeds_agree():
    table = pd.DataFrame({"cell": list("aabbc"), "value": [0.0, 0.0, 1.0, 1.0, 9.0]})
    assert told_apart(table, ["cell"])["q"].tolist() == pytest.approx([1.0, 0.0, 1.0])


def test_arms_in_words_and_in_their_order():
    table = pd.DataFrame({"arm": ["few", "standard", "few", "none"], "k": range(4)})
    found = named(table)
    assert found["k"].tolist() == [1, 0, 2]
    assert found["arm"].tolist()[0] == "standard"
    assert named(table, ("few",))["k"].tolist() == [0, 2]
