import math
from typing import Any

import pytest

from lrinterp.experiment.naming import (
    column_words,
    factor_named,
    factor_words,
    level,
    measured_words,
    scale_of,
    seeds_words,
    source_words,
)
from lrinterp.stats import COSINE, LINEAR, SHARE, Scale


def test_a_common_field_has_words_and_any_other_its_dotted_name():
    assert factor_words("split.n_pair") == "labels in pairs"
    assert factor_named("split.n_pair") == "labels in pairs (split.n_pair)"
    assert factor_words("encoder.novel") == factor_named("encoder.novel") == "encoder.novel"
    assert source_words("interaction") == "interaction"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, 3), (0.5, 0.5), ("LN", "LN"), (True, "True"), (None, "none"), (math.nan, "none")],
)
def test_a_level_is_a_number_or_text(value: Any, shown: int | float | str):
    assert level(value) == shown
    assert type(level(value)) is type(shown)


@pytest.mark.parametrize(
    ("column", "scale"),
    [
        ("accuracy.unseen_pair_order", SHARE),
        ("term_ablation.retrieval_open_without_EP", SHARE),
        ("accuracy.single_label_set_closed", SHARE),
        ("positional_gradient.headline_spearman", COSINE),
        ("positional_gradient.headline_slope", LINEAR),
        ("loss", LINEAR),
    ],
)
def test_a_column_has_its_bounds(column: str, scale: Scale):
    assert scale_of(column) == scale


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("accuracy.unseen_pair_order", "order, held-out pairs"),
        ("accuracy.single_label_set_open", "label set (open), single objects at new positions"),
        ("term_ablation.order_without_key_position", "order without key-position, held-out pairs"),
        (
            "term_ablation.retrieval_closed_without_EP",
            "retrieval (closed) without EP, held-out pairs",
        ),
        ("toy.largest_slope", "largest slope (toy)"),
    ],
)
def test_a_column_in_words(column: str, words: str):
    assert column_words(column) == words


def test_a_statistic_in_words():
    of = "labels in pairs, 12 minus 3"
    assert measured_words("accuracy.unseen_pair_order", "contrast", of) == (
        "order, held-out pairs: labels in pairs, 12 minus 3"
    )
    assert measured_words("accuracy.single_label_set_open", "share", "seed") == (
        "label set (open), single objects at new positions: share of variance by seed"
    )


def test_how_many_seeds():
    assert [seeds_words(n) for n in ([8, 8], [5, 8], [1], [])] == [
        "8 seeds", "5 to 8 seeds", "1 seed", "0 seeds",
    ]  # fmt: skip
