"""Runs of many ablations: what is kept, left out and noted, on toy worlds and on pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Examples, Scenes, Split, World, preset, record
from lrinterp.analysis.ablation import estimate as ablation_estimate
from lrinterp.analysis.ablation import measure as ablation_measure
from lrinterp.analysis.ablation.bench import Bench
from lrinterp.analysis.ablation.estimate import AGREEMENT, CHANGE
from lrinterp.analysis.ablation.measure import Runs, comparisons, other_sets
from lrinterp.analysis.ablation.rows import KEEP_OBJECTS, Row, head_row, main_rows
from lrinterp.decomposition import KEY_POSITION, InputIndependent

pytestmark = pytest.mark.usefixtures("one_thread")

INPUT_FREE = Row(terms=("EP", "bP"), kind="resample")


@pytest.fixture
def runs(micro: DualEncoder, micro_examples: Examples) -> Runs:
    return Runs(Bench(micro, micro_examples.of("unseen_pair")))


@pytest.fixture(scope="module")
def deep() -> tuple[DualEncoder, Scenes]:
    """Two layers in both towers, untrained."""
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=4), split)
    sizes = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6, "std_weights": 0.5}
    config = preset("full", **sizes, std_W_E=1.0, std_W_pos=1.0, image_layers=2, text_layers=2)
    return DualEncoder.build(config, scenes.sizes, 0), scenes


def test_every_draw_of_a_placebo_is_kept(runs: Runs):
    runs.measure(main_rows(1)[:3], draws=3)
    placebo = "image/EP+PP+bP/all/placebo/canonical"
    assert runs.labels[2:] == [placebo] * 3
    assert len(runs.labels) == 5
    assert [orders.shape for orders in runs.orders] == [(1, 6), (1, 6), (3, 6)]
    assert runs.orders[1].tolist() == [[0.5] * 6]
    assert {row["model"] for row in runs.table} == {"trained"}
    assert runs.notes == []


def test_what_no_input_changes_is_left_out_unless_it_was_asked_for(runs: Runs):
    runs.measure([INPUT_FREE], draws=1)
    assert runs.labels == []
    assert "EP+bP does not depend on the input" in runs.notes[0]
    with pytest.raises(InputIndependent):
        runs.measure([], draws=1, asked=[INPUT_FREE])


def test_without_boxes_objects_are_told_from_nothing(micro, micro_examples):
    """Pictures of halves: the rows are left out, and one note says why."""
    examples = micro_examples.of("unseen_pair")
    image = examples.roles["image"]
    halves = {"CLS": image["CLS"], "left half": image["left"], "right half": image["right"]}
    runs = Runs(Bench(micro, replace(examples, roles={**examples.roles, "image": halves})))
    rows = [Row(terms=KEY_POSITION, kind=KEEP_OBJECTS, heads=heads) for heads in (None, (0,))]
    text = Row(terms=KEY_POSITION, kind=KEEP_OBJECTS, encoder="text")
    runs.measure([*rows, text], draws=1)
    assert runs.labels == [text.label]
    (note,) = runs.notes
    assert "nothing says where in these pictures the objects are" in note


def test_heads_are_estimated_and_some_measured(deep, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ablation_estimate, "STRONGEST", 2)
    monkeypatch.setattr(ablation_estimate, "RANDOM", 1)
    model, scenes = deep
    runs = Runs(Bench(model, scenes.examples(["unseen_pair"])))
    runs.estimate()
    assert len(runs.labels) == 3
    rows = [row for row in runs.table if row["metric"] == CHANGE]
    estimated = {(r["layers"], r["heads"]): r["value"] for r in rows if r["candidates"] != "exact"}
    exact = {(r["layers"], r["heads"]): r["value"] for r in rows if r["candidates"] == "exact"}
    assert (len(estimated), len(exact)) == (4, 3)
    largest = sorted(estimated, key=lambda place: -abs(estimated[place]))[:2]
    assert set(largest) <= set(exact)
    for (layer, head), value in exact.items():
        row = head_row(int(layer), int(head), 2)
        before, after = (runs.bench.scores(r) for r in (Row(), row))
        weights = ablation_estimate.margin_weights(runs.bench.examples)
        assert value == pytest.approx(float(((after - before) * weights).sum(1).mean()), abs=1e-6)
        assert row.label in runs.labels
    pearson = next(r["value"] for r in runs.table if r["candidates"] == "pearson")
    both = np.array([(estimated[place], exact[place]) for place in exact])
    assert pearson == pytest.approx(np.corrcoef(both.T)[0, 1])
    assert {r["n"] for r in runs.table if r["metric"] == AGREEMENT} == {3}
    assert "Of the 4 heads of the image tower 3 are measured" in runs.notes[0]


def test_comparisons_of_a_deep_tower_are_of_all_its_layers(deep):
    model, scenes = deep
    recording = record(model, scenes.examples(), ())
    rows, notes = comparisons(recording, recording.examples.of("unseen_pair"))
    layers = {(row["model"], row["kind"], row["layers"], row["queries"]) for row in rows}
    assert layers == {
        ("trained", "none", "0", "pooled"),
        ("trained", "flatten", "all", "all"),
        ("trained", "keep", "all", "all"),
        ("untrained", "none", "0", "pooled"),
        ("untrained", "flatten", "all", "all"),
    }
    assert {row["set"] for row in rows if row["model"] == "untrained"} == {"unseen_pair"}
    assert any("all 2 layers of the image tower" in note for note in notes)
    assert any("in all 2 layers and rows" in note for note in notes)
    n = len(recording.examples.where("unseen_pair"))
    assert any(f"over the {n} analysed pictures" in note for note in notes)


def test_one_layer_needs_no_word_on_depth(micro_recording):
    _, notes = comparisons(micro_recording, micro_recording.examples.of("unseen_pair"))
    assert notes == ["No untrained model in the table: this model has no recipe to start from."]


def test_sets_that_are_not_there_are_not_missed(micro, micro_examples):
    recording = record(micro, micro_examples.of("unseen_pair"), ())
    assert list(other_sets(recording)) == []
    rows, _ = comparisons(recording, recording.examples)
    assert rows == []


def test_a_bar_shows_for_what_takes_long(runs: Runs, monkeypatch, capsys):
    """Never before its patience is over."""
    monkeypatch.setattr(ablation_measure, "PATIENCE", 0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    runs.measure([Row()], draws=1)
    assert "ablation/s" in capsys.readouterr().err
    monkeypatch.setattr(ablation_measure, "PATIENCE", 60)
    runs.measure([Row()], draws=1)
    assert capsys.readouterr().err == ""


def test_nothing_of_the_model_changes(deep):
    model, scenes = deep
    runs = Runs(Bench(model, scenes.examples(["unseen_pair"])))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    runs.measure(main_rows(2), draws=1)
    runs.estimate()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
