"""Ablations of a run: every order of the micro-model by hand; what is kept, left out and noted."""

from dataclasses import replace

import numpy as np
import pytest

from lrinterp import DualEncoder, Examples, Run, record
from lrinterp.analysis.ablation import order_heads
from lrinterp.analysis.ablation.ablations import PLACEBO, REMOVED, one_head, within_model
from lrinterp.analysis.ablation.measured_ablations import (
    NOTHING,
    MeasuredAblations,
    ablation_credits,
    comparisons,
    table_rows,
)
from lrinterp.analysis.ablation.order_heads import AGREEMENT, CHANGE
from lrinterp.run import Edit
from lrinterp.scoring import METRICS, credits, margin_weights, order_credit
from lrinterp.stats import mean_interval

INPUT_FREE = (Edit(what="EP+bP", how="resample", layers=(0,), queries="pooled"),)
# On cat and dog, at right angles. Both EP and bP of head 0 draw one logit a pixel to the right;
# what is left decides the order, and where nothing is left both captions tie.
RAW = {"layers": (0,), "gauge": "raw"}
ORDER = [
    ((), 1.0),
    ((Edit(),), 0.5),
    ((Edit(heads=(0,)),), 0.5),
    ((Edit(heads=(1,)),), 1.0),
    ((Edit(how="keep"),), 1.0),
    ((Edit(what="EP"),), 1.0),
    ((Edit(what="EP+bP"),), 0.5),
    ((Edit(what="PP", how="zero", **RAW),), 1.0),
    ((Edit(what="EP", how="zero", **RAW),), 1.0),
    ((Edit(what="EP+bP", how="zero", **RAW),), 0.5),
    ((Edit(what="key_content"),), 1.0),
    ((Edit(what="key_content", how="keep"),), 0.5),
    ((Edit(how="keep_objects"),), 1.0),
    ((Edit(how="keep_objects", tower="text"),), 1.0),
    ((Edit(how="reverse"),), 0.0),
    ((Edit(how="linear"),), 1.0),
    ((Edit(how="residual"),), 0.5),
    ((Edit(what="attention", how="exchange"),), 0.0),
    ((Edit(what="attention", how="equalise"),), 0.5),
    ((Edit().scaled(2.0),), 0.0),
    ((Edit().scaled(0.5),), 1.0),
    ((Edit(what="VP", how="zero"),), 1.0),
    ((Edit(what="EP+PP+bP+VP"),), 0.5),
    ((Edit(tower="text"),), 0.5),
    ((Edit(how="keep", tower="text"),), 1.0),
    ((Edit(), Edit(tower="text")), 0.5),
]


@pytest.fixture
def run(micro: DualEncoder, micro_examples: Examples) -> Run:
    return record(micro, micro_examples.of("unseen_pair"))


@pytest.fixture(scope="module")
def deep(small) -> Run:
    """Two layers in both towers, untrained."""
    scales = {"std_W_E": 1.0, "std_W_pos": 1.0, "std_weights": 0.5}
    of = {"n_labels": 4, "n_val": 2, "sets": None}
    return small("full", **of, **scales, image_layers=2, text_layers=2)


@pytest.mark.parametrize(("ablation", "expected"), ORDER, ids=map(str, range(len(ORDER))))
def test_order_of_the_micro_model_under_each_ablation(run, ablation, expected):
    assert ablation_credits(run, ablation)["order", "pair"].tolist() == [[expected] * 6]


@pytest.mark.parametrize("seed", range(4))
def test_order_of_the_micro_model_under_a_placebo(run, seed):
    """The placebo is +-(1, -2, 1) sqrt(4/3): it spares the two ends, and with a sign of its own
    turns one of the two neighbouring layouts round (2 logits against 3.5).
    """
    scores = run.under(Edit(how="placebo", seed=seed)).scores
    credit = credits(scores, run.examples, "order", "pair")
    right = {tuple(p): c for p, c in zip(run.examples.image_pixels, credit, strict=True)}
    assert right[0, 2] == 1
    assert sorted((right[0, 1], right[1, 2])) == [0, 1]
    assert credit.mean() == pytest.approx(2 / 3)


def test_labels_survive_without_key_position(run):
    """Cat and dog then get alike: no order, but no other caption points between them."""
    measured = ablation_credits(run, (Edit(),))
    assert measured["label_set", "closed"].tolist() == [[1] * 6]
    assert measured["label_set", "open"].tolist() == [[1] * 6]
    assert measured["retrieval", "closed"].tolist() == [[0.5] * 6]


def test_rows_of_the_table_carry_intervals_over_labels(micro, micro_examples):
    run = record(micro, micro_examples.of("mixed_pair"))
    ablation = (Edit(what="EP", heads=(0, 1)),)
    measured = ablation_credits(run, ablation)
    rows = list(table_rows(run, ablation, measured))
    assert {(row["metric"], row["candidates"]) for row in rows} == set(METRICS)
    for cells in rows:
        values = measured[cells["metric"], cells["candidates"]][0]
        interval = mean_interval(values, run.examples.image_units)
        assert cells | vars(interval) == cells
        assert (cells["terms"], cells["heads"], cells["set"]) == ("EP", "0,1", "mixed_pair")


def test_every_draw_of_a_placebo_is_kept(run):
    measured = MeasuredAblations(run)
    measured.measure([(), REMOVED, PLACEBO, PLACEBO], draws=3)
    labels = [within_model(run.model, one) for one in ((), REMOVED, PLACEBO)]
    shapes = {own: found["order", "pair"].shape for own, found in measured.measured.items()}
    assert shapes == dict(zip(labels, [(1, 6), (1, 6), (3, 6)], strict=True))
    for seed, credit in enumerate(measured.measured[labels[2]]["order", "pair"]):
        scores = run.under(Edit(how="placebo", seed=seed)).scores
        assert credit.tolist() == credits(scores, run.examples, "order", "pair").tolist()
    assert {row["model"] for row in measured.table} == {"trained"}
    assert len(measured.table) == 3 * len(METRICS)
    assert measured.notes == []


