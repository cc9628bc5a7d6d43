"""Measures: numbers of all models, asked by arm and name."""

from typing import Any

import pytest

from lrinterp.reproduction.measures import Measures

ALIGNED = "procrustes.W_E_aligned_cosine"


def test_numbers_by_seed(as_claimed: Measures, planted: Any):
    orders = as_claimed.number("few", "accuracy.unseen_pair_order")
    assert orders.index.tolist() == list(planted.SEEDS)
    assert orders.mean() == pytest.approx(0.8, abs=0.01)
    assert as_claimed.number("few", "accuracy.nothing").empty
    assert as_claimed.arms == [*planted.ARMS, planted.UNTRAINED]


def test_a_head_stands_as_text(as_claimed: Measures):
    heads = as_claimed.rows("few", "positional_gradient.headline_head")
    assert set(heads["text"]) == {"L0H1"}
    assert heads["value"].isna().all()


def test_a_model_that_skipped_an_analysis_has_no_rows_of_it(planted: Any):
    one, other = planted.model("standard", 1), planted.model("standard", 2)
    del other["numbers"][ALIGNED], other["tables"]["similarity_attribution"]
    found = planted.gather([("standard", 1, one), ("standard", 2, other)])
    assert found.number("standard", ALIGNED).index.tolist() == [1]
    assert set(found.tables["similarity_attribution"]["seed"]) == {1}
    assert set(found.tables["positional_gradient"]["seed"]) == {1, 2}
