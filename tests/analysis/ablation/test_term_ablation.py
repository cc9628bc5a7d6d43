"""What is left of order when terms are taken away: by hand, on shipped, deep and large models."""

from dataclasses import replace

import numpy as np
import pytest

from lrinterp import DualEncoder, FitConfig, Scenes, Split, World, fit, preset, record
from lrinterp.analysis import subject
from lrinterp.analysis.ablation import measured_ablations, order_heads
from lrinterp.analysis.ablation import term_ablation as term_ablations
from lrinterp.analysis.ablation.term_ablation import TermAblation, term_ablation
from lrinterp.analysis.read import CARRIERS
from lrinterp.result import Metric
from lrinterp.run import Edit
from lrinterp.scoring import order_credit
from lrinterp.stats import GAP, Sample
from lrinterp.wording import plain_number

INTACT, WITHOUT, PLACEBO = "order_intact", "order_without_key_position", "order_placebo"

COLUMNS = (
    "model encoder terms heads kind dose gauge layers queries set metric candidates value low high "
    "n n_units"
)
KEYS = {
    "order_without_key_position",
    "label_set_closed_without_key_position",
    "order_placebo",
    "order_key_position_only",
    "order_placebo_minus_without",
}


def credits_of(metric: Metric) -> np.ndarray:
    """Credit of each picture, by draw."""
    assert metric.sample is not None
    return metric.sample.top


def test_the_micro_model_by_hand(micro_recording):
    """Head 0 carries all of it; labels are told apart without it; half of all placebos err."""
    result = term_ablation(micro_recording)
    summary = {key: scalar.value for key, scalar in result.metrics.items()}
    assert summary == {
        "order_intact": 1, "order_without_key_position": 0.5, "order_placebo": pytest.approx(2 / 3),
        "order_placebo_minus_without": pytest.approx(1 / 6), "order_key_position_only": 1,
        "order_intact_minus_key_position_only": 0, "order_key_position_and_objects": 1,
        "order_without_text_key_position": 0.5, "order_without_both_key_position": 0.5,
        "order_reversed": 0, "order_reversed_gap": 0, "order_linear_only": 1,
        "order_residual_only": 0.5, "order_residual_rescaled": 0.5, "order_exchanged": 0,
        "order_exchanged_gap": 0, "order_equalised": 0.5, "order_equalised_gap": 0,
        "label_set_closed_without_key_position": 1,
    }  # fmt: skip
    assert {head: lost.value for head, lost in result.order_lost.items()} == {
        (0, 0): 0.5,
        (0, 1): 0,
    }
    assert all(s.n == 6 and s.n_units == 2 and s.low is None for s in result.metrics.values())
    np.testing.assert_allclose(result.on_objects[:, 0], attention_on_objects(), rtol=1e-5)


def test_intervals_of_the_micro_model_come_from_its_labels(micro, micro_examples):
    result = term_ablation(record(micro, micro_examples.of("mixed_pair")), draws=2)
    needed, idle = (result.order_lost[0, head] for head in (0, 1))
    assert (needed.value, idle.value, needed.n_units) == (0.5, 0, 4)
    assert 0 < (needed.low or 0) < 0.5 < (needed.high or 0) < 1
    assert (idle.low or 0) < 0 < (idle.high or 0)  # no picture lost order; one more might
    assert result.focus == "mixed_pair"
    assert all(scalar.value is None for scalar in result.metrics.values())
    assert not result.metrics.keys() & result.more.keys()


def attention_on_objects() -> list[float]:
    """Intact and with key-position alone, e to the scores of the two objects over all four."""
    found = []
    for content in (6.0, None):
        shares = []
        for place in ((0, 1), (0, 2), (1, 2)):
            level = [(6 if p in place else 4) if content else 16 / 3 for p in range(3)]
            weights = np.exp([12, *(c + 6 + 2 * (p - 1) for p, c in enumerate(level))])
            shares.append(weights[1:][list(place)].sum() / weights.sum())
        found.append(np.mean(shares))
    return found


