"""What algebra predicts of a control, and the heads that carry order, planted and found."""

from collections.abc import Callable

import numpy as np
import pytest

from lrinterp import DualEncoder, Run, Scenes, Split, World, preset, record
from lrinterp.analysis.ablation import controls
from lrinterp.analysis.ablation.controls import by_dose, carriers, predicted, split_in_half
from lrinterp.analysis.ablation.rows import Ablation, Listed
from lrinterp.stats import Units

pytestmark = pytest.mark.usefixtures("one_thread")

INTACT = np.array([1.0, 0.0, 0.5])


def test_one_layer_and_two_objects_are_algebra():
    for key in ("order_reversed", "order_exchanged"):
        assert predicted(key, INTACT, 1, 2, 0.5).tolist() == [0, 1, 0.5]  # type: ignore[union-attr]
    assert predicted("order_equalised", INTACT, 1, 2, 0.5).tolist() == [0.5] * 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("key", "layers", "objects"),
    [
        ("order_linear_only", 1, 2),
        ("order_residual_rescaled", 1, 2),
        ("order_placebo", 1, 2),
        ("order_reversed", 2, 2),
        ("order_equalised", 1, 3),
    ],
)
def test_all_else_is_evidence(key, layers, objects):
    assert predicted(key, INTACT, layers, objects, 0.5) is None


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
) -> Callable[[set[tuple[int, int]]], tuple[Run, Listed]]:
    """A run of two layers and two heads, whose order depends on some heads alone, by decree."""
    split = Split(n_pair=2, n_val=6, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=3, n_labels=8), split)
    config = preset("minimal", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=2)
    run = record(DualEncoder.build(config, scenes.sizes, 0), scenes.examples(["unseen_pair"]))

    def plant(needed: set[tuple[int, int]]) -> tuple[Run, Listed]:
        def order(_: Run, ablation: Ablation) -> np.ndarray:
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
        return run, Listed(model=run.model)

    return plant


@pytest.mark.parametrize("needed", [{(1, 0)}, {(0, 1), (1, 1)}, {(0, 0), (0, 1), (1, 0), (1, 1)}])
def test_the_heads_that_carry_order_are_found(planted, needed):
    run, listed = planted(needed)
    found = carriers(run, listed)
    assert found is not None
    assert set(found.heads) == {f"L{layer}H{head}" for layer, head in needed}
    assert set(found.without) == set(found.without_all) == {0.5}
    assert len(set(run.examples.image_labels[found.pictures].ravel())) == 3


def test_no_head_is_named_where_nothing_carries_order(planted):
    found = carriers(*planted(set()))
    assert found is not None
    assert found.heads == ()
    assert set(found.without) == {1}


def test_a_model_with_one_head_at_work_names_it(micro):
    """Head 0 of the micro-model carries order; with four labels in pairs two choose it."""
    split = Split(n_pair=4, n_val=0, positions_per_label=2, layouts_per_pair=1)
    run = record(micro, Scenes(World(n_pixels=3, n_labels=4), split).examples())
    found = carriers(run.of("seen_pair"), Listed(model=micro))
    assert found is not None
    assert found.heads == ("L0H0",)
    assert found.without.tolist() == found.without_all.tolist()
    assert found.without.mean() == 0.5
    few = record(micro, run.examples.at(found.pictures))
    assert carriers(few.of(few.examples.image_set[0]), Listed(model=micro)) is None


def test_doses_that_were_not_measured_are_left_out():
    labels = {0.0: "a", 0.5: "b", 1.0: "c"}
    measured = {"a": np.zeros((1, 2)), "c": np.ones((1, 2))}
    assert [(dose, values.mean()) for dose, values in by_dose(measured, labels)] == [(0, 0), (1, 1)]
