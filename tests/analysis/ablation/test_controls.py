"""What algebra predicts of a control, and the heads that carry order, planted and found."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from lrinterp import DualEncoder, Run, Scenes, Split, World, preset, record
from lrinterp.analysis.ablation import controls
from lrinterp.analysis.ablation.controls import carriers, predictions, split_in_half
from lrinterp.analysis.ablation.measure import Runs
from lrinterp.analysis.ablation.rows import REMOVED, Ablation, one_head
from lrinterp.scoring import order_credit
from lrinterp.stats import Units

pytestmark = pytest.mark.usefixtures("one_thread")


def test_one_layer_and_two_objects_are_algebra_and_all_else_is_evidence(micro_recording):
    run = micro_recording.of("unseen_pair")
    intact = order_credit(run.scores, run.examples)
    found = predictions(run)
    assert set(found) == {"order_reversed", "order_exchanged", "order_equalised"}
    for key in ("order_reversed", "order_exchanged"):
        assert found[key].tolist() == (1 - intact).tolist()
    assert set(found["order_equalised"]) == {0.5}


@pytest.mark.parametrize(("layers", "objects"), [(2, 2), (1, 3)])
def test_more_layers_or_objects_are_no_algebra(layers, objects):
    world = World(n_pixels=4, n_labels=6, n_objects=objects)
    scenes = Scenes(world, Split(n_pair=3, n_val=3, positions_per_label=2, layouts_per_pair=2))
    config = preset("minimal", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=layers)
    model = DualEncoder.build(config, scenes.sizes, 0)
    assert predictions(record(model, scenes.examples(["unseen_pair"]))) == {}


def test_halves_share_no_label():
    labels = np.array([(a, b) for a in range(6) for b in range(6) if a != b])
    halves = split_in_half(Units.of_labels(labels).member)
    assert halves is not None
    one, other = (set(labels[half].ravel()) for half in halves)
    assert (len(one), len(other)) == (3, 3)
    assert not one & other
    assert not (halves[0] & halves[1]).any()
    assert (~halves[0] & ~halves[1]).any()  # pairs of both halves have no say
    assert split_in_half(Units.of_labels(labels[(labels < 3).all(1)]).member) is None


@pytest.fixture
def planted(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[set[tuple[int, int]]], Run]:
    """A run of two layers and two heads, whose order depends on some heads alone, by decree."""
    split = Split(n_pair=2, n_val=6, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=3, n_labels=8), split)
    config = preset("minimal", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=2)
    run = record(DualEncoder.build(config, scenes.sizes, 0), scenes.examples(["unseen_pair"]))

    def plant(needed: set[tuple[int, int]]) -> Run:
        def order(_: Run, ablation: Ablation, __: Any = None) -> np.ndarray:
            taken = {
                (layer, head)
                for edit in ablation
                for layer in edit.layers or (0, 1)
                for head in ((0, 1) if edit.heads is None else edit.heads)
            }
            share = len(needed & taken) / max(len(needed), 1)
            return np.full(len(run.examples), 1 - 0.5 * share)

        monkeypatch.setattr(controls, "order_without", order)
        monkeypatch.setattr(controls, "order_credit", lambda *_: order(run, ()))
        return run

    return plant


@pytest.mark.parametrize("needed", [{(1, 0)}, {(0, 1), (1, 1)}, {(0, 0), (0, 1), (1, 0), (1, 1)}])
def test_the_heads_that_carry_order_are_found(planted, needed):
    heads, without, more = carriers(planted(needed)).values()
    assert set(str(heads.value).split(", ")) == {f"L{layer}H{head}" for layer, head in needed}
    assert (without.value, more.value) == (0.5, 0)
    assert without.n_units == more.n_units == 3


def test_no_head_is_named_where_nothing_carries_order(planted):
    heads, without, _ = carriers(planted(set())).values()
    assert (heads.value, without.value) == ("none", 1)


def test_a_model_with_one_head_at_work_names_it(micro):
    """Head 0 of the micro-model carries order; with four labels in pairs two choose it."""
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    run = record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples()).of("seen_pair")
    heads, without, more = carriers(run).values()
    assert heads.value == "L0H0"
    assert (without.value, more.value) == (0.5, 0)
    halves = split_in_half(run.examples.image_units.member)
    assert halves is not None
    judged = run.at(np.flatnonzero(halves[1]))
    assert (without.n, without.examples) == (len(judged.examples), judged.examples.fingerprint)
    assert carriers(judged) == {}


def test_what_is_known_is_not_measured_again(micro, monkeypatch):
    """Known credits are taken as they are; heads together are measured."""
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    run = record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples()).of("seen_pair")
    runs = Runs(run)
    runs.measure([REMOVED, *(one_head(0, head) for head in (0, 1))], 1)
    expected, under = carriers(run), Mock(side_effect=run.under)
    monkeypatch.setattr(Run, "under", under)
    for key, metric in carriers(run, runs.credits).items():
        assert metric.plain() == expected[key].plain()
    assert not under.called
    assert carriers(run, {}).keys() == expected.keys()
    assert under.called