def test_differences_are_paired(left_right_results):
    """The interval of a difference is that of the differences, not of the two means."""
    result = left_right_results["term_ablation"]
    numbers = (result.numbers[key] for key in (PLACEBO, WITHOUT, "order_placebo_minus_without"))
    placebo, without, spread = numbers
    draws, one = credits_of(placebo), credits_of(without)
    assert (len(draws), len(one)) == (20, 1)
    expected = Sample.mean(draws - one, placebo.sample.units, GAP).interval
    assert (spread.value, spread.low, spread.high) == (expected.value, expected.low, expected.high)
    assert spread.value == pytest.approx(placebo.value - without.value)


def test_no_gradient_has_no_order_to_lose(no_gradient_results):
    summary = no_gradient_results["term_ablation"].metrics
    for key in ("order_intact", "order_without_key_position", "order_placebo"):
        assert 0.45 <= summary[key].value <= 0.55
    assert summary["label_set_closed_without_key_position"].value >= 0.95


def test_raw_rows_stand_beside_the_canonical_ones(left_right_results):
    """Zeroing all of EP, PP and bP is the one raw row that means the same."""
    table = left_right_results["term_ablation"].frame()
    assert list(table.columns) == COLUMNS.split()
    order = table[(table["metric"] == "order") & (table["set"] == "unseen_pair")]
    order = order[(order["model"] == "trained") & (order["encoder"] == "image")]
    order = order[(order["heads"] == "all") & order["dose"].isin(("0", "1"))]
    value = order.set_index(["terms", "kind", "gauge"])["value"]
    whole = value["EP+PP+bP"]
    assert whole["zero", "raw"] == pytest.approx(whole["flatten", "canonical"], abs=0.05)
    for terms in ("EP", "PP", "bP", "EP+bP"):
        assert (terms, "zero", "raw") in value.index
    assert set(table["heads"]) == {"all", "0", "1", "2", "3"}


def test_the_other_sets_are_measured_too(left_right, left_right_results):
    table = left_right_results["term_ablation"].frame()
    assert set(table["set"]) == {"unseen_pair", "seen_pair", "mixed_pair", "single"}
    single = table[table["set"] == "single"]
    assert "order" not in set(single["metric"])
    seen = left_right.of("seen_pair")
    edits = ((), (Edit(),), (Edit(how="keep"),))
    own = table[(table["set"] == "seen_pair") & (table["metric"] == "order")]
    for ablation, value in zip(edits, own["value"], strict=True):
        credit = order_credit(seen.under(*ablation).scores, seen.examples)
        assert value == pytest.approx(credit.mean())


def test_large_sets_are_sampled(micro, micro_examples, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measured_ablations, "LARGEST_SET", 5)
    table = term_ablation(record(micro, micro_examples), draws=1).frame()
    n = table.groupby("set")["n"].max().to_dict()
    assert n == {"unseen_pair": 6, "mixed_pair": 5, "seen_pair": 4, "single": 4}


def test_a_split_without_held_out_pairs_gives_nulls(all_trained):
    result = term_ablation(all_trained, draws=1)
    assert result.focus == "seen_pair"
    assert set(result.metrics) >= KEYS
    assert all((s.value, s.low, s.n) == (None, None, 0) for s in result.metrics.values())
    assert result.numbers[INTACT].value == 1
    assert result.numbers[WITHOUT].value == 0.5


def deep_model(layers: dict[str, int], **recipe) -> tuple[DualEncoder, Scenes]:
    """A small model of several layers, trained where a recipe is given."""
    split = Split(n_pair=4, n_val=8, positions_per_label=5, layouts_per_pair=8)
    scenes = Scenes(World(n_pixels=5, n_labels=12), split)
    sizes = {"d_model": 32, "n_heads": 2, "d_head": 16, "d_embed": 32}
    scales = dict.fromkeys(("std_W_E", "std_W_pos", "std_weights"), 0.14)
    model = DualEncoder.build(preset("minimal", **sizes, **scales, **layers), scenes.sizes, 0)
    if recipe:
        fit(model, scenes, FitConfig(**recipe), progress=False)
    return model, scenes


@pytest.fixture(scope="module")
def deep_results() -> tuple[TermAblation, TermAblation]:
    """Two image layers, before training and after some seconds of it."""
    found = []
    for recipe in ({}, {"steps": 200, "learning_rate": 0.005}):
        model, scenes = deep_model({"image_layers": 2}, **recipe)
        found.append(term_ablation(record(model, scenes.examples(), ()), draws=5))
    return found[0], found[1]


