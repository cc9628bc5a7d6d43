"""What is left of order when terms are taken away: by hand, and on both shipped checkpoints."""

import sys

import numpy as np
import pytest

from lrinterp import DualEncoder, Scenes, Split, World, preset, record
from lrinterp.analysis.ablation_bench import Bench, Row, standard_rows
from lrinterp.analysis.term_ablation import (
    INTACT,
    ONLY,
    PLACEBO,
    WITHOUT,
    name_of,
    term_ablation,
)
from lrinterp.decomposition import KEY_CONTENT
from lrinterp.result import NotApplicable
from lrinterp.stats import crossed_interval

pytestmark = pytest.mark.usefixtures("one_thread")

COLUMNS = "model encoder terms heads kind gauge set metric candidates value low high n n_clusters"
KEYS = {
    "order_without_key_position",
    "label_set_closed_without_key_position",
    "order_placebo",
    "order_key_position_only",
    "order_placebo_minus_without",
}


def test_the_micro_model_by_hand(micro_recording):
    """Head 0 carries all of it; labels are told apart without it; half of all placebos err."""
    result = term_ablation(micro_recording)
    summary = {key: scalar.value for key, scalar in result.summary.items()}
    assert summary == {
        "order_intact": 1,
        "order_without_key_position": 0.5,
        "order_placebo": pytest.approx(2 / 3),
        "order_placebo_minus_without": pytest.approx(1 / 6),
        "order_key_position_only": 1,
        "order_intact_minus_key_position_only": 0,
        "order_key_position_and_objects": 1,
        "label_set_closed_without_key_position": 1,
    }
    assert {head: lost.value for head, lost in result.order_lost.items()} == {0: 0.5, 1: 0}
    assert all(s.n == 6 and s.n_clusters == 1 for s in result.summary.values())


def test_intervals_of_the_micro_model_come_from_its_pairs(micro, micro_examples):
    result = term_ablation(record(micro, micro_examples.of("mixed_pair")), draws=2)
    lost = result.order_lost[0]
    assert (lost.value, lost.low, lost.high, lost.n_clusters) == (0.5, 0.5, 0.5, 4)
    assert result.focus == "mixed_pair"
    assert all(scalar.value is None for scalar in result.summary.values())


def test_attention_on_the_objects_by_hand(micro_recording):
    """Intact and with key-position alone, e to the scores of the two objects over all four."""
    expected = []
    for content in (6.0, None):
        shares = []
        for place in ((0, 1), (0, 2), (1, 2)):
            level = [(6 if p in place else 4) if content else 16 / 3 for p in range(3)]
            weights = np.exp([12, *(c + 6 + 2 * (p - 1) for p, c in enumerate(level))])
            shares.append(weights[1:][list(place)].sum() / weights.sum())
        expected.append(np.mean(shares))
    result = term_ablation(micro_recording, draws=1)
    np.testing.assert_allclose(result.on_objects[:, 0], expected, rtol=1e-5)


def test_differences_are_paired(left_right_results):
    """The interval of a difference is that of the differences, not of the two means."""
    result = left_right_results["term_ablation"]
    names = np.array(result.ablations)
    placebo, without = (result.credits[names == name_of(r)] for r in (PLACEBO, WITHOUT))
    assert (len(placebo), len(without)) == (20, 1)
    expected = crossed_interval(placebo - without, result.clusters)
    spread = result.order(PLACEBO, WITHOUT)
    assert (spread.value, spread.low, spread.high) == (expected.value, expected.low, expected.high)
    assert spread.value == pytest.approx(result.order(PLACEBO).value - result.order(WITHOUT).value)


def test_left_right_needs_key_position_and_nothing_random(left_right_results):
    summary = left_right_results["term_ablation"].summary
    assert set(summary) >= KEYS
    assert 0.45 <= summary["order_without_key_position"].value <= 0.55
    assert summary["label_set_closed_without_key_position"].value >= 0.95
    assert summary["order_intact"].value >= 0.9
    spread = summary["order_placebo_minus_without"]
    assert spread.value >= 0.15
    assert spread.low > 0


def test_key_position_alone_is_enough_or_the_report_says_why_not(left_right_results):
    result = left_right_results["term_ablation"]
    lost = result.summary["order_intact_minus_key_position_only"].value
    assert (lost > 0.1) == ("Key-position alone loses" in result.finding)


def test_no_gradient_has_no_order_to_lose(no_gradient_results):
    summary = no_gradient_results["term_ablation"].summary
    for key in ("order_intact", "order_without_key_position", "order_placebo"):
        assert 0.45 <= summary[key].value <= 0.55
    assert summary["label_set_closed_without_key_position"].value >= 0.95


