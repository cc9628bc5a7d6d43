"""Statistics of claims: what was planted is found, and shares stay shares."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.statistics import PARTS, by_seed, of_arms

PLANTED = {
    "order": 0.97,
    "order_gained": 0.47,
    "weight_share": 0.8,
    "spearman_EP": 0.98,
    "spearman_PP": 0.2,
    "spearman_bP": 0.2,
    "without_EP": 0.52,
    "lost_PE": 0.01,
    "lost_PP": 0.01,
    "lost_bP": 0.12,
    "label_set_EP": 0.98,
    "label_set_key_position": 0.98,
    "order_both_1": 0.5,
    "span_both_1": 0.01,
    "order_few": 0.8,
    "span_few": 0.05,
    "first_consistency": 0.99,
    "first_difference": 0.6,
    "rotation_raw": 0.0,
    "rotation_aligned": 0.5,
    "rotation_gained": 0.5,
    "order_both_2": 0.95,
    "without_EP_VP": 0.51,
    "lost_VP": 0.005,
    "lost_only": 0.04,
    "margin_gain": 0.8,
    "margin_gain_within": 0.8,
}


@pytest.mark.parametrize("name", PARTS)
def test_what_was_planted_is_found(as_claimed: Measures, name: str):
    found = of_arms(as_claimed)[name]
    assert found.interval.value == pytest.approx(PLANTED[name], abs=0.012)
    assert (found.interval.n, len(found.seeds)) == (8, 8)
    assert found.interval.value == pytest.approx(np.mean(list(found.seeds.values())))


@pytest.mark.parametrize("name", PARTS)
def test_what_was_not_measured_has_no_value(planted: Any, name: str):
    found = of_arms(planted.measures(arms=()))[name]
    assert found.interval.value is None
    assert found.reason == "not measured"


def test_losses_are_taken_model_by_model(planted: Any):
    """One model that is worse in everything changes order, not what an ablation costs."""
    one = planted.model("standard", 1)
    bad = planted.model("standard", 2, after={k: v - 0.3 for k, v in planted.AFTER.items()})
    bad["numbers"]["accuracy.unseen_pair_order"]["value"] -= 0.3
    found = of_arms(planted.gather([("standard", 1, one), ("standard", 2, bad)]))["lost_PP"]
    assert found.seeds[2] == pytest.approx(0.01, abs=0.02)


def test_examples_are_counted_beside_seeds(as_claimed: Measures):
    assert of_arms(as_claimed)["order"].n_examples == 900
    assert of_arms(as_claimed)["first_difference"].n_examples == 20
    assert of_arms(as_claimed)["span_few"].n_examples is None


def test_seeds_without_a_number_are_left_out():
    found = by_seed(pd.Series({1: 0.5, 2: np.nan, 3: 0.7}))
    assert found.seeds == {1: 0.5, 3: 0.7}
    assert found.interval.n == 2


@pytest.mark.parametrize(("name", "low", "high"), [("order", 0, 1), ("lost_PP", -1, 1)])
def test_intervals_of_accuracies_end_at_their_bounds(
    planted: Any, name: str, low: float, high: float
):
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
