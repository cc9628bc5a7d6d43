"""Figures of several checkpoints: common axes, one panel or dot a checkpoint, nothing left out."""

from typing import Any

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.experiment.checkpoints.compare import Analysed
from lrinterp.experiment.checkpoints.side_by_side import put_side_by_side
from lrinterp.experiment.checkpoints.side_figures import shared_axis
from lrinterp.result import Figure


@pytest.mark.parametrize(
    ("key", "axis"),
    [
        ("unseen_pair_order_left", "order"),
        ("order_placebo_minus_without", "minus"),
        ("label_set_closed_without_key_position", "captions"),
        ("reconstruction_error", None),
    ],
)
def test_a_number_has_its_unit_and_errors_are_not_drawn(key: str, axis: str | None):
    assert shared_axis(key) == axis


@pytest.mark.parametrize("name", ANALYSES)
def test_every_number_with_an_interval_has_an_axis(name: str, both: list[Analysed]):
    for one in both:
        for key, metric in one.results[name].metrics.items():
            assert metric.low is None or shared_axis(key), key


@pytest.fixture(scope="module")
def figures(both: list[Analysed]) -> dict[str, Figure]:
    names = ("accuracy", "attention_terms", "positional_gradient", "term_ablation")
    of = {n: {one.name: one.results[n] for one in both} for n in names}
    return {
        f"{n}/{figure.key}": figure
        for n in names
        for figure in put_side_by_side(n, of[n]).figures()
    }


def axes(figure: Figure, letter: str) -> set[tuple[float, float]]:
    layout: Any = figure.draw().layout
    return {tuple(layout[name].range) for name in layout if name.startswith(f"{letter}axis")}


def test_shares_of_pictures_have_one_axis(figures: dict[str, Figure]):
    drawn = [key for key in figures if key.startswith("accuracy/")]
    sets = ["accuracy/sets-order", "accuracy/sets-retrieval", "accuracy/sets-label-set"]
    assert drawn == [*sets, "accuracy/distance"]
    assert set().union(*(axes(figures[key], "x") for key in sets)) == {(0.0, 1.05)}


def test_rows_of_all_heads_have_one_scale_and_one_headline(figures):
    figure = figures["positional_gradient/rows"]
    assert len(axes(figure, "y")) == 1
    rows = figure.table
    assert rows.groupby("checkpoint")["head"].nunique().eq(4).all()
    assert rows[rows["headline"]].groupby("checkpoint")["head"].nunique().eq(1).all()


def test_ablations_have_a_panel_and_terms_a_row_for_each_checkpoint(figures: dict[str, Figure]):
    order = figures["term_ablation/order"]
    assert list(order.table["checkpoint"].unique()) == ["left-right", "no-gradient"]
    assert {"intact", "without key-position"} <= set(order.table["ablation"])
    table = figures["attention_terms/terms"].table
    assert table.groupby(["encoder", "checkpoint"]).size().tolist() == [9, 9, 9, 9]