def test_order_of_a_deep_model_needs_key_position_in_all_layers(deep_results):
    """The positive control; a norm-matched random control in as many layers costs far less."""
    summary = deep_results[1].metrics
    assert summary["order_intact"].value > 0.75
    assert 0.45 <= summary["order_without_key_position"].value <= 0.55
    assert summary["order_placebo_minus_without"].low > 0.05
    assert summary["label_set_closed_without_key_position"].value > 0.75
    assert set(summary) >= KEYS | set(CARRIERS)
    assert not any(key.endswith("_gap") for key in summary)
    assert summary[CARRIERS[0]].value != "none"
    assert summary[CARRIERS[1]].value < summary["order_intact"].value - 0.1


def test_an_untrained_deep_model_has_no_order_to_lose(deep_results):
    """The null: near chance intact, without key-position, and under the random control."""
    summary = deep_results[0].metrics
    for key in ("order_intact", "order_without_key_position", "order_placebo"):
        assert 0.35 <= summary[key].value <= 0.65
    assert max(abs(lost.value) for lost in deep_results[0].order_lost.values()) < 0.15


def test_order_lost_of_a_deep_model_is_by_layer_and_head(deep_results):
    result = deep_results[1]
    assert list(result.order_lost) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    table = result.frame()
    rows = table[(table["kind"] == "flatten") & (table["metric"] == "order")]
    without = rows.set_index(["layers", "heads"])["value"]
    for (layer, head), lost in result.order_lost.items():
        left = without[str(layer), str(head)]
        assert lost.value == pytest.approx(result.numbers[INTACT].value - left)
    heads = next(f for f in result.figures() if f.key == "heads")
    assert set(heads.table["head"]) == {"L0H0", "L0H1", "L1H0", "L1H1"}


def test_a_large_tower_is_estimated_and_says_how_well(monkeypatch: pytest.MonkeyPatch):
    """Fewer rows, the fewest placebos, and the heads that were measured have an order lost."""
    monkeypatch.setattr(subject, "LARGE", 3)
    monkeypatch.setattr(term_ablations, "MOST_WORK", 0)
    monkeypatch.setattr(order_heads, "STRONGEST", 2)
    monkeypatch.setattr(order_heads, "RANDOM", 1)
    model, scenes = deep_model({"image_layers": 2})
    result = term_ablation(record(model, scenes.examples(["unseen_pair"]), ()))
    assert len(result.order_lost) == 3
    assert len(credits_of(result.numbers[PLACEBO])) == term_ablations.FEWEST_DRAWS
    table = result.frame()
    estimated = table[(table["metric"] == "order_margin_change")]
    assert (estimated["candidates"] == "first order").sum() == 4
    agreement = table[table["metric"] == "estimate_agreement"].set_index("candidates")["value"]
    said = f"Pearson's r {plain_number(agreement['pearson'])}"
    assert any(said in text for text in result.caveats)
    assert [f.key for f in result.figures()] == [
        "order", "shape", "doses", "layers", "heads", "estimate",
    ]  # fmt: skip
    assert all(scalar.value is not None for scalar in result.metrics.values())


@pytest.mark.parametrize("boxes", [True, False])
def test_photographs_are_measured(photographs, boxes):
    """A tower that reads patches; without boxes what needs the places of objects is left out."""
    model, examples = photographs
    if not boxes:
        halves = {"left": "left half", "right": "right half"}
        image = {halves.get(k, k): m for k, m in examples.roles["image"].items()}
        del image["background"]
        examples = replace(examples, roles={**examples.roles, "image": image})
    result = term_ablation(record(model, examples, ()), draws=2)
    assert result.focus == "pictures"
    known = {key for key, scalar in result.metrics.items() if scalar.value is not None}
    objects = {"order_key_position_and_objects", "order_exchanged", "order_equalised"}
    assert known == set(result.metrics) - (set() if boxes else objects)
    table = result.frame()
    assert set(table["set"]) == {"pictures"}
    terms = set(table[table["layers"] == "0"]["terms"])
    assert {"EP", "bP", "VP", "EP+VP", "EP+PP+bP"} <= terms
    assert result.on_objects.shape == (2, 2 if boxes else 0)
    assert len(result.figures()) == (7 if boxes else 6)