def test_what_no_input_changes_is_left_out(run):
    measured = MeasuredAblations(run)
    measured.measure([INPUT_FREE], draws=1)
    assert measured.measured == {}
    assert "EP+bP does not depend on the input" in measured.notes[0]


def test_without_boxes_nothing_is_said_of_objects(micro, micro_examples):
    """Pictures of halves: the rows are left out, and one note says why."""
    examples = micro_examples.of("unseen_pair")
    image = examples.roles["image"]
    halves = {"CLS": image["CLS"], "left half": image["left"], "right half": image["right"]}
    examples = replace(examples, roles={**examples.roles, "image": halves})
    measured, text = MeasuredAblations(record(micro, examples)), (Edit(how="keep", tower="text"),)
    left_out = [(Edit(how="keep_objects"),), (Edit(what="attention", how="exchange"),)]
    measured.measure([*left_out, text], draws=1)
    assert list(measured.measured) == [within_model(micro, text)]
    (note,) = measured.notes
    assert "nothing says where in these pictures the objects are" in note


def test_heads_are_estimated_and_some_measured(deep, monkeypatch):
    monkeypatch.setattr(order_heads, "STRONGEST", 2)
    monkeypatch.setattr(order_heads, "RANDOM", 1)
    run = deep.of("unseen_pair")
    runs = MeasuredAblations(run)
    runs.estimate()
    assert len(runs.measured) == 3
    rows = [row for row in runs.table if row["metric"] == CHANGE]
    estimated = {(r["layers"], r["heads"]): r["value"] for r in rows if r["candidates"] != "exact"}
    exact = {(r["layers"], r["heads"]): r["value"] for r in rows if r["candidates"] == "exact"}
    assert (len(estimated), len(exact)) == (4, 3)
    largest = sorted(estimated, key=lambda place: -abs(estimated[place]))[:2]
    assert set(largest) <= set(exact)
    weights = margin_weights(run.examples)
    for (layer, head), value in exact.items():
        ablation = one_head(int(layer), int(head))
        change = ((run.under(*ablation).scores - run.scores) * weights).sum(1).mean()
        assert value == pytest.approx(float(change), abs=1e-6)
        assert within_model(run.model, ablation) in runs.measured
    pearson = next(r["value"] for r in runs.table if r["candidates"] == "pearson")
    both = np.array([(estimated[place], exact[place]) for place in exact])
    assert pearson == pytest.approx(np.corrcoef(both.T)[0, 1])
    assert {r["n"] for r in runs.table if r["metric"] == AGREEMENT} == {3}


def test_numbers_are_means_and_paired_differences_and_nothing_where_unmeasured(run):
    measured = MeasuredAblations(run)
    measured.measure([(), REMOVED, one_head(0, 1)], draws=1)
    keys = ["order_without_key_position", "order_placebo", "retrieval_closed_without_key_position"]
    without, placebo, retrieval = measured.numbers(keys).values()
    assert list(measured.numbers(keys)) == keys
    assert (without.value, without.chance, without.examples) == (0.5, 0.5, run.examples.fingerprint)
    assert (retrieval.value, retrieval.chance) == (0.5, None)
    assert placebo is measured.accuracy((), PLACEBO) is NOTHING
    lost = measured.accuracy((), REMOVED)
    assert (lost.value, lost.estimator) == (0.5, "difference")
    assert {place: metric.value for place, metric in measured.lost().items()} == {(0, 1): 0}


def test_one_layer_and_two_objects_are_algebra(run):
    """1 - intact where the picture is turned round, chance where it is a bag."""
    measured = MeasuredAblations(run)
    turned, bag = 1 - order_credit(run.scores, run.examples), np.full(6, 0.5)
    predicted = {
        "reversed": (Edit(how="reverse"), turned),
        "exchanged": (Edit(what="attention", how="exchange"), turned),
        "equalised": (Edit(what="attention", how="equalise"), bag),
    }
    measured.measure([(edit,) for edit, _ in predicted.values()], draws=1)
    for name, (edit, wanted) in predicted.items():
        gap = measured.gaps()[f"order_{name}_gap"]
        own = order_credit(run.under(edit).scores, run.examples)
        assert gap.value == pytest.approx(np.mean(own - wanted))
        assert gap.estimator == "difference"


@pytest.mark.parametrize(("layers", "objects"), [(2, 2), (1, 3)])
def test_more_layers_or_objects_are_no_algebra(small, layers, objects):
    run = small(n_labels=6, n_objects=objects, n_pair=3, image_layers=layers)
    measured = MeasuredAblations(run)
    measured.measure([(Edit(how="reverse"),)], draws=1)
    assert measured.gaps() == {}


def test_comparisons_of_a_deep_tower_are_of_all_its_layers(deep):
    rows, notes = comparisons(deep)
    layers = {(row["model"], row["kind"], row["layers"], row["queries"]) for row in rows}
    assert layers == {
        ("trained", "none", "0", "pooled"),
        ("trained", "flatten", "all", "all"),
        ("trained", "keep", "all", "all"),
        ("untrained", "none", "0", "pooled"),
        ("untrained", "flatten", "all", "all"),
    }
    assert {row["set"] for row in rows if row["model"] == "untrained"} == {"unseen_pair"}
    n = len(deep.examples.where("unseen_pair"))
    assert any(f"of the {n} analysed pictures" in note for note in notes)
