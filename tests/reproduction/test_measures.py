"""Measures: long tables of all models, asked by arm, analysis and place."""

from typing import Any

import pytest

from lrinterp.reproduction.measures import Measures


def test_numbers_by_seed(as_claimed: Measures, planted: Any):
    orders = as_claimed.number("few", "accuracy", "unseen_pair_order")
    assert orders.index.tolist() == list(planted.SEEDS)
    assert orders.mean() == pytest.approx(0.8, abs=0.01)
    assert as_claimed.number("few", "accuracy", "nothing").empty
    assert as_claimed.arms == [*planted.ARMS, planted.UNTRAINED]


def test_cells_of_a_table_by_their_place(as_claimed: Measures):
    heads = as_claimed.cells("attention_terms", arm="standard", head=1, term="EP")
    assert (heads["head"] == 1).all()
    assert len(heads) == 8
    everyone = as_claimed.cells("attention_terms", arm="standard", head=None, term="EP")
    assert everyone["head"].isna().all()
    assert as_claimed.cells("no_such_analysis", arm="standard").empty


def test_columns_of_the_headline_head(as_claimed: Measures):
    """The second head, twice as steep as the first."""
    spans = as_claimed.of_headline("standard", "EP+PP+bP", "canonical", "span")
    assert spans.tolist() == pytest.approx([12.0] * 8)


def test_an_ablation_by_its_place(as_claimed: Measures):
    after = as_claimed.ablated("standard", "EP", "zero", "raw")
    assert after.mean() == pytest.approx(0.52, abs=0.01)
    assert as_claimed.ablated("standard", "EP", "flatten", "raw").empty


def test_a_model_that_skipped_an_analysis_has_no_rows_of_it(planted: Any):
    one, other = planted.model("standard", 1), planted.model("standard", 2)
    del other["frames"]["procrustes"], other["summaries"]["procrustes"]
    found = planted.gather([("standard", 1, one), ("standard", 2, other)])
    assert found.frames["procrustes"]["seed"].tolist() == [1]
    assert found.number("standard", "procrustes", "W_E_aligned_cosine").index.tolist() == [1]
