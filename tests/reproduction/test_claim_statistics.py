"""Statistics of claims: what was planted is found, shares stay shares, maps show what is sure."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from lrinterp.analysis import check_numbers
from lrinterp.reproduction.claim_statistics import (
    CLAIMS,
    PARTS,
    ClaimPart,
    Found,
    of_arms,
    told_apart,
)
from lrinterp.reproduction.grids import of_diversity
from lrinterp.reproduction.running import asked_numbers
from lrinterp.store import InputError, from_plain

GRID = "deviation_key_position outside_key_position contrast_EP".split()
ASKED = "c1 c4 c5 c6 c7 c8a c8b c9 c10 c11 c15 o1 o2 o3 o4".split()

PLANTED = {
    "order": 0.97, "order_gained": 0.47, "weight_share": 0.8, "spearman_EP": 0.98,
    "spearman_PP": 0.2, "spearman_bP": 0.2, "without_EP": 0.52, "lost_PE": 0.01, "lost_PP": 0.01,
    "lost_bP": 0.12, "label_set_EP": 0.98, "label_set_key_position": 0.98, "order_both_1": 0.5,
    "span_both_1": 0.01, "order_few": 0.8, "span_few": 0.05, "first_consistency": 0.99,
    "first_difference": 0.6, "rotation_raw": 0.0, "rotation_aligned": 0.5, "rotation_gained": 0.5,
    "order_both_2": 0.95, "without_EP_VP": 0.51, "lost_VP": 0.005, "lost_only": 0.04,
    "margin_gain": 0.8, "margin_gain_within": 0.8,
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_what_was_planted_is_found(found: dict[str, Found], name: str):
    own = found[name]
    assert own.interval.value == pytest.approx(PLANTED[name], abs=0.012)
    assert (own.interval.n, len(own.seeds)) == (8, 8)
    assert own.interval.value == pytest.approx(np.mean(list(own.seeds.values())))


def test_what_was_not_measured_has_no_value(planted: Any):
    for own in of_arms(planted.measures(arms=())).values():
        assert (own.interval.value, own.reason) == (None, "not measured")


def test_losses_are_taken_model_by_model(planted: Any):
    """One model that is worse in everything changes order, not what an ablation costs."""
    one = planted.model("standard", 1)
    bad = planted.model("standard", 2, after={k: v - 0.3 for k, v in planted.AFTER.items()})
    bad["numbers"]["accuracy.unseen_pair_order"]["value"] -= 0.3
    found = of_arms(planted.gather([("standard", 1, one), ("standard", 2, bad)]))["lost_PP"]
    assert found.seeds[2] == pytest.approx(0.01, abs=0.02)


def test_examples_are_counted_beside_seeds(found: dict[str, Found]):
    names = ("order", "first_difference", "span_few")
    assert [found[name].n_examples for name in names] == [900, 20, None]


@pytest.mark.parametrize(("name", "low", "high"), [("order", 0, 1), ("lost_PP", -1, 1)])
def test_intervals_of_accuracies_end_at_their_bounds(planted, name, low, high):
    """Three models of which one is wrong in everything; plain t would end beyond 1."""
    models = [(seed, planted.model("standard", seed)) for seed in range(3)]
    models[0][1]["numbers"]["accuracy.unseen_pair_order"]["value"] = 0.0
    found = of_arms(planted.gather(("standard", *one) for one in models))[name]
    seeds = np.array(list(found.seeds.values()))
    half = 4.303 * seeds.std(ddof=1) / np.sqrt(3)
    assert seeds.mean() - half < low or seeds.mean() + half > high
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert low <= found.interval.low < seeds.mean() < found.interval.high <= high


def cells(means: dict[str, float], *, seeds: int = 8, noise: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [(c, s, m + noise * rng.normal()) for c, m in means.items() for s in range(seeds)]
    return pd.DataFrame(rows, columns=["cell", "seed", "value"])


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


def test_all_claims_are_there_once():
    ids = [claim.id for claim in CLAIMS]
    assert len(ids) == len(set(ids))
    diversity = [f"{c}-{m}" for c in ("c2", "c3") for m in ("order", "retrieval-closed")]
    assert {*ASKED, *diversity, "c2-retrieval-open", "c3-retrieval-open"} == set(ids)


def test_every_statistic_is_known():
    known = {*PARTS, *of_diversity(None), *GRID, "lag"}
    assert {part.statistic for claim in CLAIMS for part in claim.parts} == known


def test_every_claim_but_one_can_be_refuted():
    bare = [c.id for c in CLAIMS if all(p.bound is None or p.premise for p in c.parts)]
    assert bare == ["c4"]


def test_every_number_that_is_asked_for_is_one_of_an_analysis():
    assert check_numbers(asked_numbers()) == asked_numbers()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({}, "number: expected analysis.key"),
        ({"odd": 1}, "unknown field 'odd'"),
        ({"source": "x"}, "source: expected one of"),
        ({"number": "a.b", "at_least": float("inf")}, "expected a finite bound"),
    ],
)
def test_a_statistic_that_cannot_be_is_refused(part: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words):
        from_plain(ClaimPart, {"statistic": "s", "words": "w", **part}, "c1")