def test_raw_rows_stand_beside_the_canonical_ones(left_right_results):
    """Zeroing all of EP, PP and bP is the one raw row that means the same."""
    table = left_right_results["term_ablation"].frame()
    assert list(table.columns) == COLUMNS.split()
    order = table[(table["metric"] == "order") & (table["set"] == "unseen_pair")]
    order = order[(order["model"] == "trained") & (order["encoder"] == "image")]
    value = order[order["heads"] == "all"].set_index(["terms", "kind", "gauge"])["value"]
    whole = value["EP+PP+bP"]
    assert whole["zero", "raw"] == pytest.approx(whole["flatten", "canonical"], abs=0.05)
    for terms in ("EP", "PP", "bP", "EP+bP"):
        assert (terms, "zero", "raw") in value.index
    assert set(table["heads"]) == {"all", "0", "1", "2", "3"}


def test_an_untrained_model_stands_in_the_same_table(left_right_results):
    table = left_right_results["term_ablation"].frame()
    fresh = table[(table["model"] == "untrained") & (table["metric"] == "order")]
    assert fresh["kind"].tolist() == ["none", "flatten"]
    assert fresh["value"].between(0.4, 0.6).all()


def test_a_model_without_a_recipe_has_no_untrained_row_and_says_so(micro_recording):
    result = term_ablation(micro_recording, draws=1)
    assert set(result.frame()["model"]) == {"trained"}
    assert "No untrained model in the table: this model has no recipe" in " ".join(result.caveats)


def test_the_other_sets_are_measured_too(left_right, left_right_results):
    table = left_right_results["term_ablation"].frame()
    assert set(table["set"]) == {"unseen_pair", "seen_pair", "mixed_pair", "single"}
    single = table[table["set"] == "single"]
    assert "order" not in set(single["metric"])
    seen = Bench(left_right.model, left_right.examples.of("seen_pair"))
    own = table[(table["set"] == "seen_pair") & (table["metric"] == "order")]
    for row, value in zip((INTACT, WITHOUT, ONLY), own["value"], strict=True):
        assert value == pytest.approx(seen.measure(row)["order", "pair"].mean())


def test_large_sets_are_sampled(micro, micro_examples, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[term_ablation.__module__], "LARGEST_SET", 5)
    table = term_ablation(record(micro, micro_examples), draws=1).frame()
    n = table.groupby("set")["n"].max().to_dict()
    assert n == {"unseen_pair": 6, "mixed_pair": 5, "seen_pair": 4, "single": 4}


def test_a_split_without_held_out_pairs_gives_nulls(micro):
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    recording = record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples())
    result = term_ablation(recording, draws=1)
    assert result.focus == "seen_pair"
    assert set(result.summary) >= KEYS
    assert all((s.value, s.low, s.n) == (None, None, 0) for s in result.summary.values())
    assert result.order(INTACT).value == 1
    assert result.order(WITHOUT).value == 0.5
    assert "trained pairs in new layouts" in result.finding


def test_rows_of_ones_own_come_behind_the_standard_ones(micro_recording):
    extra = [
        Row(terms=("EP",), kind="permute", heads=(0, 1)),
        Row(terms=KEY_CONTENT, kind="keep"),
    ]
    result = term_ablation(micro_recording, extra=extra, draws=1)
    assert len(result.ablations) == len(standard_rows(2)) + 2
    assert result.ablations[-2] == "image/EP/0,1/permute/canonical"
    assert result.order(extra[1]).value == 0.5
    assert set(result.order_lost) == {0, 1}


def test_resampling_what_no_input_changes_is_refused_by_name(micro_recording):
    row = Row(terms=("EP", "bP"), kind="resample")
    with pytest.raises(ValueError, match=r"resample: EP\+bP does not depend on the input"):
        term_ablation(micro_recording, extra=[row], draws=1)


def test_a_tower_that_cannot_be_split_is_named(micro_recording):
    micro_recording.model.text.cfg.positional_embedding_type = "rotary"
    with pytest.raises(NotApplicable, match="the text tower cannot be decomposed: positions enter"):
        term_ablation(micro_recording)


def test_deeper_towers_say_what_is_edited():
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=1)
    scenes = Scenes(World(n_pixels=3, n_labels=4), split)
    config = preset("full", d_model=4, n_heads=2, d_head=2, d_embed=4, image_layers=2)
    model = DualEncoder.build(config, scenes.sizes, 0)
    result = term_ablation(record(model, scenes.examples()), draws=1)
    assert "Only the first layer of each tower is edited; deeper layers run on." in result.caveats
